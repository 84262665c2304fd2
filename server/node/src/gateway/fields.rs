//! The fields of a JSON object that somebody knows: the rest is passed over without being built, so that reading an
//! object costs no more than a small multiple of its bytes, however deep it is nested or whatever its numbers are.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};
use sockeye_core::ChatError;

use super::wire::parse_string;

/// What is under a known key.
#[derive(Clone, PartialEq, Eq)]
pub enum Field<'a> {
    Text(Cow<'a, str>),
    Null,
    /// No text: `boolean`, `number`, `array` or `object`. (An object where a text belongs is an operator injection.)
    Other(&'static str),
}

/// The known fields of an object; of a key that comes twice, the last.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fields<'a>(Vec<(&'static str, Field<'a>)>);

/// Why a text is no object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoObject {
    /// It is JSON, but a list, a text, a number...
    OtherJson,
    /// It is no JSON.
    Malformed,
}

impl<'a> Fields<'a> {
    /// Reads `known` keys of a JSON text. Half surrogate pairs become U+FFFD (a browser cuts a text in the middle of an
    /// emoji).
    ///
    /// # Errors
    /// When the text is no JSON object.
    pub fn read(json: &'a str, known: &[&'static str]) -> Result<Self, NoObject> {
        let mut reader = serde_json::Deserializer::from_str(json);
        let fields = reader.deserialize_map(Known(known)).and_then(|fields| reader.end().map(|()| fields));
        fields.map_err(|_| match serde_json::from_str::<IgnoredAny>(json) {
            Ok(_) if !json.trim_start().starts_with('{') => NoObject::OtherJson,
            _ => NoObject::Malformed,
        })
    }

    /// The same of an object that was built already.
    pub fn of(object: &'a Map<String, Value>, known: &[&'static str]) -> Self {
        Self(known.iter().filter_map(|&key| object.get(key).map(|value| (key, Field::of(value)))).collect())
    }

    pub fn get(&self, key: &str) -> Option<&Field<'a>> {
        self.0.iter().find(|(known, _)| *known == key).map(|(_, field)| field)
    }

    /// The text under `key`; `None` when it is absent or no text.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Field::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The text under `key`, which may be absent or `null`.
    ///
    /// # Errors
    /// `Invalid` with code `field_no_text` when something else is there.
    pub fn optional_text(&self, key: &str) -> Result<Option<&str>, ChatError> {
        match self.get(key) {
            None | Some(Field::Null) => Ok(None),
            Some(Field::Text(text)) => Ok(Some(text)),
            Some(Field::Other(_)) => {
                Err(ChatError::invalid("field_no_text", format!("`{key}` must be a text")))
            }
        }
    }
}

/// Without the text: passwords are among them.
impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "text",
            Self::Null => "null",
            Self::Other(kind) => kind,
        })
    }
}

impl<'a> Field<'a> {
    fn of(value: &'a Value) -> Self {
        match value {
            Value::String(text) => Self::Text(Cow::Borrowed(text)),
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Other("boolean"),
            Value::Number(_) => Self::Other("number"),
            Value::Array(_) => Self::Other("array"),
            Value::Object(_) => Self::Other("object"),
        }
    }

    /// `None` for a text that cannot be read.
    fn read(json: &'a str) -> Option<Self> {
        Some(match json.as_bytes().first()? {
            b'"' => {
                let plain = json.get(1..json.len() - 1).filter(|text| !text.contains('\\'));
                Self::Text(match plain {
                    Some(text) => Cow::Borrowed(text),
                    None => Cow::Owned(parse_string(json)?),
                })
            }
            b'n' => Self::Null,
            b't' | b'f' => Self::Other("boolean"),
            b'[' => Self::Other("array"),
            b'{' => Self::Other("object"),
            _ => Self::Other("number"),
        })
    }
}

