use std::{
    fmt, io,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use ::bcrypt::{BcryptError, HashParts};
use async_trait::async_trait;
use sockeye_core::{
    limits::AccountKey,
    ports::{Asker, Entropy, PasswordError, Passwords},
};

use super::turns::{Turn, Turns};
use crate::workers::{Rejected, Workers};

/// A hash of a higher cost than this (some ten seconds of work) is nobody's password: checking it would let a few log-ins
/// keep everybody else waiting.
const COST_MAX: u32 = 17;
/// No more than this wait, however fast the machine is: each is a request held open.
const QUEUE_LEN_MAX: usize = 4_096;
/// Clients and accounts whose last turn is remembered.
const REMEMBERED_LEN_MAX: usize = 20_000;

/// [`Passwords`] with bcrypt on threads of its own.
///
/// As bcryptjs, which made the hashes of existing accounts: the first 72 bytes of a password count, and a NUL is a byte
/// like any other.
pub struct Bcrypt {
    cost: u32,
    /// Comparisons with hashes of a lower cost are made to take as long as with one of this.
    level: AtomicU32,
    turns: Turns<Key>,
    workers: Workers<()>,
    hash_takes: Duration,
    retry_after_ms: u64,
    entropy: Arc<dyn Entropy>,
}

/// What turns are shared out by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Client(std::net::IpAddr),
    Account(AccountKey),
}

impl Bcrypt {
    /// `cost`: of new hashes, the binary logarithm of their rounds, 4 to 17. No more passwords wait than the `threads` are
    /// through with in about `wait_ms_max`, by the time that a hash of this cost takes here. Computes one, which blocks;
    /// meant for the start of the process.
    ///
    /// # Errors
    /// When the cost is not allowed, or the threads cannot be started.
    pub fn new(cost: u32, threads: usize, wait_ms_max: u64, entropy: Arc<dyn Entropy>) -> io::Result<Self> {
        if cost > COST_MAX {
            let reason = format!("a bcrypt cost of {cost} is over {COST_MAX}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let began = Instant::now();
        ::bcrypt::hash_with_salt("", cost, salt(&*entropy))
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let hash_takes = began.elapsed();
        let threads = threads.max(1);
        Ok(Self {
            cost,
            level: AtomicU32::new(cost),
            turns: Turns::new(threads, queue_len(threads, hash_takes, wait_ms_max), REMEMBERED_LEN_MAX),
            // Whoever has a turn finds a thread free, or about to be.
            workers: Workers::start("bcrypt", vec![(); threads], threads, |()| ())?,
            hash_takes,
            retry_after_ms: wait_ms_max,
            entropy,
        })
    }

    /// How long one hash took when the process started.
    pub fn hash_takes(&self) -> Duration {
        self.hash_takes
    }

    /// Makes all comparisons take as long as with the costliest of these hashes, unless only few cost as much. `hashes`: of
    /// some accounts.
    pub fn level_with(&self, hashes: &[String]) {
        self.level.store(level(self.cost, hashes), Ordering::Relaxed);
    }

    /// Does `work` when it is the asker's turn.
    async fn in_turn<T: Send + 'static>(
        &self,
        asker: Asker,
        work: impl FnOnce() -> Result<T, BcryptError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let account = asker.account.map(Key::Account);
        let keys = [Key::Client(asker.client)].into_iter().chain(account).collect();
        let busy = || PasswordError::Busy { retry_after_ms: self.retry_after_ms };
        let turn = self.turns.next(keys).await.ok_or_else(busy)?;
        let done = self.workers.run(move |()| with(turn, work)).await;
        let failed = |error| PasswordError::Failed(Box::new(error));
        done.map_err(|rejected| match rejected {
            Rejected::Full => busy(),
            Rejected::Lost => PasswordError::Failed(Box::new(rejected)),
        })?
        .map_err(failed)
    }
}

/// The turn lasts as long as the work, also when nobody waits for it any more.
fn with<T>(turn: Turn<Key>, work: impl FnOnce() -> T) -> T {
    let done = work();
    drop(turn);
    done
}

#[async_trait]
impl Passwords for Bcrypt {
    async fn hash(&self, password: &str, asker: Asker) -> Result<String, PasswordError> {
        let (password, cost, salt) = (password.to_owned(), self.cost, salt(&*self.entropy));
        let hash = move || ::bcrypt::hash_with_salt(password, cost, salt);
        Ok(self.in_turn(asker, hash).await?.to_string())
    }

    async fn verify(&self, password: &str, hash: Option<&str>, asker: Asker) -> Result<bool, PasswordError> {
        let password = password.to_owned();
        let hash = hash.and_then(|hash| Some((cost_of(hash)?, hash.to_owned())));
        let (level, salt) = (self.level.load(Ordering::Relaxed), salt(&*self.entropy));
        self.in_turn(asker, move || compare(&password, hash, level, salt)).await
    }

