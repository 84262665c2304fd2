use std::sync::Arc;

use super::acquaintance::Acquaintance;
use crate::{
    id::IdMint,
    limits::Throttle,
    media::ImageBounds,
    ports::{Blobs, Bus, Clock, Entropy, Limiter, MessageLog, Passwords, Presence, Store, Tokens},
    time::Timestamp,
};

/// The adapters that one process runs with.
#[derive(Clone)]
pub struct Ports {
    pub log: Arc<dyn MessageLog>,
    pub store: Arc<dyn Store>,
    pub bus: Arc<dyn Bus>,
    pub presence: Arc<dyn Presence>,
    pub limiter: Arc<dyn Limiter>,
    pub blobs: Arc<dyn Blobs>,
    pub passwords: Arc<dyn Passwords>,
    pub tokens: Arc<dyn Tokens>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// How much of anything one request may ask for or bring, and of whom.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Characters in a message.
    pub text_chars_max: usize,
    /// Of one picture.
    pub image: ImageBounds,
    /// Bytes of pictures that one user may bring within a day.
    pub picture_bytes_per_day_max: u64,
    /// Whether an account may be made with a picture that is kept elsewhere.
    pub external_pictures: bool,
    /// Messages in one answer.
    pub history_len_max: usize,
    /// People in one answer.
    pub people_len_max: usize,
    /// Bytes of messages or people in one answer, as JSON; the one that reaches it is the last.
    pub answer_bytes_max: usize,
    /// Missed messages replayed to a device that returns; beyond, it must read the history.
    pub resume_len_max: usize,
    /// Bytes of a client's own name for a message.
    pub client_id_bytes_max: usize,
    /// Whether everybody sees everybody's e-mail address.
    pub shows_emails: bool,
    /// Wrong passwords for one account, from one network.
    pub guesses_from_network: Throttle,
    /// Wrong passwords for one account, from all networks that nobody has logged in to it from.
    pub guesses_from_strangers: Throttle,
    /// Whether anybody may make an account.
    pub sign_up_is_open: bool,
    /// Whether a good log-in makes a new hash of the password when the one that is kept costs less than new ones.
    pub renew_hashes: bool,
}

const DAY_MS: u64 = 24 * 3600 * 1000;

/// A day without a failure forgets them; an account's own networks are known for a month.
const fn throttle(name: &'static str, free_max: u32, wait_ms_max: u64) -> Throttle {
    Throttle { name, free_max, wait_ms: 1_000, wait_ms_max, forget_ms: DAY_MS, know_ms: 30 * DAY_MS }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            text_chars_max: 10_000,
            image: ImageBounds { bytes_max: 5_000_000, pixels_max: 50_000_000 },
            picture_bytes_per_day_max: 200_000_000,
            external_pictures: true,
            history_len_max: 1_000,
            people_len_max: 10_000,
            answer_bytes_max: 4_000_000,
            resume_len_max: 1_000,
            client_id_bytes_max: 128,
            shows_emails: false,
            guesses_from_network: throttle("guesses_from_network", 10, 15 * 60 * 1000),
            guesses_from_strangers: throttle("guesses_from_strangers", 100, 60 * 1000),
            sign_up_is_open: true,
            renew_hashes: false,
        }
    }
}

/// Everything that can be asked of the chat. Its methods are the use cases, a file each beside this one.
pub struct Chat {
    pub(crate) ports: Ports,
    pub(crate) bounds: Bounds,
    pub(crate) ids: IdMint,
    pub(crate) acquaintance: Acquaintance,
}

impl Chat {
    pub fn new(ports: Ports, bounds: Bounds) -> Self {
        let mut seed = [0; 8];
        ports.entropy.fill(&mut seed);
        Self { ports, bounds, ids: IdMint::new(seed), acquaintance: Acquaintance::default() }
    }

    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    pub fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }
}

impl std::fmt::Debug for Chat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chat").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}
