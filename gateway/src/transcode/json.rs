//! A JSON body, read strictly: one object in UTF-8 and nothing after it. Keys that stand twice are noted at
//! every depth, and what cannot be read is blamed on the field it stands in. Nesting is bounded by the
//! parser, so that no body can exhaust the stack.

use std::{cell::RefCell, fmt};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use service_runtime::grpc::refusal::FieldError;

use crate::problem::{MOST_FIELD_ERRORS, Problem};

/// The object that a body is.
#[derive(Debug)]
pub struct Object {
    /// Its keys and values. Of a key that stands twice, the last value.
    pub members: Map<String, Value>,
    /// The keys that stand twice.
    pub twice: Vec<FieldError>,
}

/// Reads a body. An empty one is the empty object.
///
/// # Errors
/// 400 when it is not one JSON object.
pub fn object(body: &[u8]) -> Result<Object, Problem> {
    let notes = Notes::default();
    let value = match body.is_empty() {
        true => Value::Object(Map::new()),
        false => parse(body, &notes).map_err(|error| notes.blame(&error))?,
    };
    let Value::Object(members) = value else {
        return Err(not_json("The body must be a JSON object.".to_owned()));
    };
    Ok(Object {
        members,
        twice: notes.twice.into_inner(),
    })
}

fn parse(body: &[u8], notes: &Notes) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = Node {
        path: Path::Top,
        notes,
    }
    .deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

fn not_json(sentence: String) -> Problem {
    Problem::bad_request("INVALID_REQUEST", sentence)
}

/// What was noticed on the way.
#[derive(Default)]
struct Notes {
    twice: RefCell<Vec<FieldError>>,
    /// The innermost field that could not be read.
    broken: RefCell<Option<String>>,
}

impl Notes {
    fn blame(&self, error: &serde_json::Error) -> Problem {
        match self.broken.take() {
            Some(field) => Problem::field(field, format!("This field is not valid JSON: {error}.")),
            None => not_json(format!("The body is not valid JSON: {error}.")),
        }
    }
}

/// Where a value stands.
enum Path<'a> {
    Top,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Key(Path::Top, key) => formatter.write_str(shortened(key)),
            Self::Key(parent, key) => write!(formatter, "{parent}.{}", shortened(key)),
            Self::Index(parent, index) => write!(formatter, "{parent}[{index}]"),
        }
    }
}

/// A key as far as an answer repeats it.
pub fn shortened(key: &str) -> &str {
    let end = key.char_indices().nth(100).map_or(key.len(), |(end, _)| end);
    &key[..end]
}

/// A value to read, and where it stands.
struct Node<'a> {
    path: Path<'a>,
    notes: &'a Notes,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let item = Node {
                path: Path::Index(&self.path, list.len()),
                notes: self.notes,
            };
            match items.next_element_seed(item)? {
                Some(value) => list.push(value),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let path = Path::Key(&self.path, &key);
            let mut twice = self.notes.twice.borrow_mut();
            if map.contains_key(&key) && twice.len() < MOST_FIELD_ERRORS {
                twice.push(FieldError::new(path.to_string(), "This field is given twice."));
            }
            drop(twice);
            let place = Node {
                path: Path::Key(&self.path, &key),
                notes: self.notes,
            };
            let value = members.next_value_seed(place).inspect_err(|_| {
                self.notes
                    .broken
                    .borrow_mut()
                    .get_or_insert_with(|| path.to_string());
            })?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(body: &str) -> Problem {
        object(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_body_is_one_object() {
        assert!(object(b"").unwrap().members.is_empty());
        assert!(object(b" {} ").unwrap().members.is_empty());
        for bad in [
            "null",
            "[]",
            "1",
            "\"{}\"",
            "{",
            "{}{}",
            "{} x",
            "{\"a\":1,}",
            "\u{feff}{}",
            "{'a':1}",
        ] {
            assert!(refusal(bad).errors.is_empty(), "{bad}");
        }
    }

    #[test]
    fn what_stands_twice_is_named_at_every_depth() {
        let object = object(br#"{"a":1,"b":{"c":[{"d":1,"d":2}]},"a":2}"#).unwrap();
        let named: Vec<_> = object.twice.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(named, ["b.c[0].d", "a"]);
    }

    #[test]
    fn what_cannot_be_read_is_blamed_on_its_field() {
        for (body, field) in [
            (r#"{"a":{"b":1e999}}"#, "a.b"),
            (r#"{"a":"\ud800"}"#, "a"),
            ("{\"a\":\"\u{1}\"}", "a"),
            (r#"{"a":tru}"#, "a"),
        ] {
            assert_eq!(refusal(body).errors[0].field, field, "{body}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn deep_nesting_is_refused_without_exhausting_the_stack() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let body = format!("{{\"a\":{}0{}}}", open.repeat(100_000), close.repeat(100_000));
            assert_eq!(refusal(&body).status, 400);
            assert_eq!(refusal(&format!("{{\"a\":{}", open.repeat(100_000))).status, 400);
        }
    }

    /// A reader of any value, which a library gives, would look into what they hold.
    #[test]
    fn the_names_that_a_library_keeps_for_itself_are_names_like_others() {
        for name in ["RawValue", "Number"] {
            let name = format!("$serde_json::private::{name}");
            let object = object(format!(r#"{{"{name}":"{{\"a\":1}}"}}"#).as_bytes()).unwrap();
            assert_eq!(object.members[&name], r#"{"a":1}"#);
        }
    }

    #[test]
    fn a_long_key_is_not_repeated_in_full() {
        let key = "é".repeat(10_000);
        let object = object(format!("{{\"{key}\":1,\"{key}\":2}}").as_bytes()).unwrap();
        assert_eq!(object.twice[0].field.chars().count(), 100);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
                prop::collection::hash_map(any::<String>(), inner, 0..8)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = object(&body);
        }

        #[test]
        fn any_broken_json_is_read_or_refused(value in any_json(), cut in 0_usize..400, flip in any::<u8>()) {
            let mut body = value.to_string().into_bytes();
            body.truncate(cut.max(1));
            let last = body.len() - 1;
            body[last] ^= flip;
            let _ = object(&body);
        }

        #[test]
        fn an_object_is_read_as_it_was_written(
            members in prop::collection::hash_map(any::<String>(), any_json(), 0..8),
        ) {
            let written = Value::Object(members.into_iter().collect());
            let read = object(written.to_string().as_bytes()).unwrap();
            prop_assert!(read.twice.is_empty());
            prop_assert_eq!(Value::Object(read.members), written);
        }
    }
}
