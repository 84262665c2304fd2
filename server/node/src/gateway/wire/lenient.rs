//! Arguments that are JSON but no [`Value`]: half a surrogate pair (a browser cuts a text in the middle of an
//! emoji), a number out of range, nesting beyond 128 levels. None is worth a connection.

use serde_json::{Value, value::RawValue};

/// Parses a list of arguments. Half surrogate pairs become U+FFFD; an argument that cannot be held at all
/// becomes `null`, for the application to refuse. `None`: not a JSON list.
pub(crate) fn parse_list(text: &str) -> Option<Vec<Value>> {
    serde_json::from_str(text).ok().or_else(|| {
        let raw: Vec<&RawValue> = serde_json::from_str(text).ok()?;
        Some(raw.into_iter().map(|one| parse(one.get())).collect())
    })
}

/// Parses a string, half surrogate pairs replaced as above.
pub(crate) fn parse_string(text: &str) -> Option<String> {
    serde_json::from_str(text).or_else(|_| serde_json::from_str(&mend_surrogates(text))).ok()
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).or_else(|_| serde_json::from_str(&mend_surrogates(text))).unwrap_or_default()
}

/// Replaces escapes of half surrogate pairs.
fn mend_surrogates(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let taken = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => &escape[..12],
            (Some(0xd800..=0xdfff), _) => {
                mended.push_str("\\ufffd");
                rest = &escape[6..];
                continue;
            }
            // The escaped character, too: it may be a backslash.
            _ => &escape[..1 + escape[1..].chars().next().map_or(0, char::len_utf8)],
        };
        mended.push_str(taken);
        rest = &escape[taken.len()..];
    }
    mended + rest
}

/// The code unit of a `\uXXXX` escape at the start.
fn unit(escape: &str) -> Option<u16> {
    u16::from_str_radix(escape.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn half_pairs_are_replaced_and_whole_ones_kept() {
        let parsed = parse_list(r#"["m","a\ud83d","\ude00b","\ud83d\ude00","\\ud83d",{"k\udfff":1}]"#);
        let expected = json!(["m", "a\u{fffd}", "\u{fffd}b", "😀", "\\ud83d", {"k\u{fffd}": 1}]);
        assert_eq!(parsed.map(Value::from), Some(expected));
    }

    #[test]
    fn what_cannot_be_held_is_null() {
        let deep = format!("[\"m\",{}{},1e999,2]", "[".repeat(500), "]".repeat(500));
        assert_eq!(parse_list(&deep).map(Value::from), Some(json!(["m", null, null, 2])));
        assert_eq!(parse_list("[\"m\"]x"), None);
        assert_eq!(parse_list("{}"), None);
    }

    proptest! {
        #[test]
        fn any_string_of_escapes_can_be_read(
            parts in proptest::collection::vec(prop_oneof!["\\\\u[dD][89abcdefAC-F][0-9a-f]{2}", "[a-zé😀]", r"\\\\", r"\\n"], 0..12)
        ) {
            let text = format!("[\"{}\"]", parts.concat());
            let parsed = parse_list(&text).expect("a list");
            prop_assert!(parsed[0].is_string(), "{}", text);
        }

        #[test]
        fn any_text_is_read_without_panic(text in r#"\PC{0,80}|[\[\]{}",:\\ud83e0-9]{0,80}"#) {
            let _ = parse_list(&text);
            mend_surrogates(&text);
        }
    }
}
