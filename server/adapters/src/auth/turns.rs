//! Who is next, where few can be served at once and anybody may ask: whoever was served longest ago.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// Turns, at most so many at once and a bounded number waiting.
pub(super) struct Turns<K: Key> {
    shared: Arc<Shared<K>>,
}

/// A turn; it is over when this is dropped.
pub(super) struct Turn<K: Key>(Option<Arc<Shared<K>>>);

struct Shared<K: Key> {
    state: Mutex<State<K>>,
}

struct State<K: Key> {
    free: usize,
    queue: FairQueue<K, oneshot::Sender<Turn<K>>>,
}

/// What turns are shared out by.
pub(super) trait Key: Copy + Eq + Hash {}
impl<T: Copy + Eq + Hash> Key for T {}

impl<K: Key> Turns<K> {
    /// `at_once`: turns at the same time. `len_max`: those who wait. `remembered_max`: keys whose last turn is remembered.
    pub(super) fn new(at_once: usize, len_max: usize, remembered_max: usize) -> Self {
        let queue = FairQueue::new(len_max, remembered_max);
        Self { shared: Arc::new(Shared { state: Mutex::new(State { free: at_once.max(1), queue }) }) }
    }

    /// Waits for a turn on behalf of all of `keys`. `None`: too many wait. Safe to cancel.
    pub(super) async fn next(&self, keys: Vec<K>) -> Option<Turn<K>> {
        let (grant, granted) = oneshot::channel();
        // Whoever gives way is told, by losing the other end, when the lock is gone.
        let gives_way = {
            let mut state = self.shared.state();
            if state.free > 0 {
                state.free -= 1;
                state.queue.served(&keys);
                return Some(Turn(Some(self.shared.clone())));
            }
            state.queue.push(keys, grant, oneshot::Sender::is_closed)
        };
        drop(gives_way);
        granted.await.ok()
    }
}

impl<K: Key> Shared<K> {
    fn state(&self) -> MutexGuard<'_, State<K>> {
        // Nothing is left half done by a panic: the state is changed by what cannot panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Key> Drop for Turn<K> {
    /// Gives the turn to whoever is next and still there.
    fn drop(&mut self) {
        let Some(shared) = self.0.take() else { return };
        loop {
            let next = {
                let mut state = shared.state();
                let next = state.queue.pop();
                if next.is_none() {
                    state.free += 1;
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(Turn(Some(shared.clone()))) {
                Ok(()) => return,
                // Gone; its turn is this one still.
                Err(mut unwanted) => unwanted.0 = None,
            }
        }
    }
}

impl<K: Key> fmt::Debug for Turns<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").finish_non_exhaustive()
    }
}

/// Those who wait. Each waits under some keys, and ranks by the key that was served last: behind those that were served
/// longer ago, or never; and behind those who wait under the same key already. At the bound, the last in rank gives way.
struct FairQueue<K, T> {
    len_max: usize,
    remembered_max: usize,
    /// In the order they came.
    waiting: Vec<(Vec<K>, T)>,
    /// By key: the number of the turn that it had last.
    served: HashMap<K, u64>,
    turns: u64,
}

impl<K: Key, T> FairQueue<K, T> {
    fn new(len_max: usize, remembered_max: usize) -> Self {
        let (waiting, served) = (vec![], HashMap::new());
        Self { len_max: len_max.max(1), remembered_max, waiting, served, turns: 0 }
    }

    /// Gives back whoever has no place: perhaps `new` itself.
    fn push(&mut self, keys: Vec<K>, new: T, is_gone: impl Fn(&T) -> bool) -> Option<T> {
        if self.waiting.len() >= self.len_max {
            self.waiting.retain(|(_, waiting)| !is_gone(waiting));
        }
        self.waiting.push((keys, new));
        if self.waiting.len() <= self.len_max {
            return None;
        }
        let ranks = self.ranks();
        let last = (0..ranks.len()).max_by_key(|&nth| (ranks[nth], nth))?;
        Some(self.waiting.remove(last).1)
    }

    fn pop(&mut self) -> Option<T> {
        let ranks = self.ranks();
        let first = (0..ranks.len()).min_by_key(|&nth| (ranks[nth], nth))?;
        let (keys, next) = self.waiting.remove(first);
        self.served(&keys);
        Some(next)
    }

    /// A turn under these keys begins.
    fn served(&mut self, keys: &[K]) {
        self.turns += 1;
        self.served.extend(keys.iter().map(|&key| (key, self.turns)));
        if self.served.len() > self.remembered_max {
            let (turns, kept) = (self.turns, (self.remembered_max / 4) as u64);
            self.served.retain(|_, turn| turns - *turn < kept);
        }
    }

