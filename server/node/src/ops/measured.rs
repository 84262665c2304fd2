//! Ports that measure what the core asks of them, so that the core knows nothing of metrics.

use std::sync::Arc;

use async_trait::async_trait;
use metrics::{Counter, Histogram, counter, histogram};
use sockeye_core::{
    Ports,
    limits::{self, Attempt, Decision, Rule, Throttle},
    message::Record,
    ports::{
        Appended, Asker, Limiter, LimiterError, LogConsumer, LogError, LogTail, MessageLog, PasswordError,
        Passwords,
    },
    position::Cursor,
    time::Timestamp,
};
use tokio::time::Instant;

use crate::audit::{self, Act, Outcome};

/// The same ports, measured.
pub fn measured(mut ports: Ports) -> Ports {
    ports.log = Arc::new(MeasuredLog::new(ports.log));
    ports.passwords = Arc::new(MeasuredPasswords::new(ports.passwords));
    ports.limiter = Arc::new(MeasuredLimiter(ports.limiter));
    ports
}

/// Times what is appended.
pub struct MeasuredLog {
    log: Arc<dyn MessageLog>,
    latency: Histogram,
    failures: Counter,
}

impl MeasuredLog {
    pub fn new(log: Arc<dyn MessageLog>) -> Self {
        let latency = histogram!("sockeye_append_latency_seconds");
        Self { log, latency, failures: counter!("sockeye_append_failures_total") }
    }
}

#[async_trait]
impl MessageLog for MeasuredLog {
    async fn append(&self, record: &Record) -> Result<Appended, LogError> {
        let began = Instant::now();
        let appended = self.log.append(record).await;
        match &appended {
            Ok(_) => self.latency.record(began.elapsed()),
            Err(_) => self.failures.increment(1),
        }
        appended
    }

    async fn end(&self) -> Result<Cursor, LogError> {
        self.log.end().await
    }

    async fn tail(&self, after: &Cursor) -> Result<Box<dyn LogTail>, LogError> {
        self.log.tail(after).await
    }

    async fn consumer(&self) -> Result<Box<dyn LogConsumer>, LogError> {
        self.log.consumer().await
    }
}

/// Times hashing, and counts passwords that were wrong: only a log-in compares one.
pub struct MeasuredPasswords {
    passwords: Arc<dyn Passwords>,
    duration: Histogram,
    wrong: Counter,
    refused: Counter,
}

impl MeasuredPasswords {
    pub fn new(passwords: Arc<dyn Passwords>) -> Self {
        Self {
            passwords,
            duration: histogram!("sockeye_password_duration_seconds"),
            wrong: counter!("sockeye_sign_in_failures_total"),
            refused: counter!("sockeye_passwords_refused_total"),
        }
    }

    async fn measure<T>(
        &self,
        work: impl Future<Output = Result<T, PasswordError>>,
    ) -> Result<T, PasswordError> {
        let began = Instant::now();
        let done = work.await;
        match &done {
            Err(PasswordError::Busy { .. }) => self.refused.increment(1),
            _ => self.duration.record(began.elapsed()),
        }
        done
    }
}

#[async_trait]
impl Passwords for MeasuredPasswords {
    async fn hash(&self, password: &str, asker: Asker) -> Result<String, PasswordError> {
        self.measure(self.passwords.hash(password, asker)).await
    }

    async fn verify(&self, password: &str, hash: Option<&str>, asker: Asker) -> Result<bool, PasswordError> {
        let matches = self.measure(self.passwords.verify(password, hash, asker)).await;
        if let Ok(false) = matches {
            self.wrong.increment(1);
        }
        matches
    }

    fn is_outdated(&self, hash: &str) -> bool {
        self.passwords.is_outdated(hash)
    }
}

/// Counts and notes what the core refuses a user. Requests and events are limited, and counted, by the gateway.
pub struct MeasuredLimiter(pub Arc<dyn Limiter>);

#[async_trait]
impl Limiter for MeasuredLimiter {
    async fn take_many(
        &self,
        rule: &Rule,
        key: &str,
        events: u32,
        now: Timestamp,
    ) -> Result<Decision, LimiterError> {
        let decision = self.0.take_many(rule, key, events, now).await;
        if let Ok(Decision::Refused { .. }) = decision {
            counter!("sockeye_rate_limited_total", "rule" => rule.name).increment(1);
            let user = audit::Subject { user: key.parse().ok(), ..audit::Subject::default() };
            audit::record(Act::Limit, Outcome::Refused, rule.name, user);
        }
        decision
    }

    /// Refused log-ins are counted by the gateway, which knows whose they are.
    async fn attempt(&self, rule: &Throttle, key: &str, now: Timestamp) -> Result<Attempt, LimiterError> {
        self.0.attempt(rule, key, now).await
    }

    async fn settle(
        &self,
        rule: &Throttle,
        key: &str,
        how: limits::Outcome,
        now: Timestamp,
    ) -> Result<(), LimiterError> {
        self.0.settle(rule, key, how, now).await
    }
}

#[cfg(test)]
mod tests {
    use sockeye_core::{
        conversation::ConversationId,
        id::{MessageId, ObjectId, UserId},
        message::{Message, Origin},
        position::Position,
    };

    use super::*;
    use crate::ops::recorder::local;

