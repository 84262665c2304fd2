//! Arguments that are JSON but no [`Value`]: half a surrogate pair (a browser cuts a text in the middle of an
//! emoji), a number out of range, nesting beyond 128 levels. None is worth a connection.

use std::collections::BTreeMap;

use serde_json::{Map, Value, value::RawValue};

/// An argument that cannot be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Lists and objects nested in more than 127 others.
    TooDeep,
    /// A number out of range.
    OutOfRange,
}

/// Levels of lists and objects that can be held.
const DEPTH_MAX: usize = 127;

/// Parses a list of arguments. Half surrogate pairs become U+FFFD; an argument that cannot be held at all
/// becomes `null`, and the list malformed, for the application to refuse. `None`: not a JSON list.
pub(crate) fn parse_list(text: &str) -> Option<(Vec<Value>, Option<Malformed>)> {
    if let Ok(list) = serde_json::from_str(text) {
        return Some((list, None));
    }
    let raw: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    let mut malformed = None;
    let list = raw.into_iter().map(|one| {
        parse(one.get()).unwrap_or_else(|why| {
            malformed = Some(why);
            Value::Null
        })
    });
    Some((list.collect(), malformed))
}

/// Bytes of an object whose lists and objects are built: they cost a hundred times their bytes.
const DEEP_BYTES_MAX: usize = 4 * 1024;

/// Parses an object; what cannot be held becomes `null`, and so do lists and objects in a large one. `None`: not an object.
pub(crate) fn parse_flat(text: &str) -> Option<Map<String, Value>> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    let is_large = text.len() > DEEP_BYTES_MAX;
    let flat = |json: &str| match json.as_bytes().first() {
        Some(b'[' | b'{') if is_large => Value::Null,
        _ => parse(json).unwrap_or_default(),
    };
    Some(fields.into_iter().map(|(key, value)| (key, flat(value.get()))).collect())
}

/// Parses a string, half surrogate pairs replaced as above.
pub(crate) fn parse_string(text: &str) -> Option<String> {
    serde_json::from_str(text).or_else(|_| serde_json::from_str(&mend_surrogates(text))).ok()
}

fn parse(text: &str) -> Result<Value, Malformed> {
    serde_json::from_str(text)
        .or_else(|_| serde_json::from_str(&mend_surrogates(text)))
        .map_err(|_| if depth(text) > DEPTH_MAX { Malformed::TooDeep } else { Malformed::OutOfRange })
}

/// How many lists and objects of a JSON text are open at once at most.
fn depth(text: &str) -> usize {
    let (mut open, mut most) = (0usize, 0);
    let mut bytes = text.bytes();
    let mut in_string = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' => drop(bytes.next()),
            _ if in_string => {}
            b'[' | b'{' => {
                open += 1;
                most = most.max(open);
            }
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    most
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
        let (list, malformed) = parsed.expect("a list");
        assert_eq!((Value::from(list), malformed), (expected, None));
    }

    #[test]
    fn what_cannot_be_held_is_null_and_says_why() {
        let nested = |depth: usize| format!("{}\"[\\\"[\"{}", "[".repeat(depth), "]".repeat(depth));
        let malformed = |args: &str| parse_list(&format!("[\"m\",{args}]")).expect("a list").1;
        assert_eq!(malformed(&nested(DEPTH_MAX)), None);
        for depth in [DEPTH_MAX + 1, 100_000] {
            assert_eq!(malformed(&nested(depth)), Some(Malformed::TooDeep));
        }
        assert_eq!(malformed("1e999"), Some(Malformed::OutOfRange));
        let (list, _) = parse_list("[\"m\",1e999,2]").expect("a list");
        assert_eq!(list, [json!("m"), json!(null), json!(2)]);
        assert_eq!(parse_list("[\"m\"]x"), None);
        assert_eq!(parse_list("{}"), None);
    }

    #[test]
    fn a_large_object_has_nothing_nested() {
        let small = r#"{"token":"a\ud83d","n":1,"deep":[[1]],"o":{"a":1},"far":1e999,"no":null"#;
        let flat = parse_flat(&format!("{small}}}"));
        let expected =
            json!({ "token": "a\u{fffd}", "n": 1, "deep": [[1]], "o": { "a": 1 }, "far": null, "no": null });
        assert_eq!(flat.map(Value::Object), Some(expected));
        let large = "x".repeat(DEEP_BYTES_MAX);
        let flat = parse_flat(&format!("{small},\"large\":\"{large}\"}}"));
        let expected = json!({
            "token": "a\u{fffd}", "n": 1, "deep": null, "o": null, "far": null, "no": null, "large": large
        });
        assert_eq!(flat.map(Value::Object), Some(expected));
        for other in ["[]", "1", "\"x\"", "null", "{", "{}x", ""] {
            assert_eq!(parse_flat(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_string_of_escapes_can_be_read(
            parts in proptest::collection::vec(prop_oneof!["\\\\u[dD][89abcdefAC-F][0-9a-f]{2}", "[a-zé😀]", r"\\\\", r"\\n"], 0..12)
        ) {
            let text = format!("[\"{}\"]", parts.concat());
            let (list, malformed) = parse_list(&text).expect("a list");
            prop_assert!(list[0].is_string() && malformed.is_none(), "{}", text);
        }

        #[test]
        fn any_text_is_read_without_panic(text in r#"\PC{0,80}|[\[\]{}",:\\ud83e0-9]{0,80}"#) {
            let _ = parse_list(&text);
            mend_surrogates(&text);
        }
    }
}