    /// Of each of those who wait.
    fn ranks(&self) -> Vec<(u64, usize)> {
        let mut before: HashMap<K, usize> = HashMap::new();
        let rank = |(keys, _): &(Vec<K>, T)| {
            let served = keys.iter().filter_map(|key| self.served.get(key)).max();
            let ahead = keys.iter().map(|&key| {
                let ahead = before.entry(key).or_default();
                *ahead += 1;
                *ahead
            });
            (served.copied().unwrap_or_default(), ahead.max().unwrap_or_default())
        };
        self.waiting.iter().map(rank).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::Pin, task::Poll};

    use super::*;

    /// Everybody, in the order of service, as long as nobody comes.
    fn rest(queue: &mut FairQueue<&'static str, u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    fn push(queue: &mut FairQueue<&'static str, u32>, keys: &[&'static str], job: u32) -> Option<u32> {
        queue.push(keys.to_vec(), job, |_| false)
    }

    #[test]
    fn keys_take_turns_however_many_wait_under_one() {
        let mut queue = FairQueue::new(100, 100);
        (0..5).for_each(|n| assert_eq!(push(&mut queue, &["loud"], n), None));
        assert_eq!(queue.pop(), Some(0));
        push(&mut queue, &["quiet"], 10);
        push(&mut queue, &["other"], 20);
        push(&mut queue, &["quiet"], 11);
        assert_eq!(rest(&mut queue), [10, 20, 1, 11, 2, 3, 4]);
    }

    #[test]
    fn a_client_with_many_accounts_and_an_account_with_many_clients_are_one_each() {
        let mut queue = FairQueue::new(100, 100);
        push(&mut queue, &["client", "account 1"], 1);
        push(&mut queue, &["client", "account 2"], 2);
        push(&mut queue, &["client 3", "account"], 3);
        push(&mut queue, &["client 4", "account"], 4);
        push(&mut queue, &["honest", "own"], 5);
        assert_eq!(rest(&mut queue), [1, 3, 5, 2, 4]);
    }

    /// Guessers who come back as soon as they are answered, each with an address and an account of its own.
    #[test]
    fn whoever_comes_for_the_first_time_is_before_all_who_were_served() {
        let names: Vec<&'static str> = (0..250).map(|n| &*n.to_string().leak()).collect();
        let mut queue = FairQueue::new(96, 10_000);
        let mut refused = 0;
        for round in 0..20 {
            for (n, name) in (0..).zip(&names) {
                refused += usize::from(push(&mut queue, &[name], n).is_some());
                if n % 3 == 0 {
                    queue.pop();
                }
            }
            assert!(round == 0 || refused > 0, "more come than can be served");
        }
        names.iter().cycle().take_while(|name| push(&mut queue, &[name], 0).is_none()).count();
        assert!(push(&mut queue, &["honest"], 1_000).is_some_and(|gave_way| gave_way != 1_000));
        let position = rest(&mut queue).iter().position(|&job| job == 1_000);
        assert!(position.is_some_and(|position| position < 96), "{position:?}");
        names.iter().for_each(|name| queue.served(&[*name]));
        (0..).zip(&names).for_each(|(n, name)| _ = push(&mut queue, &[name], n));
        push(&mut queue, &["another"], 1_000);
        assert_eq!(queue.pop(), Some(1_000), "all the others were served before");
    }

    #[test]
    fn at_the_bound_whoever_has_most_gives_way() {
        let mut queue = FairQueue::new(3, 100);
        (0..3).for_each(|n| assert_eq!(push(&mut queue, &["loud"], n), None));
        assert_eq!(push(&mut queue, &["loud"], 3), Some(3));
        assert_eq!(push(&mut queue, &["quiet"], 10), Some(2));
        assert_eq!(queue.push(vec!["other"], 20, |&job| job == 10), None, "whoever is gone leaves a place");
        assert_eq!(rest(&mut queue), [0, 20, 1]);
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut queue: FairQueue<u32, ()> = FairQueue::new(3, 100);
        for key in 0..1_000 {
            queue.served(&[key, key + 10_000]);
            assert!(queue.served.len() <= 100);
        }
    }

    async fn waits<F: Future + Unpin>(future: &mut F) -> bool {
        poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context).is_pending())).await
    }

    #[tokio::test]
    async fn a_turn_that_ends_is_the_next_ones_also_when_some_are_gone() {
        let turns = Turns::new(1, 2, 100);
        let first = turns.next(vec!["a"]).await.expect("a free turn");
        let (mut second, mut third) = (Box::pin(turns.next(vec!["b"])), Box::pin(turns.next(vec!["c"])));
        assert!(waits(&mut second).await && waits(&mut third).await);
        let mut fourth = Box::pin(turns.next(vec!["a"]));
        assert!(!waits(&mut fourth).await, "was served before the others and has no place");
        drop(second);
        drop(first);
        let third = third.await.expect("a turn");
        drop(third);
        let _fifth = turns.next(vec!["a"]).await.expect("the turn is free again");
        assert!(waits(&mut Box::pin(turns.next(vec!["a"]))).await, "and there is one");
    }
}
