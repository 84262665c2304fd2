use std::path::PathBuf;

use super::Settings;

/// Where the embedded log, store and pictures are.
#[derive(Debug, Clone)]
pub struct Storage {
    /// `SOCKEYE_DATA_DIR`. Default `./data`.
    pub data_dir: PathBuf,
    /// `SOCKEYE_LOG_RETENTION`: how long stored entries stay in the log. Default `24h`.
    pub log_retention_ms: u64,
}

impl Storage {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        Self {
            data_dir: settings.text("SOCKEYE_DATA_DIR").map_or_else(|| PathBuf::from("data"), PathBuf::from),
            log_retention_ms: settings.millis("SOCKEYE_LOG_RETENTION", 24 * 3600 * 1000),
        }
    }
}