    /// Takes every other record, the first one first.
    #[derive(Default)]
    struct Moody(std::sync::atomic::AtomicU64);

    #[async_trait]
    impl MessageLog for Moody {
        async fn append(&self, _: &Record) -> Result<Appended, LogError> {
            let offset = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if offset % 2 == 1 {
                return Err(LogError::Unavailable("full".into()));
            }
            Ok(Appended { position: Position { partition: 0, offset }, first: None })
        }

        async fn end(&self) -> Result<Cursor, LogError> {
            Ok("0:7".parse().expect("a cursor"))
        }

        async fn tail(&self, _: &Cursor) -> Result<Box<dyn LogTail>, LogError> {
            Err(LogError::Unavailable("no tail".into()))
        }

        async fn consumer(&self) -> Result<Box<dyn LogConsumer>, LogError> {
            Err(LogError::Unavailable("no consumer".into()))
        }
    }

    /// Knows one password.
    struct One;

    #[async_trait]
    impl Passwords for One {
        async fn hash(&self, _: &str, _: Asker) -> Result<String, PasswordError> {
            Err(PasswordError::Busy { retry_after_ms: 1 })
        }

        async fn verify(&self, password: &str, hash: Option<&str>, _: Asker) -> Result<bool, PasswordError> {
            Ok(hash == Some(password))
        }

        fn is_outdated(&self, _: &str) -> bool {
            false
        }
    }

    fn record() -> Record {
        let users = [1, 2].map(|byte| UserId(ObjectId([byte; 12])));
        let message = Message {
            id: MessageId(ObjectId([3; 12])),
            conversation: ConversationId::Direct(users[0], users[1]),
            sender: users[0],
            text: "hello".to_owned(),
            picture: None,
            created_at: Timestamp::from_millis(1),
            client_id: None,
        };
        Record { message, members: users.to_vec(), origin: Origin::Request }
    }

    #[tokio::test]
    async fn what_the_log_took_is_timed_and_what_it_did_not_is_counted() {
        let (recorder, metrics) = local();
        let _here = metrics::set_default_local_recorder(&recorder);
        let log = MeasuredLog::new(Arc::new(Moody::default()));
        let outcomes = [
            log.append(&record()).await.is_ok(),
            log.append(&record()).await.is_ok(),
            log.append(&record()).await.is_ok(),
        ];
        assert_eq!(outcomes, [true, false, true], "passed on as it is");
        assert_eq!(log.end().await.expect("an end").to_string(), "0:7");
        let text = metrics.render();
        assert!(text.contains("sockeye_append_latency_seconds_count 2\n"), "{text}");
        assert!(text.contains("sockeye_append_failures_total 1\n"), "{text}");
    }

    /// Allows what is no more than the rule at once.
    struct Strict;

    #[async_trait]
    impl Limiter for Strict {
        async fn take_many(
            &self,
            rule: &Rule,
            _: &str,
            events: u32,
            _: Timestamp,
        ) -> Result<Decision, LimiterError> {
            let refused = Decision::Refused { retry_after_ms: 1 };
            Ok(if events <= rule.events_max { Decision::Allowed } else { refused })
        }

        async fn attempt(&self, _: &Throttle, _: &str, _: Timestamp) -> Result<Attempt, LimiterError> {
            Ok(Attempt { decision: Decision::Allowed, known: false })
        }

        async fn settle(
            &self,
            _: &Throttle,
            _: &str,
            _: limits::Outcome,
            _: Timestamp,
        ) -> Result<(), LimiterError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_a_user_is_refused_is_counted_by_its_rule() {
        let (recorder, metrics) = local();
        let _here = metrics::set_default_local_recorder(&recorder);
        let limiter = MeasuredLimiter(Arc::new(Strict));
        let rule = Rule { name: "picture_bytes", events_max: 3, window_ms: 1, block_ms: 0 };
        let user = UserId(ObjectId([1; 12])).to_string();
        for (events, allowed) in [(3, true), (4, false), (1, true), (5, false)] {
            let decision = limiter.take_many(&rule, &user, events, Timestamp::from_millis(1)).await;
            assert_eq!(decision.is_ok_and(|decision| decision == Decision::Allowed), allowed);
        }
        let text = metrics.render();
        assert!(text.contains("sockeye_rate_limited_total{rule=\"picture_bytes\"} 2\n"), "{text}");
    }

    #[tokio::test]
    async fn only_wrong_passwords_are_failed_log_ins() {
        let (recorder, metrics) = local();
        let _here = metrics::set_default_local_recorder(&recorder);
        let passwords = MeasuredPasswords::new(Arc::new(One));
        let asker = Asker { client: [127, 0, 0, 1].into(), account: None };
        assert!(passwords.verify("x", Some("x"), asker).await.expect("an answer"));
        assert!(!passwords.verify("x", Some("y"), asker).await.expect("an answer"));
        assert!(!passwords.verify("x", None, asker).await.expect("an answer"));
        assert!(passwords.hash("x", asker).await.is_err());
        let text = metrics.render();
        assert!(text.contains("sockeye_sign_in_failures_total 2\n"), "{text}");
        assert!(text.contains("sockeye_password_duration_seconds_count 3\n"), "{text}");
        assert!(text.contains("sockeye_passwords_refused_total 1\n"), "{text}");
    }
}
