//! Completes the answer to a CONNECT packet on its way out.
//!
//! `socketioxide` answers `40{"sid":"<engine sid>"}`. Protocol v5 wants more: an id that belongs to this
//! namespace and is not the session id (which is a secret: whoever has it can poll as this client), and, for
//! connection state recovery, `pid`.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::session::locked;

/// What the next CONNECT answer of a namespace has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConnectAnswer {
    pub(crate) sid: String,
    pub(crate) pid: Option<String>,
}

/// Answers announced and not yet seen, by namespace.
#[derive(Debug, Default)]
pub(crate) struct ConnectAnswers {
    by_namespace: Mutex<HashMap<String, ConnectAnswer>>,
    len: AtomicUsize,
}

impl ConnectAnswers {
    /// Announces an answer before the engine writes it.
    pub(crate) fn expect(&self, namespace: &str, answer: ConnectAnswer) {
        let mut answers = locked(&self.by_namespace);
        answers.insert(namespace.to_owned(), answer);
        self.len.store(answers.len(), Ordering::Release);
    }

    /// Whether outgoing packets have to be looked at.
    pub(crate) fn any(&self) -> bool {
        self.len.load(Ordering::Acquire) > 0
    }

    /// The completed form of `packet` (an Engine.IO text packet) if it is an expected answer.
    pub(crate) fn complete(&self, packet: &str) -> Option<String> {
        let (namespace, payload) = split(packet)?;
        if !payload.starts_with("{\"sid\":") {
            return None;
        }
        let mut answers = locked(&self.by_namespace);
        let answer = answers.remove(namespace)?;
        if answers.is_empty() {
            *answers = HashMap::new(); // mostly it was the last: let go of its room
        }
        self.len.store(answers.len(), Ordering::Release);
        let prefix = if namespace == "/" { String::new() } else { format!("{namespace},") };
        let sid = serde_json::Value::from(answer.sid);
        let pid =
            answer.pid.map_or_else(String::new, |pid| format!(",\"pid\":{}", serde_json::Value::from(pid)));
        Some(format!("40{prefix}{{\"sid\":{sid}{pid}}}"))
    }
}

/// Splits a CONNECT packet into namespace and payload.
fn split(packet: &str) -> Option<(&str, &str)> {
    let rest = packet.strip_prefix("40")?;
    if rest.starts_with('/') { rest.split_once(',') } else { Some(("/", rest)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expecting(namespace: &str, pid: Option<&str>) -> ConnectAnswers {
        let answers = ConnectAnswers::default();
        answers.expect(namespace, ConnectAnswer { sid: "mine".into(), pid: pid.map(str::to_owned) });
        answers
    }

    #[test]
    fn the_answer_is_completed_once() {
        let answers = expecting("/", Some("p\"1"));
        assert_eq!(answers.complete("42[\"a\"]"), None);
        assert_eq!(
            answers.complete("40{\"sid\":\"x\"}").as_deref(),
            Some("40{\"sid\":\"mine\",\"pid\":\"p\\\"1\"}")
        );
        assert!(!answers.any());
        assert_eq!(answers.complete("40{\"sid\":\"x\"}"), None);
    }

    #[test]
    fn namespaces_are_kept_apart() {
        let answers = expecting("/custom", None);
        assert_eq!(answers.complete("40{\"sid\":\"x\"}"), None);
        assert_eq!(answers.complete("44/custom,{\"message\":\"no\"}"), None);
        assert_eq!(
            answers.complete("40/custom,{\"sid\":\"x\"}").as_deref(),
            Some("40/custom,{\"sid\":\"mine\"}")
        );
    }
}
