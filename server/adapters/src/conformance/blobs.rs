//! The suite of [`Blobs`].

use std::sync::Arc;

use sockeye_core::{
    media::{Image, ImageKind, MediaId},
    ports::{Blobs, PART_BYTES_MAX},
};
use tokio::task::JoinSet;

use super::Fixture;

/// Tests of a [`Blobs`]; give an expression that makes a [`Fixture`].
#[macro_export]
macro_rules! blobs_suite {
    ($fixture:expr) => {
        $crate::conformance_checks!(
            [$crate::conformance::blobs],
            $fixture,
            [
                a_picture_is_given_back_as_it_was,
                an_unknown_picture_is_none,
                a_picture_survives_a_restart,
                a_picture_does_not_change,
                a_picture_is_whole_or_absent,
                parts_make_the_picture_and_are_small,
                a_deleted_picture_is_gone,
            ]
        );
    };
}

type AnyBlobs = dyn Blobs;

pub async fn a_picture_is_given_back_as_it_was(fixture: &impl Fixture<AnyBlobs>) {
    let blobs = fixture.open().await;
    let kinds = [ImageKind::Png, ImageKind::Jpeg, ImageKind::Gif, ImageKind::Webp];
    for (kind, len) in kinds.into_iter().zip([1usize, 100, 4_096, 5_000_000]) {
        let (id, image) = (MediaId::new([len.to_le_bytes()[0]; 16], kind), image(kind, 7, len));
        blobs.put(&id, &image).await.expect("put");
        assert!(blobs.get(&id).await.expect("get") == Some(image.bytes), "{kind:?}");
    }
}

pub async fn an_unknown_picture_is_none(fixture: &impl Fixture<AnyBlobs>) {
    let blobs = fixture.open().await;
    let png = MediaId::new([1; 16], ImageKind::Png);
    assert_eq!(blobs.get(&png).await.expect("get"), None);
    blobs.put(&png, &image(ImageKind::Png, 1, 10)).await.expect("put");
    assert_eq!(blobs.get(&MediaId::new([1; 16], ImageKind::Gif)).await.expect("get"), None);
}

pub async fn a_picture_survives_a_restart(fixture: &impl Fixture<AnyBlobs>) {
    let blobs = fixture.open().await;
    let (id, image) = (MediaId::new([2; 16], ImageKind::Png), image(ImageKind::Png, 2, 1_000));
    blobs.put(&id, &image).await.expect("put");
    drop(blobs);
    assert_eq!(fixture.open().await.get(&id).await.expect("get"), Some(image.bytes));
}

pub async fn a_picture_does_not_change(fixture: &impl Fixture<AnyBlobs>) {
    let blobs = fixture.open().await;
    let (id, image) = (MediaId::new([3; 16], ImageKind::Png), image(ImageKind::Png, 3, 1_000));
    blobs.put(&id, &image).await.expect("put");
    blobs.put(&id, &image).await.expect("the same again");
    assert_eq!(blobs.get(&id).await.expect("get"), Some(image.bytes));
}

/// Whoever looks while it is put, by several at once even, sees all of it or nothing.
pub async fn a_picture_is_whole_or_absent(fixture: &impl Fixture<AnyBlobs>) {
    let blobs = fixture.open().await;
    for round in 0..5 {
        let id = MediaId::new([round; 16], ImageKind::Png);
        let image = Arc::new(image(ImageKind::Png, round, 500_000));
        let mut puts = JoinSet::new();
        for _ in 0..3 {
            let (blobs, image) = (Arc::clone(&blobs), Arc::clone(&image));
            puts.spawn(async move { blobs.put(&id, &image).await.expect("put") });
        }
        while !puts.is_empty() {
            let seen = blobs.get(&id).await.expect("get");
            assert!(seen.is_none_or(|bytes| bytes == image.bytes), "half a picture was seen");
            while puts.try_join_next().is_some() {}
        }
        assert!(blobs.get(&id).await.expect("get") == Some(image.bytes.clone()));
    }
}

pub async fn parts_make_the_picture_and_are_small(fixture: &impl Fixture<AnyBlobs>) {
    let blobs = fixture.open().await;
    for (nth, len) in [(1, 1), (2, PART_BYTES_MAX), (3, 3_000_001)] {
        let id = MediaId::new([nth; 16], ImageKind::Webp);
        assert_eq!(blobs.part(&id, 0).await.expect("part"), None, "there is none yet");
        let image = image(ImageKind::Webp, 9, len);
        blobs.put(&id, &image).await.expect("put");
        let mut bytes = Vec::new();
        loop {
            let part = blobs.part(&id, bytes.len() as u64).await.expect("part").expect("it is there");
            assert_eq!(part.whole_len, len as u64);
            assert!(part.bytes.len() <= PART_BYTES_MAX, "{}", part.bytes.len());
            if part.bytes.is_empty() {
                break;
            }
            bytes.extend(part.bytes);
        }
        assert!(bytes == image.bytes, "{len}");
        let behind = blobs.part(&id, len as u64 + 7).await.expect("part").expect("it is there");
        assert_eq!((behind.bytes.len(), behind.whole_len), (0, len as u64));
    }
}

pub async fn a_deleted_picture_is_gone(fixture: &impl Fixture<AnyBlobs>) {
    let blobs = fixture.open().await;
    let [gone, left, never] = [4, 5, 6].map(|n| MediaId::new([n; 16], ImageKind::Png));
    let image = image(ImageKind::Png, 4, 1_000);
    blobs.put(&gone, &image).await.expect("put");
    blobs.put(&left, &image).await.expect("put");
    for what in ["there", "gone already"] {
        blobs.delete(&gone).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(blobs.get(&gone).await.expect("get"), None);
    }
    blobs.delete(&never).await.expect("never there");
    drop(blobs);
    let blobs = fixture.open().await;
    assert_eq!(blobs.get(&gone).await.expect("get"), None);
    assert_eq!(blobs.get(&left).await.expect("get"), Some(image.bytes));
}

fn image(kind: ImageKind, fill: u8, len: usize) -> Image {
    Image { kind, bytes: (0..len).map(|n| fill ^ n.to_le_bytes()[0]).collect() }
}
