use std::fmt;

use super::Settings;

/// S3-compatible object storage for pictures. Present when `SOCKEYE_S3_BUCKET` is set; else they are in the data directory.
#[derive(Clone)]
pub struct S3 {
    /// `SOCKEYE_S3_BUCKET`.
    pub bucket: String,
    /// `SOCKEYE_S3_REGION`. Default: `us-east-1`.
    pub region: Option<String>,
    /// `SOCKEYE_S3_ENDPOINT`: of a server that is not Amazon's. Default: Amazon's for the region.
    pub endpoint: Option<String>,
    /// `SOCKEYE_S3_ACCESS_KEY` and `SOCKEYE_S3_SECRET_KEY`. Default: what the machine's role gives.
    pub keys: Option<(String, String)>,
    /// `SOCKEYE_S3_PREFIX`: every object's name begins with it. Default none.
    pub prefix: String,
}

impl S3 {
    pub(super) fn from_settings(settings: &Settings) -> Option<Self> {
        let keys = match (settings.text("SOCKEYE_S3_ACCESS_KEY"), settings.text("SOCKEYE_S3_SECRET_KEY")) {
            (Some(access), Some(secret)) => Some((access, secret)),
            (None, None) => None,
            _ => {
                settings
                    .problem("SOCKEYE_S3_ACCESS_KEY and SOCKEYE_S3_SECRET_KEY go together: set both or none");
                None
            }
        };
        let region = settings.text("SOCKEYE_S3_REGION");
        let endpoint = settings.text("SOCKEYE_S3_ENDPOINT");
        let prefix = settings.text("SOCKEYE_S3_PREFIX").unwrap_or_default();
        let bucket = settings.text("SOCKEYE_S3_BUCKET");
        if bucket.is_none() && (keys.is_some() || endpoint.is_some()) {
            settings.problem("SOCKEYE_S3_ENDPOINT or keys are set, but SOCKEYE_S3_BUCKET is not");
        }
        Some(Self { bucket: bucket?, region, endpoint, keys, prefix })
    }
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}
