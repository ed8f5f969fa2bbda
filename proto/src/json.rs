//! What the derived JSON cannot say by itself: timestamps as RFC 3339 and enumerations as lower-case words.

use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A point in time as RFC 3339 in UTC with microseconds, `null` when absent.
pub mod timestamp {
    use chrono::{DateTime, SecondsFormat, Utc};
    use prost_types::Timestamp;
    use serde::ser::Error as _;

    use super::*;

    /// Writes it.
    ///
    /// # Errors
    /// When the instant is outside the years RFC 3339 can say.
    pub fn serialize<S: Serializer>(value: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(value) = value else {
            return serializer.serialize_none();
        };
        let nanos = u32::try_from(value.nanos).map_err(S::Error::custom)?;
        let instant = DateTime::<Utc>::from_timestamp(value.seconds, nanos)
            .ok_or_else(|| S::Error::custom("a timestamp is out of range"))?;
        serializer.serialize_str(&instant.to_rfc3339_opts(SecondsFormat::Micros, true))
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it is not RFC 3339.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else {
            return Ok(None);
        };
        let instant = DateTime::parse_from_rfc3339(&text).map_err(D::Error::custom)?;
        Ok(Some(Timestamp {
            seconds: instant.timestamp(),
            nanos: i32::try_from(instant.timestamp_subsec_nanos()).map_err(D::Error::custom)?,
        }))
    }
}

/// An enumeration as a lower-case word: `COLOR_MODE_LIGHT` is `light`; the unspecified value is `null`.
#[derive(Debug)]
pub struct Word<E>(PhantomData<E>);

/// An enumeration of the contract.
pub trait Words: TryFrom<i32> + Sized {
    /// The word of each value but the unspecified one.
    const WORDS: &'static [(i32, &'static str)];
}

impl<E: Words> Word<E> {
    /// Writes the word.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &i32, serializer: S) -> Result<S::Ok, S::Error> {
        let word = E::WORDS
            .iter()
            .find(|(number, _)| number == value)
            .map(|(_, word)| *word);
        word.serialize(serializer)
    }

    /// Reads the word.
    ///
    /// # Errors
    /// When it is none of the words.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else {
            return Ok(0);
        };
        let found = E::WORDS
            .iter()
            .find(|(_, word)| *word == text)
            .map(|(number, _)| *number);
        found.ok_or_else(|| D::Error::custom("not one of the words"))
    }
}

include!(concat!(env!("OUT_DIR"), "/words.rs"));
