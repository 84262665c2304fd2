//! What is answered to the events that waited behind one that could not be handled.
//!
//! The events of a socket are handled one after another, and each that needs the log or the store waits for it as long as
//! that may take. Were those behind it to wait as long again, each in its turn, their senders would have given up first:
//! they are answered as the one before them was, and each event is answered within about one such wait.

use serde_json::Value;
use tokio::time::Instant;

/// The last event of a socket that found the log or the store away.
#[derive(Debug, Default)]
pub struct Outage(Option<(Instant, Vec<Value>)>);

impl Outage {
    /// An event was answered with `answer` at `now`, because what it needs is away.
    pub fn found(&mut self, now: Instant, answer: &[Value]) {
        self.0 = Some((now, answer.to_vec()));
    }

    /// The answer for an event that was received before that was found.
    pub fn answer(&mut self, received_at: Instant) -> Option<Vec<Value>> {
        // Events come in the order they were received: the first that came later is the end of those that waited.
        self.0.take_if(|(found_at, _)| received_at > *found_at);
        self.0.as_ref().map(|(_, answer)| answer.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn what_waited_is_answered_alike_and_what_comes_later_is_tried() {
        let first = Instant::now();
        let after = |seconds| first + Duration::from_secs(seconds);
        let (mut outage, answer) = (Outage::default(), vec![json!("unavailable")]);
        assert_eq!(outage.answer(first), None, "nothing is known to be away");
        outage.found(after(10), &answer);
        for waited in [1, 9, 10] {
            assert_eq!(outage.answer(after(waited)), Some(answer.clone()), "received after {waited} s");
        }
        assert_eq!(outage.answer(after(11)), None);
        assert!(outage.0.is_none(), "no memory is kept for it");
        outage.found(after(21), &answer);
        assert_eq!(outage.answer(after(20)), Some(answer), "it is away again");
    }
}
