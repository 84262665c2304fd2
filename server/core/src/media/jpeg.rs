//! JPEG (ITU T.81): segments, each `FF code length data`, and after a start of scan the compressed data.

use super::{
    Size,
    editor::{Editor, be16},
    exif,
};

/// Keeps what is needed to show the picture, colour profile and orientation included. Drops EXIF, XMP, IPTC, thumbnails,
/// comments, makers' segments, and what follows the end. `None` when no frame header says how large it is.
pub(super) fn clean(bytes: Vec<u8>) -> Option<(Size, Vec<u8>)> {
    let mut editor = Editor::new(bytes);
    editor.keep(2);
    let (mut size, mut turned) = (None::<Size>, false);
    loop {
        // Decoders skip what is between segments, and repeated FFs.
        let between = editor.rest().iter().position(|&byte| byte == 0xff);
        editor.drop(between.unwrap_or(usize::MAX));
        let filled = editor.rest().iter().take_while(|&&byte| byte == 0xff).count();
        let Some(&code) = editor.rest().get(filled) else { break };
        editor.drop(filled - 1);
        match code {
            // Without data, and without a meaning here.
            0x00 | 0x01 | 0xd0..=0xd8 => {
                editor.drop(2);
                continue;
            }
            0xd9 => {
                editor.keep(2);
                break;
            }
            _ => {}
        }
        let Some(segment) = segment(editor.rest()) else { break };
        let (len, data) = (segment.len(), segment.get(4..).unwrap_or_default());
        match code {
            // SOF; among their codes are DHT, JPG and DAC.
            0xc0..=0xcf if !matches!(code, 0xc4 | 0xc8 | 0xcc) => {
                let this = Size::new(be16(data, 3)?.into(), be16(data, 1)?.into())?;
                size = Some(size.map_or(this, |other| other.or(this)));
                editor.keep(len);
            }
            // SOS
            0xda => {
                editor.keep(len);
                let len = scan_len(editor.rest());
                editor.keep(len);
            }
            // APP1: EXIF, XMP
            0xe1 => match data.strip_prefix(b"Exif\0\0").and_then(exif::orientation) {
                Some(orientation) if !turned => {
                    turned = true;
                    editor.replace(len, &only_turned(orientation));
                }
                _ => editor.drop(len),
            },
            // DHT, DAC, DQT, DNL, DRI, DHP, EXP
            0xc4 | 0xcc | 0xdb..=0xdf => editor.keep(len),
            0xe0 if data.starts_with(b"JFIF\0") => editor.keep(len),
            0xe2 if data.starts_with(b"ICC_PROFILE\0") => editor.keep(len),
            // How colours are coded.
            0xee if data.starts_with(b"Adobe") => editor.keep(len),
            _ => editor.drop(len),
        }
    }
    Some((size?, editor.finish()))
}

/// The segment at the beginning, whole.
fn segment(rest: &[u8]) -> Option<&[u8]> {
    let len = usize::from(be16(rest, 2)?);
    rest.get(..len + 2).filter(|_| len >= 2)
}

/// Compressed data end at an FF with a code; `FF 00` and restart markers are part of them.
fn scan_len(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = rest.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff)) {
        at += found;
        match rest.get(at + 1) {
            Some(0x00 | 0xd0..=0xd7) => at += 2,
            Some(0xff) => at += 1,
            Some(_) => return at,
            None => break,
        }
    }
    rest.len()
}

/// APP1 with an orientation only. No longer than a whole EXIF segment that has one.
fn only_turned(orientation: u8) -> Vec<u8> {
    let mut segment = b"\xff\xe1\0\x22Exif\0\0".to_vec();
    segment.extend_from_slice(&exif::turned(orientation));
    segment
}
