//! The secret that signs tokens.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sockeye_core::ports::Entropy;

const FILE: &str = "jwt_secret";

/// The configured secret; without one (development only, see `config::Auth`) one that is made once and kept, readable by us
/// alone, in the data directory, so that a restart logs nobody out.
///
/// # Errors
/// A sentence, when the file can be neither read nor written.
pub fn read_or_make(
    configured: Option<&str>,
    data_dir: &Path,
    entropy: &dyn Entropy,
) -> Result<String, String> {
    if let Some(secret) = configured {
        return Ok(secret.to_owned());
    }
    let path = data_dir.join(FILE);
    let wrong = |error| format!("the token secret in {}: {error}", path.display());
    fs::create_dir_all(data_dir).map_err(wrong)?;
    match fs::read_to_string(&path) {
        Ok(secret) if !secret.trim().is_empty() => return Ok(secret.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(wrong(error)),
    }
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    let secret = URL_SAFE_NO_PAD.encode(bytes);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).map_err(wrong)?;
    file.write_all(secret.as_bytes()).and_then(|()| file.sync_all()).map_err(wrong)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemEntropy;

    #[test]
    fn a_made_secret_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let first = read_or_make(None, dir.path(), &SystemEntropy).unwrap();
        assert_eq!(first.len(), 43);
        assert_eq!(read_or_make(None, dir.path(), &SystemEntropy).unwrap(), first);
        assert_eq!(read_or_make(Some("mine"), dir.path(), &SystemEntropy).unwrap(), "mine");
    }
}
