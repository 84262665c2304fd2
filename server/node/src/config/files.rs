use std::{
    fs::{self, File},
    io::Read,
    path::PathBuf,
};

use super::Config;

impl Config {
    /// What is wrong with files and directories that settings name, a sentence each: asked of the disk, unlike all else
    /// here.
    pub fn unusable_files(&self) -> Vec<String> {
        let data_dir = match fs::metadata(&self.storage.data_dir) {
            Ok(found) if !found.is_dir() => {
                Some("SOCKEYE_DATA_DIR is a file, and must be a directory".to_owned())
            }
            _ => None,
        };
        let static_dir = self.http.static_dir.as_ref().and_then(|dir| match fs::metadata(dir) {
            Ok(found) if found.is_dir() => None,
            Ok(_) => Some("SOCKEYE_STATIC_DIR is a file, and must be a directory".to_owned()),
            Err(error) => Some(format!("SOCKEYE_STATIC_DIR: {error}")),
        });
        let authorities = self.kafka.as_ref().and_then(|kafka| kafka.tls_ca.as_ref()).and_then(|path| {
            let mut text = String::new();
            let read = File::open(path).and_then(|file| file.take(CA_BYTES_MAX).read_to_string(&mut text));
            match read {
                Ok(_) if text.contains("-----BEGIN CERTIFICATE-----") => None,
                Ok(_) => Some("SOCKEYE_KAFKA_TLS_CA names a file without a PEM certificate".to_owned()),
                Err(error) => Some(format!("SOCKEYE_KAFKA_TLS_CA: {error}")),
            }
        });
        [data_dir, static_dir, authorities].into_iter().flatten().collect()
    }

    /// What an operator should look at, of the same.
    pub fn odd_files(&self) -> Vec<String> {
        let is_without_page = |dir: &PathBuf| !dir.join("index.html").is_file();
        let told = self.http.static_dir.as_ref().filter(|dir| is_without_page(dir));
        let told =
            told.map(|_| "SOCKEYE_STATIC_DIR has no index.html, so there is no page to serve".to_owned());
        told.into_iter().collect()
    }
}

/// A system's whole list of authorities is a fourth of this.
const CA_BYTES_MAX: u64 = 1_048_576;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn what_settings_name_must_be_there_and_be_what_it_is_said_to_be() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        fs::write(at("file"), b"no certificate").unwrap();
        fs::create_dir(at("empty")).unwrap();
        let config = |static_dir: &str, data_dir: &str, ca: &str| {
            let pairs = [
                ("SOCKEYE_STATIC_DIR", at(static_dir)),
                ("SOCKEYE_DATA_DIR", at(data_dir)),
                ("SOCKEYE_KAFKA_TLS_CA", at(ca)),
                ("SOCKEYE_KAFKA_TLS", "on".to_owned()),
                ("KAFKA_BROKERS", "127.0.0.1".to_owned()),
                ("MONGODB_URI", "mongodb://127.0.0.1".to_owned()),
            ];
            let settings = Settings::from_pairs(pairs.iter().map(|(name, value)| (*name, value.as_str())));
            Config::read(settings).unwrap()
        };
        for (static_dir, ca) in [("missing", "missing"), ("file", "file"), ("file", "empty")] {
            let unusable = config(static_dir, "file", ca).unusable_files();
            assert_eq!(unusable.len(), 3, "{unusable:?}");
            assert!(!unusable.concat().contains(&at("")), "values are not said: {unusable:?}");
        }
        fs::write(at("ca.pem"), b"-----BEGIN CERTIFICATE-----\n").unwrap();
        let fit = config("empty", "missing", "ca.pem");
        assert!(fit.unusable_files().is_empty());
        assert_eq!(fit.odd_files().len(), 1);
        fs::write(at("empty/index.html"), b"hello").unwrap();
        assert!(fit.odd_files().is_empty());
    }
}
