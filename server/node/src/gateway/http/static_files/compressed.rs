//! Files in the encodings that browsers take, compressed when they are first asked for and then kept.

use std::{
    collections::{HashMap, VecDeque},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_compression::{
    Level,
    tokio::bufread::{BrotliEncoder, GzipEncoder},
};
use axum::body::Bytes;
use http::{HeaderMap, HeaderValue, header};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::{OnceCell, Semaphore},
};

/// Below, the headers are what an answer is made of.
const FILE_BYTES_MIN: usize = 1024;
/// Above, a file is sent as it is: compressing it would hold a thread up.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Kept in all; of more, the first compressed goes.
const KEPT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Files known, those not worth compressing included.
const KEPT_LEN_MAX: usize = 4096;
/// Compressed between two looks at other tasks.
const STEP_BYTES: usize = 64 * 1024;
/// Nearly as small as the best, in a tenth of the time.
const BROTLI_LEVEL: i32 = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Encoding {
    Brotli,
    Gzip,
}

impl Encoding {
    /// The best one that a client takes.
    pub(super) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let offers = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let offers: Vec<&str> = offers.flat_map(|value| value.split(',')).collect();
        let takes = |name: &str| {
            offers.iter().any(|offer| {
                let (offered, quality) = offer.split_once(';').unwrap_or((offer, ""));
                let quality = quality.trim().strip_prefix("q=").map(str::parse);
                offered.trim().eq_ignore_ascii_case(name) && quality != Some(Ok(0.0))
            })
        };
        [Self::Brotli, Self::Gzip].into_iter().find(|encoding| takes(encoding.text()))
    }

    pub(super) fn name(self) -> HeaderValue {
        HeaderValue::from_static(self.text())
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}

/// What was compressed.
#[derive(Debug)]
pub(super) struct Compressed {
    kept: Mutex<Kept>,
    /// One file at a time: visitors after a deployment all ask for the same few.
    turn: Semaphore,
}

impl Default for Compressed {
    fn default() -> Self {
        Self { kept: Mutex::default(), turn: Semaphore::new(1) }
    }
}

type Key = (PathBuf, Encoding);
/// `None`: not worth it.
type Body = Arc<OnceCell<Option<Bytes>>>;

#[derive(Debug)]
struct Place {
    version: HeaderValue,
    body: Body,
    counted: bool,
}

#[derive(Debug, Default)]
struct Kept {
    files: HashMap<Key, Place>,
    /// In which they were counted.
    order: VecDeque<Key>,
    bytes: usize,
}

impl Compressed {
    /// The file in this encoding, `version` being its `ETag`; `None` when it is to be sent as it is.
    pub(super) async fn get(&self, file: &Path, version: &HeaderValue, encoding: Encoding) -> Option<Bytes> {
        let key = (file.to_owned(), encoding);
        let body = self.kept().body(&key, version);
        let made = body.get_or_try_init(|| self.make(file, encoding)).await;
        match made {
            Ok(bytes) => {
                self.kept().settle(&key);
                bytes.clone()
            }
            Err(error) => {
                tracing::warn!(%error, "a file of SOCKEYE_STATIC_DIR could not be read");
                self.kept().files.retain(|known, place| *known != key || place.counted);
                None
            }
        }
    }

