//! Of EXIF data, which way up the picture is: without it, most phones' photos would lie on their side.

use super::editor::bytes_at;

/// A TIFF file with nothing but an orientation.
pub(super) const TURNED_LEN: usize = 26;

const ORIENTATION: u16 = 0x0112;
const SHORT: u16 = 3;

/// The orientation in EXIF data (TIFF, without a heading), if it says anything but "as it is".
pub(super) fn orientation(tiff: &[u8]) -> Option<u8> {
    let little = match bytes_at(tiff, 0)? {
        [b'I', b'I', 42, 0] => true,
        [b'M', b'M', 0, 42] => false,
        _ => return None,
    };
    let short = |at| {
        let bytes = bytes_at(tiff, at)?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let long = |at| {
        let bytes = bytes_at(tiff, at)?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let first = usize::try_from(long(4)?).ok()?;
    let count = short(first)?;
    for nth in 0..usize::from(count) {
        let entry = first.checked_add(2 + nth * 12)?;
        if short(entry)? == ORIENTATION {
            let value = short(entry.checked_add(8)?)?;
            let said = short(entry + 2)? == SHORT && (2..=8).contains(&value);
            return u8::try_from(value).ok().filter(|_| said);
        }
    }
    None
}

/// EXIF data that says only this.
pub(super) fn turned(orientation: u8) -> [u8; TURNED_LEN] {
    let mut tiff = *b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0";
    tiff[19] = orientation;
    tiff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orientation_is_found_in_either_byte_order() {
        for way in 2..=8 {
            assert_eq!(orientation(&turned(way)), Some(way));
        }
        let little =
            b"II*\0\x08\0\0\0\x02\0\x0f\x01\x02\0\x04\0\0\0abc\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        assert_eq!(orientation(little), Some(6));
    }

    #[test]
    fn what_says_nothing_is_none() {
        for way in [0, 1, 9, 255] {
            assert_eq!(orientation(&turned(way)), None);
        }
        assert_eq!(orientation(b""), None);
        assert_eq!(orientation(b"MM\0*\xff\xff\xff\xff"), None);
        assert_eq!(orientation(&turned(6)[..18]), None);
    }
}
