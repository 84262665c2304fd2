//! PNG and APNG (W3C PNG, third edition): chunks, each `length type data CRC`.

use super::{
    Size,
    editor::{Editor, be32, bytes_at},
    exif,
};

const SIGNATURE_LEN: usize = 8;
/// Length, type and CRC.
const FRAME_LEN: usize = 12;

/// Chunks that change how the picture looks, and frames of animations.
const KEPT: [&[u8; 4]; 22] = [
    b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"acTL", b"fcTL", b"fdAT", b"cHRM", b"gAMA", b"iCCP", b"sBIT",
    b"sRGB", b"cICP", b"mDCV", b"mDCv", b"cLLI", b"cLLi", b"bKGD", b"hIST", b"pHYs", b"sPLT", b"IEND",
];

/// Keeps what is needed to show the picture, colour profile and orientation included. Drops texts, times, EXIF, unknown
/// chunks, and what follows the end. `None` when it does not begin with its size.
pub(super) fn clean(bytes: Vec<u8>) -> Option<(Size, Vec<u8>)> {
    let header = bytes.get(SIGNATURE_LEN..)?;
    if be32(header, 0)? != 13 || bytes_at(header, 4)? != *b"IHDR" {
        return None;
    }
    let size = Size::new(be32(header, 8)?, be32(header, 12)?)?;
    let mut editor = Editor::new(bytes);
    editor.keep(SIGNATURE_LEN);
    while let Some((len, kind)) = chunk(editor.rest()) {
        match &kind {
            b"IEND" => {
                editor.keep(len);
                break;
            }
            b"eXIf" => {
                let data = editor.rest().get(8..len.saturating_sub(4)).unwrap_or_default();
                match exif::orientation(data) {
                    Some(orientation) => editor.replace(len, &only_turned(orientation)),
                    None => editor.drop(len),
                }
            }
            kind if KEPT.contains(&kind) => editor.keep(len),
            _ => editor.drop(len),
        }
    }
    Some((size, editor.finish()))
}

/// The whole length and the type of the chunk at the beginning; it may be cut off.
fn chunk(rest: &[u8]) -> Option<(usize, [u8; 4])> {
    let len = usize::try_from(be32(rest, 0)?).ok()?;
    Some((len.saturating_add(FRAME_LEN), bytes_at(rest, 4)?))
}

fn only_turned(orientation: u8) -> Vec<u8> {
    let mut chunk = b"\0\0\0\x1aeXIf".to_vec();
    chunk.extend_from_slice(&exif::turned(orientation));
    let crc = crc(chunk.get(4..).unwrap_or_default());
    chunk.extend_from_slice(&crc.to_be_bytes());
    chunk
}

/// CRC-32 as PNG has it, bit by bit: it is for 30 bytes.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_png() {
        assert_eq!(crc(b"IEND"), 0xae42_6082);
    }
}
