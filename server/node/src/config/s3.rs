use std::fmt;

use url::Url;

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
    /// `AWS_*`, from the environment or `.env`: read by the object store's library when there are no keys.
    pub environment: Vec<(String, String)>,
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
        let endpoint = settings.read("SOCKEYE_S3_ENDPOINT", None, |text| endpoint(text).map(Some));
        let prefix = settings.read("SOCKEYE_S3_PREFIX", String::new(), prefix);
        let bucket = settings.read("SOCKEYE_S3_BUCKET", None, |text| bucket(text).map(Some));
        if bucket.is_none() && (keys.is_some() || endpoint.is_some()) {
            settings.problem("SOCKEYE_S3_ENDPOINT or keys are set, but SOCKEYE_S3_BUCKET is not");
        }
        let environment = settings.starting_with("AWS_");
        Some(Self { bucket: bucket?, region, endpoint, keys, prefix, environment })
    }
}

/// Without user, question mark or hash: the first would be shown wherever an address is, the others mean nothing.
fn endpoint(text: &str) -> Result<String, String> {
    let understood = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().or(url.fragment()).is_none()
    });
    understood.map(|_| text.to_owned()).ok_or_else(|| {
        "is no address such as https://s3.example.org; user and password go into SOCKEYE_S3_ACCESS_KEY and \
         SOCKEYE_S3_SECRET_KEY"
            .to_owned()
    })
}

fn bucket(text: &str) -> Result<String, String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if text.len() <= 255 && text.bytes().all(is_name) {
        return Ok(text.to_owned());
    }
    Err("is a bucket's name (letters, digits, dots, dashes), not an address or a path".to_owned())
}

fn prefix(text: &str) -> Result<String, String> {
    let is_step = |part: &str| matches!(part, "." | "..");
    if text.split('/').any(is_step) || text.chars().any(|c| c.is_control() || c == '\\') {
        return Err("is the beginning of names such as chat/pictures, without . and ..".to_owned());
    }
    Ok(text.to_owned())
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}