    fn is_outdated(&self, hash: &str) -> bool {
        cost_of(hash).is_some_and(|cost| cost < self.cost)
    }
}

/// Takes as long as a comparison with a hash of cost `level` whatever the hash costs, unless that is more.
fn compare(
    password: &str,
    hash: Option<(u32, String)>,
    level: u32,
    salt: [u8; 16],
) -> Result<bool, BcryptError> {
    let Some((cost, hash)) = hash else {
        return ::bcrypt::hash_with_salt(password, level, salt).map(|_| false);
    };
    let matches = ::bcrypt::verify(password, &hash)?;
    for cost in padding(cost, level) {
        ::bcrypt::hash_with_salt(password, cost, salt)?;
    }
    Ok(matches)
}

/// The costs of hashes that, with one of `cost`, take as long as one of `level`: each is half as much as the next.
fn padding(cost: u32, level: u32) -> Range<u32> {
    cost..level
}

/// The highest cost that at least a twentieth of the hashes have, or that of new ones when it is higher: one account with a
/// costly hash must not make all log-ins slow.
fn level(cost_of_new: u32, hashes: &[String]) -> u32 {
    let costs: Vec<u32> = hashes.iter().filter_map(|hash| cost_of(hash)).collect();
    let common = |cost: &u32| costs.iter().filter(|&other| other >= cost).count() * 20 >= costs.len();
    costs.iter().copied().filter(common).max().map_or(cost_of_new, |cost| cost.max(cost_of_new))
}

/// How many may wait.
fn queue_len(threads: usize, hash_takes: Duration, wait_ms_max: u64) -> usize {
    let hashes = Duration::from_millis(wait_ms_max).as_nanos() / hash_takes.as_nanos().max(1);
    usize::try_from(hashes).unwrap_or(usize::MAX).saturating_mul(threads).clamp(threads, QUEUE_LEN_MAX)
}

/// The cost of a bcrypt hash that can be checked; `None` of any other text (`$2x$` marks hashes of a library with a defect;
/// no backend that we follow made any).
fn cost_of(hash: &str) -> Option<u32> {
    let known = ["$2a$", "$2b$", "$2y$"].iter().any(|version| hash.starts_with(version));
    let cost = hash.parse::<HashParts>().ok().filter(|_| known)?.get_cost();
    (4..=COST_MAX).contains(&cost).then_some(cost)
}

fn salt(entropy: &dyn Entropy) -> [u8; 16] {
    let mut salt = [0; 16];
    entropy.fill(&mut salt);
    salt
}

impl fmt::Debug for Bcrypt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bcrypt").field("cost", &self.cost).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes of these costs; what follows the cost makes no difference here.
    fn hashes(costs: &[(u32, usize)]) -> Vec<String> {
        let rest = "4ib164.bS.6gDreatbCHiO2mz4mxXitm0cM5j.OQAe5QWujN8AjBG";
        let of = |&(cost, count): &(u32, usize)| vec![format!("$2a${cost:02}${rest}"); count];
        costs.iter().flat_map(of).collect()
    }

    #[test]
    fn all_take_as_long_as_the_costliest_that_many_have() {
        assert_eq!(level(10, &[]), 10);
        assert_eq!(level(12, &hashes(&[(10, 200)])), 12, "raised");
        assert_eq!(level(10, &hashes(&[(12, 200)])), 12, "lowered, or an existing database");
        assert_eq!(level(10, &hashes(&[(10, 150), (12, 50)])), 12);
        assert_eq!(level(10, &hashes(&[(10, 199), (15, 1)])), 10, "one costly hash slows down nobody else");
        assert_eq!(level(10, &hashes(&[(12, 7), (13, 4), (10, 189)])), 12, "also as costly ones count");
        assert_eq!(level(10, &["no hash".to_owned()]), 10);
    }

    #[test]
    fn no_more_wait_than_are_served_in_time() {
        let ms = Duration::from_millis;
        assert_eq!(queue_len(2, ms(62), 3_000), 96);
        assert_eq!(queue_len(2, ms(10_000), 3_000), 2);
        assert_eq!(queue_len(2, ms(0), 3_000), QUEUE_LEN_MAX);
    }

    #[test]
    fn all_comparisons_cost_the_same_unless_one_costs_more_by_itself() {
        let rounds = |cost: u32| 1u64 << cost;
        for (cost, level, taken) in [(10, 10, 10), (10, 12, 12), (4, 12, 12), (11, 12, 12), (12, 10, 12)] {
            let padded = rounds(cost) + padding(cost, level).map(rounds).sum::<u64>();
            assert_eq!(padded, rounds(taken), "{cost} at {level}");
        }
    }
}
