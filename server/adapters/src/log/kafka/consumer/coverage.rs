//! Watches that every partition is some member's.
//!
//! A group that shares cooperatively moves partitions in two rounds: in the first, members learn what to give up, and who
//! gave something up asks for the second, in which others get it. A member with a name (static membership, KIP-345) that
//! ends between the two and comes back gets its share of the first round without another one: it has nothing to give up,
//! nobody asks for the second round, and what was to move is nobody's until the group changes. So every member looks from
//! time to time, and when partitions stay without an owner it has another one, without a name, join and leave: each makes
//! the group share everything anew.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance},
    error::KafkaError,
};

use super::super::{KafkaLogOptions, context, end::partition_count};

/// Members that take part in no round now.
const STABLE: &str = "Stable";
/// How long stopping may wait for the member that passes through, and for a question.
const POLL: Duration = Duration::from_millis(100);
const ANSWER_AFTER: Duration = Duration::from_secs(1);

/// Runs until dropped; then the thread is joined.
pub(super) struct Coverage {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Stop {
    set: Mutex<bool>,
    news: Condvar,
}

impl Coverage {
    pub(super) fn watch<C>(client: Arc<BaseConsumer<C>>, options: &KafkaLogOptions) -> std::io::Result<Self>
    where
        C: ConsumerContext + 'static,
    {
        let stop = Arc::new(Stop::default());
        let (watched, options) = (Arc::clone(&stop), options.clone());
        let thread =
            Builder::new().name("kafka-shares".into()).spawn(move || watch(&client, &options, &watched))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Coverage {
    fn drop(&mut self) {
        *self.stop.set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.news.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the panic hook.
            let _ = thread.join();
        }
    }
}

impl Stop {
    /// Whether to stop, at the latest after `timeout`.
    fn within(&self, timeout: Duration) -> bool {
        let set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        *self.news.wait_timeout_while(set, timeout, |set| !*set).unwrap_or_else(PoisonError::into_inner).0
    }
}

fn watch<C: ConsumerContext>(client: &BaseConsumer<C>, options: &KafkaLogOptions, stop: &Stop) {
    let mut last = BTreeSet::new();
    while !stop.within(Duration::from_millis(options.coverage_every_ms)) {
        let now = unowned(client, options).unwrap_or_else(|reason| {
            tracing::debug!(reason, "whose the partitions are was not found out");
            BTreeSet::new()
        });
        // Between two rounds they are nobody's for a moment.
        let still: BTreeSet<u32> = now.intersection(&last).copied().collect();
        last = now;
        if still.is_empty() {
            continue;
        }
        tracing::warn!(partitions = ?still, "partitions of the log are no worker's; the group shares them anew");
        metrics::counter!("sockeye_group_reshares_total").increment(1);
        if let Err(error) = pass_through(options, stop) {
            tracing::warn!(reason = context::words(&error), "the group could not be changed");
        }
        last.clear();
    }
}

/// Partitions that no member of the group has; none while the group is not settled.
fn unowned<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    options: &KafkaLogOptions,
) -> Result<BTreeSet<u32>, String> {
    let words = |error: KafkaError| context::words(&error);
    let list = client.fetch_group_list(Some(&options.group), ANSWER_AFTER).map_err(words)?;
    let group = list.groups().iter().find(|group| group.name() == options.group);
    let Some(group) = group.filter(|group| group.state() == STABLE) else { return Ok(BTreeSet::new()) };
    let mut unowned: BTreeSet<u32> = (0..partition_count(client, &options.topic, ANSWER_AFTER)?).collect();
    for member in group.members() {
        let share = share(member.assignment().unwrap_or_default(), &options.topic);
        let share = share.ok_or_else(|| format!("the share of {} is not understood", member.id()))?;
        unowned.retain(|partition| !share.contains(partition));
    }
    Ok(unowned)
}

/// A member's partitions of `topic`: `ConsumerProtocolAssignment` of Kafka's protocol guide, any version.
fn share(mut bytes: &[u8], topic: &str) -> Option<BTreeSet<u32>> {
    fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
        let (taken, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(*taken)
    }
    let mut share = BTreeSet::new();
    if bytes.is_empty() {
        return Some(share);
    }
    let _version = i16::from_be_bytes(take(&mut bytes)?);
    for _ in 0..i32::from_be_bytes(take(&mut bytes)?) {
        let len = usize::try_from(i16::from_be_bytes(take(&mut bytes)?)).ok()?;
        let (name, rest) = bytes.split_at_checked(len)?;
        bytes = rest;
        for _ in 0..i32::from_be_bytes(take(&mut bytes)?) {
            let partition = u32::try_from(i32::from_be_bytes(take(&mut bytes)?)).ok()?;
            if name == topic.as_bytes() {
                share.insert(partition);
            }
        }
    }
    Some(share)
}

/// Joins the group and leaves it. What is assigned meanwhile is neither read nor committed.
fn pass_through(options: &KafkaLogOptions, stop: &Stop) -> Result<(), KafkaError> {
    let nameless = KafkaLogOptions { instance: None, ..options.clone() };
    let passing = BaseConsumer::from_config_and_context(&nameless.consumer(), Passing::default())?;
    passing.subscribe(&[&options.topic])?;
    // Members that are gone hold up a round for a session at most.
    let until = Instant::now() + Duration::from_millis(options.session_ms) + ANSWER_AFTER;
    while !passing.context().joined.load(Ordering::Acquire) && Instant::now() < until {
        if stop.within(Duration::ZERO) {
            break;
        }
        // Joining goes on in here. Errors that do not pass were reported by the context.
        let _ = passing.poll(POLL);
    }
    Ok(())
}

#[derive(Default)]
struct Passing {
    joined: AtomicBool,
}

impl ClientContext for Passing {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        context::log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        context::report(&error, reason);
    }
}

impl ConsumerContext for Passing {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if matches!(rebalance, Rebalance::Assign(_)) {
            self.joined.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment(topics: &[(&str, &[i32])]) -> Vec<u8> {
        let mut bytes = vec![0, 1];
        bytes.extend(i32::try_from(topics.len()).expect("few").to_be_bytes());
        for (name, partitions) in topics {
            bytes.extend(i16::try_from(name.len()).expect("short").to_be_bytes());
            bytes.extend(name.as_bytes());
            bytes.extend(i32::try_from(partitions.len()).expect("few").to_be_bytes());
            bytes.extend(partitions.iter().flat_map(|partition| partition.to_be_bytes()));
        }
        // User data: none.
        bytes.extend((-1_i32).to_be_bytes());
        bytes
    }

    #[test]
    fn a_share_is_read_and_what_is_not_one_is_refused() {
        let bytes = assignment(&[("other", &[7]), ("messages", &[0, 2, 11])]);
        assert_eq!(share(&bytes, "messages"), Some(BTreeSet::from([0, 2, 11])));
        assert_eq!(share(&bytes, "nothing"), Some(BTreeSet::new()));
        assert_eq!(share(&[], "messages"), Some(BTreeSet::new()), "a member without a share");
        for cut in 1..bytes.len() - 4 {
            assert_eq!(share(&bytes[..cut], "messages"), None, "cut after {cut} bytes");
        }
        assert_eq!(share(&assignment(&[("messages", &[-1])]), "messages"), None);
    }
}
