//! Pictures of each format, made here piece by piece: what is taken out, what stays, and that nothing makes a parser fail.

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;

use super::*;
use crate::id::ObjectId;

const BOUNDS: ImageBounds = ImageBounds { bytes_max: 1_000_000, pixels_max: 50_000_000 };

/// A few pixels each, as programs wrote them, without metadata.
const REAL: [(ImageKind, &str); 4] = [
    (
        ImageKind::Png,
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    ),
    (
        ImageKind::Jpeg,
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI////////////////////////////////////////////\
         ////////2wBDAVVaWnhpeOuCguv/////////////////////////////////////////////////////////////////////////wAARCAACAAID\
         ASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAL/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFQEBAQAAAAAAAAAAAAAAAAAAAgP/xAAUEQEA\
         AAAAAAAAAAAAAAAAAAAA/9oADAMBAAIRAxEAPwCABXf/2Q==",
    ),
    (ImageKind::Gif, "R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs="),
    (ImageKind::Webp, "UklGRjAAAABXRUJQVlA4ICQAAABwAQCdASoCAAIAB0CWJaACdAFAAAD+2ibFwyGI/JL1J+VgiAA="),
];

fn real(kind: ImageKind) -> Vec<u8> {
    let (_, text) = REAL.into_iter().find(|(of, _)| *of == kind).unwrap();
    STANDARD.decode(text).unwrap()
}

fn cleaned(bytes: Vec<u8>) -> Vec<u8> {
    Image::from_bytes(bytes, BOUNDS).unwrap().bytes
}

fn code(bytes: Vec<u8>) -> &'static str {
    Image::from_bytes(bytes, BOUNDS).unwrap_err().code()
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn png_chunk(kind: &str, data: &[u8]) -> Vec<u8> {
    // Nobody here reads checksums.
    [&u32::try_from(data.len()).unwrap().to_be_bytes(), kind.as_bytes(), data, &[0; 4]].concat()
}

fn png(width: u32, height: u32, chunks: &[Vec<u8>]) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n".to_vec(), png_chunk("IHDR", &header), chunks.concat()].concat()
}

fn jpeg_segment(code: u8, data: &[u8]) -> Vec<u8> {
    [&[0xff, code][..], &u16::try_from(data.len() + 2).unwrap().to_be_bytes(), data].concat()
}

fn jpeg_frame(width: u16, height: u16) -> Vec<u8> {
    let data = [&[8][..], &height.to_be_bytes(), &width.to_be_bytes(), &[1, 1, 0x11, 0]].concat();
    jpeg_segment(0xc0, &data)
}

fn jpeg(segments: &[Vec<u8>]) -> Vec<u8> {
    [vec![0xff, 0xd8], segments.concat()].concat()
}

fn webp_chunk(kind: &str, data: &[u8]) -> Vec<u8> {
    let len = u32::try_from(data.len()).unwrap().to_le_bytes();
    [kind.as_bytes(), &len, data, &[0][..data.len() % 2]].concat()
}

fn webp(chunks: &[Vec<u8>]) -> Vec<u8> {
    let len = u32::try_from(chunks.concat().len() + 4).unwrap().to_le_bytes();
    [b"RIFF", &len[..], b"WEBP", &chunks.concat()].concat()
}

/// With these flags and edges.
fn vp8x(flags: u8, width: u32, height: u32) -> Vec<u8> {
    let edge = |len: u32| (len - 1).to_le_bytes()[..3].to_vec();
    webp_chunk("VP8X", &[vec![flags, 0, 0, 0], edge(width), edge(height)].concat())
}

fn vp8(width: u16, height: u16) -> Vec<u8> {
    webp_chunk(
        "VP8 ",
        &[&[0, 0, 0, 0x9d, 1, 0x2a][..], &width.to_le_bytes(), &height.to_le_bytes(), b"pixels"].concat(),
    )
}

fn vp8l(width: u32, height: u32) -> Vec<u8> {
    let bits = (width - 1) | (height - 1) << 14;
    webp_chunk("VP8L", &[&[0x2f][..], &bits.to_le_bytes(), b"pixels"].concat())
}

