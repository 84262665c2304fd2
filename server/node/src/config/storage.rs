use std::{path::PathBuf, time::Duration};

use super::Settings;

/// Where the embedded log, store and pictures are.
#[derive(Debug, Clone)]
pub struct Storage {
    /// `SOCKEYE_DATA_DIR`. Default `./data`.
    pub data_dir: PathBuf,
    /// `SOCKEYE_LOG_RETENTION`: how long stored entries stay in the log, up to 10 years. Default `24h`.
    pub log_retention_ms: u64,
}

const RETENTION_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

impl Storage {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        let retention = settings.positive_duration("SOCKEYE_LOG_RETENTION", 24 * 3600 * 1000, RETENTION_MAX);
        Self {
            data_dir: settings.text("SOCKEYE_DATA_DIR").map_or_else(|| PathBuf::from("data"), PathBuf::from),
            log_retention_ms: u64::try_from(retention.as_millis()).unwrap_or(u64::MAX),
        }
    }
}
