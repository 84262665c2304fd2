use std::time::Duration;

const SHORTEST: Duration = Duration::from_millis(50);

/// Pauses between attempts: each twice the last, up to a bound.
#[derive(Debug)]
pub(crate) struct Pause {
    next: Duration,
    longest: Duration,
}

impl Pause {
    pub(crate) fn new(longest_ms: u64) -> Self {
        let longest = Duration::from_millis(longest_ms).max(SHORTEST);
        Self { next: SHORTEST, longest }
    }

    /// After a success the next pause is short.
    pub(crate) fn reset(&mut self) {
        self.next = SHORTEST;
    }

    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.advance()).await;
    }

    fn advance(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_bound() {
        let mut pause = Pause::new(300);
        let pauses: Vec<_> = (0..5).map(|_| pause.advance().as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 300, 300]);
        pause.reset();
        assert_eq!(pause.advance(), SHORTEST);
    }
}