fn gif(width: u16, height: u16, blocks: &[Vec<u8>]) -> Vec<u8> {
    [b"GIF89a", &width.to_le_bytes()[..], &height.to_le_bytes(), &[0x80, 0, 0], &[7; 6], &blocks.concat()]
        .concat()
}

fn gif_frame(left: u16, top: u16, width: u16, height: u16) -> Vec<u8> {
    let edges = [left, top, width, height].map(u16::to_le_bytes).concat();
    [&[0x2c][..], &edges, &[0], &[2, 2, b'f', b'r', 0]].concat()
}

fn gif_extension(label: u8, blocks: &[&str]) -> Vec<u8> {
    let data: Vec<u8> = blocks
        .iter()
        .flat_map(|text| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat())
        .collect();
    [&[0x21, label][..], &data, &[0]].concat()
}

/// EXIF data (TIFF, little-endian) with this orientation, a camera and a place, as a phone writes them.
fn exif_of_a_phone(orientation: u8) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x03\0".to_vec();
    tiff.extend([0x0f, 0x01, 2, 0, 12, 0, 0, 0, 50, 0, 0, 0]); // Make, text at 50
    tiff.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0]);
    tiff.extend([0x25, 0x88, 4, 0, 1, 0, 0, 0, 62, 0, 0, 0]); // GPS at 62
    tiff.extend([0; 4]);
    tiff.extend(b"SecretPhone\0");
    tiff.extend(b"GPS 48.1374N 11.5755E");
    tiff
}

#[test]
fn a_picture_without_metadata_stays_as_it_is() {
    for (kind, _) in REAL {
        let image = Image::from_bytes(real(kind), BOUNDS).unwrap();
        assert_eq!(image.kind, kind);
        assert!(image.bytes == real(kind), "{kind:?}");
    }
}

#[test]
fn what_follows_the_end_is_gone() {
    for (kind, _) in REAL {
        let with_more = [real(kind), b"ftypmp4 a film, <script>alert(1)</script>".to_vec()].concat();
        assert!(cleaned(with_more) == real(kind), "{kind:?}");
    }
}

