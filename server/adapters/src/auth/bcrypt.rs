use std::{fmt, io, sync::Arc};

use ::bcrypt::{BcryptError, HashParts};
use async_trait::async_trait;
use sockeye_core::ports::{Entropy, PasswordError, Passwords};

use crate::workers::{Rejected, Workers};

/// A hash of a higher cost than this (some ten seconds of work) is nobody's password: checking it would let a few log-ins
/// keep everybody else waiting.
const COST_MAX: u32 = 17;

/// [`Passwords`] with bcrypt on threads of its own.
///
/// As bcryptjs, which made the hashes of existing accounts: the first 72 bytes of a password count, and a NUL is a byte
/// like any other.
pub struct Bcrypt {
    cost: u32,
    workers: Workers<()>,
    /// Compared against when there is no hash: as costly as one of ours.
    decoy: Arc<HashParts>,
    entropy: Arc<dyn Entropy>,
}

impl Bcrypt {
    /// `cost`: of new hashes, the binary logarithm of their rounds, 4 to 17. At most `queue_len_max` passwords wait for one
    /// of the `threads`; one more is refused. Computes one hash, which blocks; meant for the start of the process.
    ///
    /// # Errors
    /// When the cost is not allowed, or the threads cannot be started.
    pub fn new(
        cost: u32,
        threads: usize,
        queue_len_max: usize,
        entropy: Arc<dyn Entropy>,
    ) -> io::Result<Self> {
        if cost > COST_MAX {
            let reason = format!("a bcrypt cost of {cost} is over {COST_MAX}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let decoy = ::bcrypt::hash_with_salt("", cost, salt(&*entropy))
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let workers = Workers::start("bcrypt", vec![(); threads.max(1)], queue_len_max, |()| ())?;
        Ok(Self { cost, workers, decoy: Arc::new(decoy), entropy })
    }
}

#[async_trait]
impl Passwords for Bcrypt {
    async fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let (password, cost, salt) = (password.to_owned(), self.cost, salt(&*self.entropy));
        let done = self.workers.run(move |()| ::bcrypt::hash_with_salt(password, cost, salt)).await;
        Ok(done.map_err(rejected)?.map_err(failed)?.to_string())
    }

    async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, PasswordError> {
        let password = password.to_owned();
        let hash = hash.filter(|hash| is_ours(hash)).map(str::to_owned);
        let decoy = Arc::clone(&self.decoy);
        let compare = move |()| match hash {
            Some(hash) => ::bcrypt::verify(password, &hash),
            None => ::bcrypt::verify(password, &decoy.to_string()).map(|_| false),
        };
        self.workers.run(move |()| compare(())).await.map_err(rejected)?.map_err(failed)
    }
}

/// Whether the text is a bcrypt hash that can be checked (`$2x$` marks hashes of a library with a defect; no backend that
/// we follow made any).
fn is_ours(hash: &str) -> bool {
    let known = ["$2a$", "$2b$", "$2y$"].iter().any(|version| hash.starts_with(version));
    known && hash.parse::<HashParts>().is_ok_and(|parts| (4..=COST_MAX).contains(&parts.get_cost()))
}

fn salt(entropy: &dyn Entropy) -> [u8; 16] {
    let mut salt = [0; 16];
    entropy.fill(&mut salt);
    salt
}

fn rejected(rejected: Rejected) -> PasswordError {
    match rejected {
        Rejected::Full => PasswordError::Busy,
        Rejected::Lost => PasswordError::Failed(Box::new(rejected)),
    }
}

fn failed(error: BcryptError) -> PasswordError {
    PasswordError::Failed(Box::new(error))
}

impl fmt::Debug for Bcrypt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bcrypt").field("cost", &self.cost).finish_non_exhaustive()
    }
}
