//! GIF89a: blocks, each with data in sub-blocks of up to 255 bytes.

use super::{
    Size,
    editor::{Editor, le16},
};

const HEADER_LEN: usize = 13;
const DESCRIPTOR_LEN: usize = 10;

/// Keeps frames, their times, and how often they are repeated. Drops comments, plain texts, other applications' data (XMP),
/// and what follows the end. `None` when the header is cut off or it has no size.
pub(super) fn clean(bytes: Vec<u8>) -> Option<(Size, Vec<u8>)> {
    let (mut width, mut height) = (u32::from(le16(&bytes, 6)?), u32::from(le16(&bytes, 8)?));
    let header_len = HEADER_LEN + colours_len(*bytes.get(10)?);
    bytes.get(..header_len)?;
    let mut editor = Editor::new(bytes);
    editor.keep(header_len);
    loop {
        let rest = editor.rest();
        match rest {
            // A frame; one that reaches beyond the canvas makes that larger.
            [0x2c, ..] => {
                let edge = |start, len| Some(u32::from(le16(rest, start)?) + u32::from(le16(rest, len)?));
                let (Some(right), Some(bottom), Some(&flags)) = (edge(1, 5), edge(3, 7), rest.get(9)) else {
                    break;
                };
                (width, height) = (width.max(right), height.max(bottom));
                // The colours, and a byte: with how many bits codes begin.
                let data = DESCRIPTOR_LEN + colours_len(flags) + 1;
                let len = data + sub_blocks_len(rest.get(data..).unwrap_or_default());
                editor.keep(len);
            }
            [0x21, label, data @ ..] => {
                let kept = match label {
                    // How long a frame stays.
                    0xf9 => true,
                    0xff => [b"\x0bNETSCAPE2.0", b"\x0bANIMEXTS1.0"].iter().any(|&app| data.starts_with(app)),
                    _ => false,
                };
                let len = 2 + sub_blocks_len(data);
                if kept { editor.keep(len) } else { editor.drop(len) }
            }
            [0x3b, ..] => {
                editor.keep(1);
                break;
            }
            _ => break,
        }
    }
    Some((Size::new(width, height)?, editor.finish()))
}

/// Bytes of the table of colours that these flags announce.
fn colours_len(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Up to and with the empty sub-block, or the end.
fn sub_blocks_len(data: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&len) = data.get(at) {
        at += 1 + usize::from(len);
        if len == 0 {
            return at;
        }
    }
    data.len()
}
