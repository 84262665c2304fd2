//! WebP (RFC 9649): a RIFF file of chunks, each `type length data`, filled up to an even length.

use super::{
    Size,
    editor::{Editor, bytes_at, le16, le24, le32},
    exif,
};

const HEADER_LEN: usize = 12;
const FRAME_LEN: usize = 8;
/// Flags of VP8X.
const HAS_EXIF: u8 = 0x08;
const HAS_XMP: u8 = 0x04;

/// Keeps frames, transparency, colour profile and orientation. Drops EXIF, XMP, unknown chunks, and what follows the end.
/// `None` when nothing says how large it is.
pub(super) fn clean(mut bytes: Vec<u8>) -> Option<(Size, Vec<u8>)> {
    let riff_len = le32(&bytes, 4)?;
    bytes.truncate(usize::try_from(riff_len).ok()?.saturating_add(FRAME_LEN));
    let len = bytes.len();
    let mut editor = Editor::new(bytes);
    editor.keep(HEADER_LEN);
    let (mut size, mut flags, mut turned) = (None::<Size>, None, false);
    while let Some((len, kind)) = chunk(editor.rest()) {
        let data = editor.rest().get(FRAME_LEN..).unwrap_or_default();
        // Its own, all of it or what there is.
        let data = data.get(..len - FRAME_LEN).unwrap_or(data);
        match &kind {
            b"VP8X" | b"VP8 " | b"VP8L" => {
                let this = size_of(&kind, data)?;
                size = Some(size.map_or(this, |other| other.or(this)));
                if kind == *b"VP8X" && flags.is_none() {
                    flags = Some((editor.written() + FRAME_LEN, *data.first()?));
                }
                editor.keep(len);
            }
            b"EXIF" => {
                let data = data.strip_prefix(b"Exif\0\0").unwrap_or(data);
                match exif::orientation(data) {
                    Some(orientation) if !turned => {
                        turned = true;
                        editor.replace(len, &only_turned(orientation));
                    }
                    _ => editor.drop(len),
                }
            }
            b"ALPH" | b"ANIM" | b"ANMF" | b"ICCP" => editor.keep(len),
            _ => editor.drop(len),
        }
    }
    if let Some((at, flags)) = flags {
        let exif = if turned { HAS_EXIF } else { 0 };
        editor.patch(at, &[flags & !HAS_XMP & !HAS_EXIF | exif]);
    }
    // Not what is there: a file that is cut off still says how long it was.
    let dropped = u32::try_from(len.saturating_sub(editor.written())).ok()?;
    editor.patch(4, &riff_len.saturating_sub(dropped).to_le_bytes());
    Some((size?, editor.finish()))
}

/// The whole length and the type of the chunk at the beginning; it may be cut off.
fn chunk(rest: &[u8]) -> Option<(usize, [u8; 4])> {
    let len = usize::try_from(le32(rest, 4)?).ok()?;
    let padded = len.saturating_add(len % 2);
    Some((padded.saturating_add(FRAME_LEN), bytes_at(rest, 0)?))
}

/// What the heading of a picture's data says.
fn size_of(kind: &[u8; 4], data: &[u8]) -> Option<Size> {
    match kind {
        b"VP8X" => Size::new(le24(data, 4)? + 1, le24(data, 7)? + 1),
        b"VP8L" => {
            let bits = le32(data, 1)?;
            let signed = data.first() == Some(&0x2f);
            Size::new((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1).filter(|_| signed)
        }
        // The two highest bits are a scale.
        _ => {
            let begins = bytes_at(data, 3)? == [0x9d, 0x01, 0x2a];
            let edge = |at| Some(u32::from(le16(data, at)? & 0x3fff));
            Size::new(edge(6)?, edge(8)?).filter(|_| begins)
        }
    }
}

fn only_turned(orientation: u8) -> Vec<u8> {
    let mut chunk = b"EXIF\x1a\0\0\0".to_vec();
    chunk.extend_from_slice(&exif::turned(orientation));
    chunk
}
