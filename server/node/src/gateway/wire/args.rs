//! Arguments on their way to and from `socketioxide`'s serialiser, which wants a tuple for several arguments
//! and bytes for attachments.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
    ser::{Error, SerializeMap, SerializeSeq, SerializeTuple},
};
use serde_json::{Map, Number, Value, value::RawValue};

use super::outbox::Payload;

/// Several JSON arguments.
pub(crate) struct JsonArgs<'a>(pub(crate) &'a [Value]);

impl Serialize for JsonArgs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        tuple(serializer, self.0)
    }
}

/// Several arguments serialised already.
pub(crate) struct RawArgs<'a>(pub(crate) &'a [Arc<RawValue>]);

impl Serialize for RawArgs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut args = serializer.serialize_tuple(self.0.len())?;
        for arg in self.0 {
            args.serialize_element(&**arg)?;
        }
        args.end()
    }
}

/// Several arguments, some binary.
pub(crate) struct BinaryArgs<'a>(pub(crate) &'a Payload);

impl Serialize for BinaryArgs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.attachments.is_empty() {
            return tuple(serializer, &self.0.args);
        }
        let mut args = serializer.serialize_tuple(self.0.args.len())?;
        for value in &self.0.args {
            args.serialize_element(&Node { value, attachments: &self.0.attachments })?;
        }
        args.end()
    }
}

fn tuple<S: Serializer>(serializer: S, values: &[Value]) -> Result<S::Ok, S::Error> {
    let mut args = serializer.serialize_tuple(values.len())?;
    for value in values {
        args.serialize_element(value)?;
    }
    args.end()
}

/// A value in which placeholders become bytes.
struct Node<'a> {
    value: &'a Value,
    attachments: &'a [Bytes],
}

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let attachments = self.attachments;
        match self.value {
            Value::Array(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for value in items {
                    list.serialize_element(&Node { value, attachments })?;
                }
                list.end()
            }
            Value::Object(object) => match placeholder(object) {
                Some(num) => {
                    let bytes = num.and_then(|num| attachments.get(num));
                    serializer.serialize_bytes(bytes.ok_or_else(|| S::Error::custom("no such attachment"))?)
                }
                None => {
                    let mut map = serializer.serialize_map(Some(object.len()))?;
                    for (name, value) in object {
                        map.serialize_entry(name, &Node { value, attachments })?;
                    }
                    map.end()
                }
            },
            value => value.serialize(serializer),
        }
    }
}

/// `Some` if the object stands for an attachment; inside, its number if it has a proper one.
fn placeholder(object: &Map<String, Value>) -> Option<Option<usize>> {
    (object.get("_placeholder") == Some(&Value::Bool(true)))
        .then(|| object.get("num").and_then(Value::as_u64).and_then(|num| usize::try_from(num).ok()))
}

/// Whether every placeholder in `values` has its attachment; the Node server closes a connection otherwise.
pub(crate) fn placeholders_are_sound(values: &[Value], attachments: usize) -> bool {
    values.iter().all(|value| match value {
        Value::Array(items) => placeholders_are_sound(items, attachments),
        Value::Object(object) => match placeholder(object) {
            Some(num) => num.is_some_and(|num| num < attachments),
            None => {
                object.values().all(|value| placeholders_are_sound(std::slice::from_ref(value), attachments))
            }
        },
        _ => true,
    })
}

/// All arguments of an acknowledgement.
#[derive(Debug)]
pub(crate) struct Reply(pub(crate) Payload);

impl<'de> Deserialize<'de> for Reply {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A tuple makes the parser hand over all arguments instead of the first.
        deserializer.deserialize_tuple(usize::MAX, ReplyVisitor)
    }
}

struct ReplyVisitor;

impl<'de> Visitor<'de> for ReplyVisitor {
    type Value = Reply;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of arguments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Reply, A::Error> {
        let mut payload = Payload::default();
        while let Some(part) = seq.next_element::<Part>()? {
            let value = part.flatten(&mut payload.attachments);
            payload.args.push(value);
        }
        Ok(Reply(payload))
    }
}

/// A value as the parser delivers it: attachments in their places.
enum Part {
    Leaf(Value),
    List(Vec<Part>),
    Object(Vec<(String, Part)>),
    Bytes(Vec<u8>),
}

impl Part {
    fn flatten(self, attachments: &mut Vec<Bytes>) -> Value {
        match self {
            Self::Leaf(value) => value,
            Self::List(parts) => parts.into_iter().map(|part| part.flatten(attachments)).collect(),
            Self::Object(fields) => Value::Object(
                fields.into_iter().map(|(name, part)| (name, part.flatten(attachments))).collect(),
            ),
            Self::Bytes(bytes) => {
                attachments.push(bytes.into());
                serde_json::json!({ "_placeholder": true, "num": attachments.len() - 1 })
            }
        }
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartVisitor)
    }
}

struct PartVisitor;

impl<'de> Visitor<'de> for PartVisitor {
    type Value = Part;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value or an attachment")
    }

    fn visit_unit<E>(self) -> Result<Part, E> {
        Ok(Part::Leaf(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Part, E> {
        Ok(Part::Leaf(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Part, E> {
        Ok(Part::Leaf(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Part, E> {
        Ok(Part::Leaf(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Part, E> {
        Ok(Part::Leaf(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Part, E> {
        Ok(Part::Leaf(value.into()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Part, E> {
        Ok(Part::Bytes(value.to_vec()))
    }

    fn visit_byte_buf<E>(self, value: Vec<u8>) -> Result<Part, E> {
        Ok(Part::Bytes(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Part, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = seq.next_element()? {
            parts.push(part);
        }
        Ok(Part::List(parts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Part::Object(fields))
    }
}