#[test]
fn a_jpeg_loses_places_and_names_and_keeps_what_it_looks_like() {
    let exif = |tiff: Vec<u8>| jpeg_segment(0xe1, &[b"Exif\0\0".to_vec(), tiff].concat());
    let jfif = jpeg_segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    let icc = jpeg_segment(0xe2, b"ICC_PROFILE\0\x01\x01profile");
    let adobe = jpeg_segment(0xee, b"Adobe\0\x64\0\0\0\0\x01");
    let table = jpeg_segment(0xdb, b"table");
    let picture = [
        jpeg_frame(4000, 3000),
        jpeg_segment(0xda, b"\x01\x01\0\0\x3f\0"),
        b"data\xff\0\xff\xd0data".to_vec(),
    ]
    .concat();
    let more_scans =
        [jpeg_segment(0xc4, b"codes"), jpeg_segment(0xda, b"\x01\x01\0\0\x3f\0"), b"more".to_vec()].concat();
    let end = vec![0xff, 0xd9];
    let sent = jpeg(&[
        jfif.clone(),
        jpeg_segment(0xe0, b"JFXX\0\x10 GPS in a thumbnail"),
        exif(exif_of_a_phone(6)),
        jpeg_segment(0xe1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>GPS</x:xmpmeta>"),
        icc.clone(),
        jpeg_segment(0xe2, b"MPF\0GPS"),
        jpeg_segment(0xed, b"Photoshop 3.0\0 GPS"),
        adobe.clone(),
        vec![0xff, 0xff, 0xff],
        jpeg_segment(0xfe, b"GPS, SecretPhone"),
        table.clone(),
        b"GPS between".to_vec(),
        picture.clone(),
        more_scans.clone(),
        jpeg_segment(0xeb, b"GPS"),
        end.clone(),
        b"GPS behind".to_vec(),
    ]);
    assert!(has(&sent, "GPS") && has(&sent, "SecretPhone"));
    let kept = cleaned(sent);
    assert!(!has(&kept, "GPS") && !has(&kept, "SecretPhone"));
    let turned = exif(exif::turned(6).to_vec());
    assert_eq!(kept, jpeg(&[jfif, turned, icc, adobe, table, picture, more_scans, end]));
}

#[test]
fn only_an_orientation_that_matters_is_kept() {
    let with = |tiff: Vec<u8>| {
        jpeg(&[
            jpeg_segment(0xe1, &[b"Exif\0\0".to_vec(), tiff].concat()),
            jpeg_frame(1, 1),
            vec![0xff, 0xd9],
        ])
    };
    let plain = jpeg(&[jpeg_frame(1, 1), vec![0xff, 0xd9]]);
    for orientation in [0, 1, 9] {
        assert_eq!(cleaned(with(exif_of_a_phone(orientation))), plain);
    }
    for orientation in 2..=8 {
        assert_eq!(cleaned(with(exif_of_a_phone(orientation))), with(exif::turned(orientation).to_vec()));
    }
    // Shorter than any that is whole: it is dropped rather than made room for.
    assert_eq!(cleaned(with(exif::turned(6)[..22].to_vec())), plain);
}

#[test]
fn a_png_loses_texts_and_keeps_its_animation() {
    let kept_chunks = [
        png_chunk("iCCP", b"profile"),
        png_chunk("pHYs", b"ratio"),
        png_chunk("acTL", b"frames"),
        png_chunk("fcTL", b"frame"),
        png_chunk("IDAT", b"pixels"),
        png_chunk("fdAT", b"pixels"),
        png_chunk("IEND", b""),
    ];
    let mut chunks = kept_chunks.to_vec();
    for (at, kind) in ["tEXt", "zTXt", "iTXt", "tIME", "caBX", "abCd", "XyZz"].into_iter().enumerate() {
        chunks.insert(at, png_chunk(kind, b"GPS"));
    }
    chunks.push(b"GPS".to_vec());
    assert_eq!(cleaned(png(4, 4, &chunks)), png(4, 4, &kept_chunks));

    let turned = cleaned(png(4, 4, &[png_chunk("eXIf", &exif_of_a_phone(8)), png_chunk("IEND", b"")]));
    assert!(!has(&turned, "GPS") && has(&turned, "eXIf"));
    assert_eq!(exif::orientation(&turned[turned.len() - 12 - 4 - 26..]), Some(8));
    let upright = cleaned(png(4, 4, &[png_chunk("eXIf", &exif_of_a_phone(1)), png_chunk("IEND", b"")]));
    assert_eq!(upright, png(4, 4, &[png_chunk("IEND", b"")]));
}

#[test]
fn a_webp_loses_its_metadata_and_its_flags_say_so() {
    let (frame, profile) = (vp8(4, 4), webp_chunk("ICCP", b"profile"));
    let sent = |exif: Vec<u8>| {
        let chunks = [
            vp8x(0x2c, 4, 4),
            profile.clone(),
            frame.clone(),
            webp_chunk("EXIF", &exif),
            webp_chunk("XMP ", b"GPS"),
            webp_chunk("more", b"GPS"),
        ];
        webp(&chunks)
    };
    assert_eq!(cleaned(sent(exif_of_a_phone(1))), webp(&[vp8x(0x20, 4, 4), profile.clone(), frame.clone()]));
    let turned = webp_chunk("EXIF", &exif::turned(3));
    let expected = webp(&[vp8x(0x28, 4, 4), profile.clone(), frame.clone(), turned]);
    assert_eq!(cleaned(sent(exif_of_a_phone(3))), expected);
    assert_eq!(cleaned(sent([b"Exif\0\0".to_vec(), exif_of_a_phone(3)].concat())), expected);
}

#[test]
fn a_gif_loses_comments_and_keeps_its_frames_and_loop() {
    let kept_blocks = [
        gif_extension(0xff, &["NETSCAPE2.0", "\x01\0\0"]),
        gif_extension(0xf9, &["\0\x0a\0\0"]),
        gif_frame(0, 0, 4, 4),
        gif_frame(1, 1, 2, 2),
        vec![0x3b],
    ];
    let mut blocks = kept_blocks.to_vec();
    blocks.insert(0, gif_extension(0xfe, &["GPS", "GPS"]));
    blocks.insert(3, gif_extension(0xff, &["XMP DataXMP", "GPS"]));
    blocks.insert(4, gif_extension(0x01, &["GPS"]));
    blocks.push(b"GPS".to_vec());
    assert_eq!(cleaned(gif(4, 4, &blocks)), gif(4, 4, &kept_blocks));
}

#[test]
fn a_picture_of_too_many_pixels_is_refused_by_its_heading() {
    let bomb = |width: u16, height: u16| {
        let (w, h) = (u32::from(width), u32::from(height));
        [
            png(w, h, &[]),
            jpeg(&[jpeg_frame(width, height)]),
            // A frame before that is no picture.
            jpeg(&[jpeg_frame(1, 1), jpeg_frame(width, height)]),
            gif(width, height, &[]),
            gif(1, 1, &[gif_frame(width / 2, height / 2, width - width / 2, height - height / 2)]),
            webp(&[vp8x(0, w, h)]),
            webp(&[vp8x(0, 1, 1), vp8l(w.min(16_384), h.min(16_384))]),
            webp(&[vp8(width.min(16_383), height.min(16_383))]),
        ]
    };
    for bytes in bomb(60_000, 60_000) {
        assert_eq!(code(bytes), "image_too_large");
    }
    for bytes in bomb(10_000, 5_000) {
        assert!(Image::from_bytes(bytes, BOUNDS).is_ok());
    }
    for bytes in bomb(10_000, 5_001) {
        assert_eq!(code(bytes), "image_too_large");
    }
    let bytes = png(u32::MAX, u32::MAX, &[]);
    assert_eq!(code(bytes), "image_too_large");
}

#[test]
fn a_picture_that_does_not_say_its_size_is_refused() {
    for bytes in [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        b"\x89PNG\r\n\x1a\nnot a chunk of a picture".to_vec(),
        png(0, 4, &[]),
        png(4, 4, &[])[..20].to_vec(),
        jpeg(&[vec![0xff]]),
        jpeg(&[jpeg_segment(0xdb, b"table"), vec![0xff, 0xd9], jpeg_frame(1, 1)]),
        jpeg(&[jpeg_frame(0, 4)]),
        jpeg(&[jpeg_frame(4, 4)])[..6].to_vec(),
        gif(4, 4, &[])[..12].to_vec(),
        gif(0, 0, &[]),
        webp(&[]),
        webp(&[webp_chunk("EXIF", b"data")]),
        webp(&[webp_chunk("VP8 ", b"no frame here")]),
        webp(&[webp_chunk("VP8L", b"no frame here")]),
        // The size is that of another chunk.
        webp(&[webp_chunk("VP8 ", b""), b"\0\0\0\x9d\x01\x2a\x04\0\x04\0\0\0".to_vec()]),
        b"RIFF\0\0\0\0WEBPVP8 ".to_vec(),
    ] {
        assert_eq!(code(bytes.clone()), "image_malformed", "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_picture_that_is_cut_off_shows_what_there_is() {
    for (kind, _) in REAL {
        let mut cut = real(kind);
        cut.truncate(cut.len() - 3);
        assert!(cleaned(cut.clone()) == cut, "{kind:?}");
    }
}

#[test]
fn a_data_url_is_read_whatever_it_claims_to_be() {
    let url = format!("data:image/jpeg;base64,{}", STANDARD.encode(real(ImageKind::Png)));
    assert_eq!(Image::from_data_url(&url, BOUNDS).unwrap().kind, ImageKind::Png);
}

#[test]
fn what_is_no_picture_is_refused_with_its_reason() {
    let refused =
        |url: &str, bytes_max| Image::from_data_url(url, ImageBounds { bytes_max, ..BOUNDS }).unwrap_err();
    let code = |url: &str, bytes_max| refused(url, bytes_max).code();
    let svg = format!("data:image/svg+xml;base64,{}", STANDARD.encode("<svg/>"));
    assert_eq!(code(&svg, 100), "image_type");
    assert_eq!(code("data:image/png;base64,", 100), "image_type");
    assert_eq!(code("https://example.org/a.png", 100), "image_malformed");
    assert_eq!(code("data:image/png,plain", 100), "image_malformed");
    assert_eq!(code("data:image/png;base64,***", 100), "image_malformed");
    let long = format!("data:image/png;base64,{}", STANDARD.encode([0u8; 101]));
    assert_eq!(code(&long, 100), "image_too_large");
    let heic = format!("data:image/heic;base64,{}", STANDARD.encode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"));
    assert_eq!(code(&heic, 100), "image_type");
    assert!(refused(&heic, 100).to_string().contains("JPEG"));
}

#[test]
fn a_stored_picture_is_named_and_addressed() {
    let id = MediaId::new([0xab; 16], ImageKind::Jpeg);
    assert_eq!(id.to_string().parse(), Ok(id));
    let picture = Picture::Stored(id);
    assert_eq!(Picture::parse(&picture.to_string()), Some(picture.clone()));
    assert_eq!(picture.url("http://h:1"), format!("http://h:1/media/{id}"));
    assert_eq!(Picture::parse(""), None);
}

#[test]
fn the_picture_of_a_profile_is_that_of_one_user() {
    let (ann, bob) = (UserId(ObjectId([1; 12])), UserId(ObjectId([2; 12])));
    let id = MediaId::of_profile(ann, [7; 16], ImageKind::Png);
    assert!(id.is_profile_of(ann) && !id.is_profile_of(bob));
    assert!(id.to_string().starts_with(&"07".repeat(12)));
    assert_eq!(id.to_string().parse(), Ok(id));
    assert!(!MediaId::new([7; 16], ImageKind::Png).is_profile_of(ann));
}

/// A picture with metadata of each format.
fn samples() -> Vec<Vec<u8>> {
    let exif = [b"Exif\0\0".to_vec(), exif_of_a_phone(6)].concat();
    vec![
        png(
            4,
            4,
            &[
                png_chunk("eXIf", &exif_of_a_phone(6)),
                png_chunk("tEXt", b"GPS"),
                png_chunk("IDAT", b"data"),
                png_chunk("IEND", b""),
            ],
        ),
        jpeg(&[
            jpeg_segment(0xe1, &exif),
            jpeg_segment(0xfe, b"GPS"),
            jpeg_frame(4, 4),
            jpeg_segment(0xda, b"\0"),
            b"data\xff\0\xff\xd9".to_vec(),
        ]),
        gif(4, 4, &[gif_extension(0xfe, &["GPS"]), gif_frame(0, 0, 4, 4), vec![0x3b]]),
        webp(&[vp8x(0x0c, 4, 4), vp8(4, 4), webp_chunk("EXIF", &exif), webp_chunk("XMP ", b"GPS")]),
        real(ImageKind::Jpeg),
        real(ImageKind::Webp),
    ]
}

proptest! {
    #[test]
    fn media_names_never_leave_their_folder(text in ".{0,60}") {
        if let Ok(id) = text.parse::<MediaId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }

    /// Never a panic, never longer, and clean is clean.
    #[test]
    fn any_bytes_are_cleaned_or_refused(
        which in 0..6usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(0xff), Just(0)]), 0..8),
        more in prop::collection::vec(any::<u8>(), 0..40),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let mut bytes = samples().swap_remove(which);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.extend(more);
        if !whole {
            bytes.truncate(cut.index(bytes.len()));
        }
        let len = bytes.len();
        if let Ok(image) = Image::from_bytes(bytes, BOUNDS) {
            prop_assert!(image.bytes.len() <= len);
            let again = Image::from_bytes(image.bytes.clone(), BOUNDS);
            prop_assert!(again.is_ok_and(|again| again == image));
        }
    }

    #[test]
    fn random_bytes_after_a_signature_are_cleaned_or_refused(
        kind in 0..4usize,
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xff), Just(0)], 0..400),
    ) {
        let mut picture = real(REAL[kind].0);
        picture.truncate(12);
        picture.extend(bytes);
        let len = picture.len();
        if let Ok(image) = Image::from_bytes(picture, BOUNDS) {
            prop_assert!(image.bytes.len() <= len);
        }
    }
}
