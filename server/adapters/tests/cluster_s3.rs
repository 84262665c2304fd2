//! Pictures in an S3-compatible store.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use async_trait::async_trait;
use object_store::{Attribute, ObjectStoreExt, aws::AmazonS3Builder};
use sockeye_adapters::{
    blobs::{
        S3Blobs,
        s3::{S3Keys, S3Options},
    },
    conformance::Fixture,
};
use sockeye_core::{
    media::{Image, ImageKind, MediaId},
    ports::Blobs,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const BUCKET: &str = "pictures";

struct Store {
    prefix: String,
}

impl Store {
    fn new() -> Self {
        Self { prefix: format!("test/{:016x}", RandomState::new().hash_one(())) }
    }

    fn options(&self) -> S3Options {
        let keys = S3Keys { access_key: "access".to_owned(), secret_key: "a-secret".to_owned() };
        S3Options {
            bucket: BUCKET.to_owned(),
            region: Some("us-east-1".to_owned()),
            endpoint: Some(endpoint()),
            keys: Some(keys),
            prefix: self.prefix.clone(),
            ..S3Options::default()
        }
    }
}

#[async_trait]
impl Fixture<dyn Blobs> for Store {
    async fn open(&self) -> Arc<dyn Blobs> {
        make_bucket().await;
        Arc::new(S3Blobs::new(self.options()).expect("options"))
    }
}

sockeye_adapters::blobs_suite!(Store::new());

fn picture(n: u8) -> (MediaId, Image) {
    (MediaId::new([n; 16], ImageKind::Png), Image { kind: ImageKind::Png, bytes: vec![n; 100] })
}

#[tokio::test]
async fn objects_lie_under_the_prefix_with_their_type() {
    let store = Store::new();
    let blobs = Fixture::<dyn Blobs>::open(&store).await;
    let (id, image) = picture(1);
    blobs.put(&id, &image).await.unwrap();
    let keys = store.options().keys.unwrap();
    let bucket = AmazonS3Builder::new()
        .with_endpoint(endpoint())
        .with_allow_http(true)
        .with_bucket_name(BUCKET)
        .with_access_key_id(keys.access_key)
        .with_secret_access_key(keys.secret_key)
        .build()
        .unwrap();
    let found = bucket.get(&format!("{}/media/{id}", store.prefix).into()).await.unwrap();
    assert_eq!(found.attributes.get(&Attribute::ContentType), Some(&"image/png".into()));
}

#[tokio::test]
async fn a_bucket_that_is_missing_is_an_error_and_not_a_picture_that_is_absent() {
    let options = S3Options { bucket: "nobody-made-this".to_owned(), ..Store::new().options() };
    let blobs = S3Blobs::new(options).unwrap();
    blobs.check().await.unwrap_err();
    let (id, image) = picture(1);
    blobs.put(&id, &image).await.unwrap_err();
    let store = Store::new();
    Fixture::<dyn Blobs>::open(&store).await;
    S3Blobs::new(store.options()).unwrap().check().await.unwrap();
}

/// Also of a store that takes the connection and then says nothing.
#[tokio::test]
async fn a_call_ends_within_its_bound() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let options = S3Options { endpoint: Some(endpoint), answer_within_ms: 300, ..Store::new().options() };
    let blobs = S3Blobs::new(options).unwrap();
    let (id, image) = picture(1);
    blobs.put(&id, &image).await.unwrap_err();
    blobs.get(&id).await.unwrap_err();
}

#[test]
fn secrets_are_not_shown() {
    let options = Store { prefix: String::new() }.options();
    assert!(!format!("{options:?} {:?}", options.keys).contains("a-secret"));
}

fn endpoint() -> String {
    #[expect(clippy::disallowed_methods, reason = "where the servers are, of a test")]
    let endpoint = std::env::var("SOCKEYE_TEST_S3_ENDPOINT");
    endpoint.expect(
        "SOCKEYE_TEST_S3_ENDPOINT names no store: run this by `scripts/services run s3 -- cargo test ...`",
    )
}

/// As nobody in particular, which the store of the tests allows.
async fn make_bucket() {
    let endpoint = endpoint();
    let host = endpoint.strip_prefix("http://").expect("a store without TLS, on this machine");
    let mut connection = TcpStream::connect(host).await.unwrap();
    let request =
        format!("PUT /{BUCKET} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1);
    assert!(matches!(status, Some("200" | "409")), "the bucket cannot be made: {answer}");
}
