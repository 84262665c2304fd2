use crate::time::Timestamp;

/// The only source of time.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// The only source of randomness.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` from a cryptographically secure source.
    fn fill(&self, bytes: &mut [u8]);
}
