//! `data:` URLs (RFC 2397) as browsers read them (WHATWG Fetch, "data: URL processor"; Infra, "forgiving-base64 decode").

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Without padding, which is counted here; bits that are left over do not matter.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    Malformed,
    TooLarge,
}

/// The bytes in a base64 data URL, whatever type it says they have.
///
/// White space anywhere in base64 is skipped, padding may be missing, characters may be escaped (`%2B`). Takes memory for
/// the bytes it gives, at most `bytes_max` and a few thousand, and reads no further.
pub(super) fn decode(url: &str, bytes_max: usize) -> Result<Vec<u8>, Unread> {
    let url = url.trim_start_matches(|c: char| c <= ' ');
    let (scheme, rest) = url.split_at_checked(5).ok_or(Unread::Malformed)?;
    let (header, data) = rest.split_once(',').ok_or(Unread::Malformed)?;
    let (_, encoding) = header.rsplit_once(';').ok_or(Unread::Malformed)?;
    if !scheme.eq_ignore_ascii_case("data:") || !encoding.trim().eq_ignore_ascii_case("base64") {
        return Err(Unread::Malformed);
    }
    let mut bytes = Vec::with_capacity(bytes_max.min(data.len() / 4 * 3).saturating_add(CHUNK_LEN));
    let (mut rest, mut chars, mut padding) = (Unescaped(data.as_bytes()), 0usize, 0usize);
    let mut chunk = [0; CHUNK_LEN];
    loop {
        // As nearly all come: nothing but base64.
        if padding == 0
            && let Some((plain, behind)) = rest.0.split_at_checked(CHUNK_LEN)
            && decode_onto(&mut bytes, plain).is_ok()
        {
            rest.0 = behind;
            chars += CHUNK_LEN;
        } else {
            let mut chunk_len = 0;
            while chunk_len < CHUNK_LEN {
                match rest.next() {
                    None => break,
                    Some(b'\t' | b'\n' | b'\x0c' | b'\r' | b' ') => {}
                    Some(b'=') => padding += 1,
                    Some(_) if padding > 0 => return Err(Unread::Malformed),
                    Some(byte) => {
                        if let Some(place) = chunk.get_mut(chunk_len) {
                            *place = byte;
                        }
                        chunk_len += 1;
                    }
                }
            }
            chars += chunk_len;
            decode_onto(&mut bytes, chunk.get(..chunk_len).unwrap_or_default())?;
        }
        if bytes.len() > bytes_max {
            return Err(Unread::TooLarge);
        }
        if rest.0.is_empty() {
            break;
        }
    }
    if padding > 2 || (padding > 0 && !(chars + padding).is_multiple_of(4)) {
        return Err(Unread::Malformed);
    }
    Ok(bytes)
}

/// Characters decoded at a time: whole groups of four, so that a chunk is decoded by itself.
const CHUNK_LEN: usize = 4_096;

/// What is no base64 leaves the bytes as they were.
fn decode_onto(bytes: &mut Vec<u8>, base64: &[u8]) -> Result<(), Unread> {
    let len = bytes.len();
    BASE64.decode_vec(base64, bytes).map_err(|_| {
        bytes.truncate(len);
        Unread::Malformed
    })
}

/// Percent-decodes. A `%` without two hexadecimal digits stands for itself.
struct Unescaped<'a>(&'a [u8]);

impl Iterator for Unescaped<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        if byte == b'%'
            && let [high, low, rest @ ..] = rest
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            self.0 = rest;
            return Some(high << 4 | low);
        }
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
    use proptest::prelude::*;

    #[test]
    fn base64_comes_as_mail_programs_pages_and_phones_write_it() {
        for url in [
            "data:image/png;base64,AAEC+/8=",
            "data:image/png;base64, AAEC+/8=",
            "data:image/png;base64,\r\nAAEC\r\n+/8=\r\n",
            "data:image/png;base64,AA\tEC +/8 = ",
            "data:image/png;base64,AAEC+/8",
            "data:image/png;base64,AAEC%2B%2F8%3D",
            "data:image/png;base64,AAEC%2b/8%3d%0A",
            "data:image/png;charset=utf-8;base64,AAEC+/8=",
            "data:image/png;name=ab.png;base64,AAEC+/8=",
            "DATA:IMAGE/PNG;BASE64,AAEC+/8=",
            "data:image/png; base64,AAEC+/8=",
            "data:;base64,AAEC+/8=",
            " \n data:image/png;base64,AAEC+/8=",
            // Bits beyond the last byte.
            "data:image/png;base64,AAEC+/9=",
        ] {
            assert_eq!(decode(url, 5).as_deref(), Ok(&[0, 1, 2, 251, 255][..]), "{url:?}");
            assert_eq!(decode(url, 4), Err(Unread::TooLarge), "{url:?}");
        }
    }

    #[test]
    fn what_is_no_base64_data_url_is_malformed() {
        for url in [
            "",
            "data:",
            "data:,AAEC",
            "data:image/png,AAEC",
            "data:base64,AAEC",
            "data:image/png;base64",
            "data:image/png;base64,A",
            "data:image/png;base64,AAECA",
            "data:image/png;base64,AA=C",
            "data:image/png;base64,AA=",
            "data:image/png;base64,AAEC=",
            "data:image/png;base64,A===",
            "data:image/png;base64,AAEC-_8=",
            "data:image/png;base64,AA%EC",
            "data:image/png;base64,AA%",
            "data:image/png;base64,AA\u{a0}EC",
            "datä:image/png;base64,AAEC",
            "blob:https://example.org/1,;base64,AAEC",
            "https://example.org/;base64,AAEC",
        ] {
            assert_eq!(decode(url, 100), Err(Unread::Malformed), "{url:?}");
        }
        assert_eq!(decode("data:image/png;base64,", 100), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn any_bytes_come_back_however_the_lines_are_broken(
            bytes in prop::collection::vec(any::<u8>(), 0..20_000),
            breaks in prop::collection::vec((1..200usize, "[ \t\r\n\x0c]{1,3}"), 0..20),
            padded in any::<bool>(),
        ) {
            let text = if padded { STANDARD.encode(&bytes) } else { STANDARD_NO_PAD.encode(&bytes) };
            let (mut url, mut rest) = ("data:image/png;base64,".to_owned(), text.as_str());
            for (len, space) in breaks {
                let (line, next) = rest.split_at(len.min(rest.len()));
                url.push_str(line);
                url.push_str(&space);
                rest = next;
            }
            url.push_str(rest);
            prop_assert_eq!(decode(&url, bytes.len()), Ok(bytes.clone()));
            if !bytes.is_empty() {
                prop_assert_eq!(decode(&url, bytes.len() - 1), Err(Unread::TooLarge));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(data:)?(image/png)?(;base64)?,?[ -~\n\u{e9}]{0,80}") {
            let _ = decode(&text, 40);
        }
    }
}