/// Builds [`Fields`] of these keys.
struct Known<'k>(&'k [&'static str]);

impl<'de> Visitor<'de> for Known<'_> {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields: Vec<(&'static str, Field<'de>)> = Vec::with_capacity(self.0.len());
        while let Some(key) = map.next_key_seed(Key(self.0))? {
            let Some(key) = key else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let json = map.next_value::<&RawValue>()?.get();
            let field = Field::read(json).ok_or_else(|| serde::de::Error::custom("a text that is none"))?;
            match fields.iter_mut().find(|(known, _)| *known == key) {
                Some((_, earlier)) => *earlier = field,
                None => fields.push((key, field)),
            }
        }
        Ok(Fields(fields))
    }
}

/// Finds a key among the known ones. As bytes: one with half a surrogate pair is no reason to refuse the object.
struct Key<'k>(&'k [&'static str]);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|known| known.as_bytes() == key).copied())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const KNOWN: &[&str] = &["a", "b"];

    fn read(json: &str) -> Vec<(&'static str, Field<'_>)> {
        Fields::read(json, KNOWN).expect("an object").0
    }

    fn text(text: &str) -> Field<'_> {
        Field::Text(text.into())
    }

    #[test]
    fn known_keys_are_read_and_others_passed_over() {
        assert_eq!(
            read(r#" {"x":[{}],"a":"1","y":{"a":2},"b":null} "#),
            [("a", text("1")), ("b", Field::Null)]
        );
        assert_eq!(read(r#"{"\u0061":"\u00e9\n"}"#), [("a", text("é\n"))]);
        assert_eq!(read("{}"), []);
        for (json, kind) in
            [("true", "boolean"), ("-1.5e300", "number"), ("[\"x\"]", "array"), (r#"{"$gt":""}"#, "object")]
        {
            assert_eq!(read(&format!(r#"{{"a":{json}}}"#)), [("a", Field::Other(kind))]);
        }
    }

    #[test]
    fn of_a_key_that_comes_twice_the_last_counts() {
        assert_eq!(read(r#"{"a":"1","b":"2","a":7}"#), [("a", Field::Other("number")), ("b", text("2"))]);
    }

    #[test]
    fn half_an_emoji_is_replaced_wherever_it_is() {
        assert_eq!(
            read(r#"{"a":"cut \ud83d","\ud83d":1,"b":"\ude00\ud83d\ude00"}"#),
            [("a", text("cut \u{fffd}")), ("b", text("\u{fffd}😀"))]
        );
    }

    #[test]
    fn what_nobody_reads_may_be_as_deep_and_as_large_as_it_likes() {
        let deep = format!(r#"{{"x":{}1e400{},"a":"1"}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(read(&deep), [("a", text("1"))]);
        let number = format!(r#"{{"a":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
        assert_eq!(read(&number), [("a", Field::Other("array"))]);
    }

    #[test]
    fn what_is_no_object_says_what_it_is() {
        let why = |json| Fields::read(json, KNOWN).expect_err("no object");
        for json in ["[]", "null", "7", "\"text\"", " [1] "] {
            assert_eq!(why(json), NoObject::OtherJson, "{json}");
        }
        for json in [
            "",
            "   ",
            "{",
            "{}{}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":\"\n\"}",
            "{a:1}",
            "{\"a\":tru}",
            "[",
            "x",
        ] {
            assert_eq!(why(json), NoObject::Malformed, "{json}");
        }
    }

    #[test]
    fn values_stay_out_of_debug_output() {
        let fields = Fields::read(r#"{"a":"secret"}"#, KNOWN).expect("an object");
        assert!(!format!("{fields:?}").contains("secret"));
    }

    proptest! {
        #[test]
        fn an_object_is_read_as_it_was_built(a in any::<String>(), b in -1000i64..1000, other in any::<String>()) {
            let value = json!({ "a": a, "b": b, "other": other });
            let object = value.as_object().expect("an object");
            let json = value.to_string();
            let read = Fields::read(&json, KNOWN).expect("an object");
            prop_assert!(read == Fields::of(object, KNOWN));
        }

        #[test]
        fn any_text_is_read_or_refused(json in r#"\PC{0,80}|[\[\]{}",:\\ud83e0-9ab]{0,80}"#) {
            let _ = Fields::read(&json, KNOWN);
        }
    }
}
