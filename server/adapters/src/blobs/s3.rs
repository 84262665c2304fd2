//! [`Blobs`] in an S3-compatible object store.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use futures_util::StreamExt;
use object_store::{
    Attribute, BackoffConfig, ClientOptions, GetOptions, GetResult, ObjectStore, ObjectStoreExt, PutOptions,
    RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};
use sockeye_core::{
    media::{Image, MediaId},
    ports::{BlobError, Blobs, PART_BYTES_MAX, Part},
};
use tokio::time::timeout;

/// No picture is this large; an object that is was not put there by us and is not read into memory.
const OBJECT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Which bucket, where, and as whom.
#[derive(Clone, Default)]
pub struct S3Options {
    /// `SOCKEYE_S3_BUCKET`. It exists already.
    pub bucket: String,
    /// `SOCKEYE_S3_REGION`.
    pub region: Option<String>,
    /// `SOCKEYE_S3_ENDPOINT`: `https://` (or `http://`) and host, of a store that is not Amazon's. Buckets are then part of
    /// the path.
    pub endpoint: Option<String>,
    /// `SOCKEYE_S3_ACCESS_KEY` and `SOCKEYE_S3_SECRET_KEY`. Without them: what the environment gives, as for other programs
    /// (`AWS_*` variables, the instance's or the pod's role).
    pub keys: Option<S3Keys>,
    /// `SOCKEYE_S3_PREFIX`: names of objects begin with it, `/` between.
    pub prefix: String,
    /// `AWS_*` settings that are not in the process's environment; read when there are no keys.
    pub environment: Vec<(String, String)>,
    /// Bound of a call, attempts and pauses together; 0: 20 s.
    pub answer_within_ms: u64,
}

/// Both are needed. Not shown by `Debug`.
#[derive(Clone)]
pub struct S3Keys {
    pub access_key: String,
    pub secret_key: String,
}

/// Attempts after the first, within the bound of the call.
const RETRIES_MAX: usize = 4;
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The options cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the object store cannot be used: {0}")]
pub struct S3OptionsError(#[source] object_store::Error);

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Store(#[from] object_store::Error),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("larger than any picture")]
    TooLarge,
}

/// Pictures as objects, `<prefix>/media/<name>`. The store makes an object visible when it has all of it, so that putting
/// one twice, or at several nodes at once, shows nobody a part.
pub struct S3Blobs {
    store: AmazonS3,
    bucket: String,
    root: Path,
    within: Duration,
}

impl S3Blobs {
    /// Does not connect yet.
    ///
    /// # Errors
    /// When something that is needed is missing or cannot be understood.
    pub fn new(options: S3Options) -> Result<Self, S3OptionsError> {
        crate::tls::install_provider();
        let within = match options.answer_within_ms {
            0 => Duration::from_secs(20),
            ms => Duration::from_millis(ms),
        };
        let client = ClientOptions::new().with_connect_timeout(CONNECT_WITHIN).with_timeout(within);
        let backoff = BackoffConfig { init_backoff: PAUSE_FIRST, max_backoff: PAUSE_MAX, base: 2.0 };
        let retry = RetryConfig { backoff, max_retries: RETRIES_MAX, retry_timeout: within };
        let mut builder = match options.keys {
            Some(keys) => AmazonS3Builder::new()
                .with_access_key_id(keys.access_key)
                .with_secret_access_key(keys.secret_key),
            None => options.environment.iter().fold(AmazonS3Builder::from_env(), |builder, (name, value)| {
                match name.to_ascii_lowercase().parse() {
                    Ok(key) => builder.with_config(key, value),
                    Err(_) => builder,
                }
            }),
        };
        if let Some(region) = options.region {
            builder = builder.with_region(region);
        }
        builder = builder.with_client_options(client).with_retry(retry).with_bucket_name(&options.bucket);
        builder = match options.endpoint {
            Some(endpoint) => {
                let plain = endpoint.starts_with("http://");
                builder
                    .with_endpoint(endpoint)
                    .with_allow_http(plain)
                    .with_virtual_hosted_style_request(false)
            }
            None => builder.with_virtual_hosted_style_request(true),
        };
        let store = builder.build().map_err(S3OptionsError)?;
        let root = Path::from_iter(Path::from(options.prefix).parts()).join("media");
        Ok(Self { store, bucket: options.bucket, root, within })
    }

    /// Whether the bucket is there and may be read.
    ///
    /// # Errors
    /// What the store says.
    pub async fn check(&self) -> Result<(), BlobError> {
        let mut names = self.store.list(Some(&self.root));
        self.in_time(async { names.next().await.transpose().map(drop).map_err(Failure::Store) }).await
    }

    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, Failure>>) -> Result<T, BlobError> {
        let answer = timeout(self.within, answer).await;
        answer.unwrap_or(Err(Failure::TimedOut(self.within))).map_err(|error| BlobError(Box::new(error)))
    }

    fn place(&self, id: &MediaId) -> Path {
        self.root.clone().join(id.to_string())
    }
}

#[async_trait]
impl Blobs for S3Blobs {
    async fn put(&self, id: &MediaId, image: &Image) -> Result<(), BlobError> {
        // Not conditional, which not every store can do: the same id always has the same bytes.
        let mut options = PutOptions::default();
        options.attributes.insert(Attribute::ContentType, image.kind.content_type().into());
        let (place, bytes) = (self.place(id), image.bytes.clone());
        self.in_time(async { Ok(self.store.put_opts(&place, bytes.into(), options).await.map(drop)?) }).await
    }

    async fn get(&self, id: &MediaId) -> Result<Option<Vec<u8>>, BlobError> {
        let place = self.place(id);
        self.in_time(async {
            match self.store.get(&place).await {
                Ok(found) => read(found, OBJECT_BYTES_MAX).await.map(Some),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    async fn part(&self, id: &MediaId, offset: u64) -> Result<Option<Part>, BlobError> {
        let place = self.place(id);
        let range = offset..offset.saturating_add(PART_BYTES_MAX as u64);
        self.in_time(async {
            let options = GetOptions { range: Some(range.into()), ..GetOptions::default() };
            match self.store.get_opts(&place, options).await {
                Ok(found) => {
                    let whole_len = found.meta.size;
                    let bytes = read(found, PART_BYTES_MAX as u64).await?;
                    Ok(Some(Part { bytes, whole_len }))
                }
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                // A store refuses a range behind the end.
                Err(error) => match self.store.head(&place).await {
                    Ok(meta) if offset >= meta.size => Ok(Some(Part { bytes: vec![], whole_len: meta.size })),
                    _ => Err(error.into()),
                },
            }
        })
        .await
    }

    async fn delete(&self, id: &MediaId) -> Result<(), BlobError> {
        let place = self.place(id);
        self.in_time(async {
            match self.store.delete(&place).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }
}

/// What the store says of the size is not relied on.
async fn read(found: GetResult, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = vec![];
    let mut chunks = found.into_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        if bytes.len() as u64 + chunk.len() as u64 > bytes_max {
            return Err(Failure::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

impl fmt::Debug for S3Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Options")
            .field("bucket", &self.bucket)
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for S3Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Keys").finish_non_exhaustive()
    }
}

impl fmt::Debug for S3Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Blobs")
            .field("bucket", &self.bucket)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}