    async fn make(&self, file: &Path, encoding: Encoding) -> io::Result<Option<Bytes>> {
        let _turn = self.turn.acquire().await.map_err(io::Error::other)?;
        if tokio::fs::metadata(file).await?.len() > FILE_BYTES_MAX {
            return Ok(None);
        }
        let plain = tokio::fs::read(file).await?;
        if plain.len() < FILE_BYTES_MIN {
            return Ok(None);
        }
        let small = compress(&plain, encoding).await?;
        Ok((small.len() < plain.len()).then(|| small.into()))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Whoever panicked with the lock left at worst a wrong count of bytes.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// The place of a file, new when there is none of this version.
    fn body(&mut self, key: &Key, version: &HeaderValue) -> Body {
        if let Some(place) = self.files.get(key)
            && place.version == version
        {
            return place.body.clone();
        }
        self.forget(key);
        let body = Body::default();
        let place = Place { version: version.clone(), body: body.clone(), counted: false };
        self.files.insert(key.clone(), place);
        body
    }

    /// Counts a file that was made, once, and makes room.
    fn settle(&mut self, key: &Key) {
        let Some(place) = self.files.get_mut(key).filter(|place| !place.counted) else { return };
        // Another version may have come meanwhile.
        let Some(made) = place.body.get() else { return };
        place.counted = true;
        self.bytes += made.as_ref().map_or(0, Bytes::len);
        self.order.push_back(key.clone());
        while (self.bytes > KEPT_BYTES_MAX || self.order.len() > KEPT_LEN_MAX) && self.order.len() > 1 {
            let Some(first) = self.order.front().cloned() else { return };
            self.forget(&first);
        }
    }

    fn forget(&mut self, key: &Key) {
        let Some(place) = self.files.remove(key).filter(|place| place.counted) else { return };
        self.order.retain(|known| known != key);
        self.bytes -= place.body.get().and_then(Option::as_ref).map_or(0, Bytes::len);
    }
}

async fn compress(plain: &[u8], encoding: Encoding) -> io::Result<Vec<u8>> {
    let mut encoder: Box<dyn AsyncRead + Send + Unpin + '_> = match encoding {
        Encoding::Brotli => Box::new(BrotliEncoder::with_quality(plain, Level::Precise(BROTLI_LEVEL))),
        Encoding::Gzip => Box::new(GzipEncoder::new(plain)),
    };
    let (mut small, mut step) = (Vec::new(), vec![0; STEP_BYTES]);
    loop {
        match encoder.read(&mut step).await? {
            0 => return Ok(small),
            len => small.extend_from_slice(&step[..len]),
        }
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(value: &'static str) -> Option<Encoding> {
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
        Encoding::accepted(&headers)
    }

    #[test]
    fn a_client_gets_an_encoding_that_it_takes() {
        assert_eq!(accepted("gzip, deflate, br, zstd"), Some(Encoding::Brotli));
        assert_eq!(accepted("gzip;q=1.0, br;q=0"), Some(Encoding::Gzip));
        assert_eq!(accepted("GZIP"), Some(Encoding::Gzip));
        assert_eq!(accepted("gzip;q=0.000"), None);
        assert_eq!(accepted("identity"), None);
        assert_eq!(accepted(""), None);
        assert_eq!(Encoding::accepted(&HeaderMap::new()), None);
    }

    #[test]
    fn what_is_kept_is_bounded_and_counted() {
        let (mut kept, version) = (Kept::default(), HeaderValue::from_static("\"1\""));
        let key = |n: usize| (PathBuf::from(n.to_string()), Encoding::Gzip);
        let third = KEPT_BYTES_MAX / 3;
        for n in 0..10 {
            kept.body(&key(n), &version).set(Some(Bytes::from(vec![0; third]))).unwrap();
            kept.settle(&key(n));
            kept.settle(&key(n));
        }
        assert_eq!((kept.bytes, kept.files.len(), kept.order.len()), (3 * third, 3, 3));
        assert!(kept.files.contains_key(&key(9)) && !kept.files.contains_key(&key(6)));
        // A new version replaces the old one.
        kept.body(&key(9), &HeaderValue::from_static("\"2\""));
        assert_eq!((kept.bytes, kept.order.len()), (2 * third, 2));
    }

    #[tokio::test]
    async fn a_file_is_compressed_once_for_every_version() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.js");
        std::fs::write(&file, "let a = 1;\n".repeat(10_000)).unwrap();
        let compressed = Compressed::default();
        let [one, two] = ["\"1\"", "\"2\""].map(HeaderValue::from_static);
        let first = compressed.get(&file, &one, Encoding::Brotli).await.unwrap();
        assert!(first.len() < 5_000, "{}", first.len());
        let gzip = compressed.get(&file, &one, Encoding::Gzip).await.unwrap();
        assert_ne!(first, gzip);
        // Nothing is read again.
        std::fs::remove_file(&file).unwrap();
        assert_eq!(compressed.get(&file, &one, Encoding::Brotli).await, Some(first));
        assert_eq!(compressed.get(&file, &two, Encoding::Brotli).await, None);
    }

    #[tokio::test]
    async fn what_is_small_or_huge_is_sent_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let version = HeaderValue::from_static("\"1\"");
        for len in [10, usize::try_from(FILE_BYTES_MAX).unwrap() + 1] {
            let file = dir.path().join(format!("{len}.txt"));
            std::fs::write(&file, vec![b'a'; len]).unwrap();
            assert_eq!(Compressed::default().get(&file, &version, Encoding::Gzip).await, None, "{len}");
        }
    }
}
