//! TLS of the adapters that are written in Rust: rustls, with one source of cryptography for all.

/// Makes ring the process's provider, unless one was chosen before: drivers that find several, or none, would panic at their
/// first connection.
pub(crate) fn install_provider() {
    // The only error says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
