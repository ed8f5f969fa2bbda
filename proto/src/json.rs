//! What the derived JSON cannot say by itself: timestamps as RFC 3339, enumerations as lower-case words,
//! field masks as lists of names.

use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A point in time as RFC 3339 in UTC with microseconds, `null` when absent.
pub mod timestamp {
    use chrono::{DateTime, Datelike, Timelike, Utc};
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
        let written = write(value).ok_or_else(|| S::Error::custom("a timestamp is out of range"))?;
        serializer.serialize_str(std::str::from_utf8(&written).map_err(S::Error::custom)?)
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it is not RFC 3339.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else {
            return Ok(None);
        };
        parse(&text)
            .map(Some)
            .ok_or_else(|| D::Error::custom("not a time in RFC 3339"))
    }

    /// Reads RFC 3339; `None` when it is not.
    pub fn parse(text: &str) -> Option<Timestamp> {
        let instant = DateTime::parse_from_rfc3339(text).ok()?;
        Some(Timestamp {
            seconds: instant.timestamp(),
            nanos: i32::try_from(instant.timestamp_subsec_nanos()).ok()?,
        })
    }

    /// Lists hold dozens of timestamps and the general formatter costs more than the rest of a list, so the
    /// digits are put in place here.
    fn write(value: &Timestamp) -> Option<[u8; 27]> {
        let instant = DateTime::<Utc>::from_timestamp(value.seconds, u32::try_from(value.nanos).ok()?)?;
        let year = u32::try_from(instant.year()).ok().filter(|year| *year <= 9999)?;
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let mut put = |end: usize, width: usize, mut number: u32| {
            for digit in text[end - width..end].iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        };
        put(4, 4, year);
        put(7, 2, instant.month());
        put(10, 2, instant.day());
        put(13, 2, instant.hour());
        put(16, 2, instant.minute());
        put(19, 2, instant.second());
        put(26, 6, instant.timestamp_subsec_micros());
        Some(text)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn what_is_written_is_what_the_general_formatter_writes() {
            for seconds in [
                -62_135_596_800,
                -1,
                0,
                951_782_399,
                1_795_292_495,
                253_402_300_799,
            ] {
                for nanos in [0, 1_000, 120_034_000, 999_999_999] {
                    let written = write(&Timestamp { seconds, nanos }).unwrap();
                    let general = DateTime::<Utc>::from_timestamp(seconds, nanos as u32)
                        .unwrap()
                        .to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
                    assert_eq!(std::str::from_utf8(&written).unwrap(), general);
                }
            }
        }

        #[test]
        fn what_rfc_3339_cannot_say_is_not_written() {
            for seconds in [-62_167_219_201, 253_402_300_800, i64::MIN, i64::MAX] {
                assert_eq!(write(&Timestamp { seconds, nanos: 0 }), None, "{seconds}");
            }
            assert_eq!(
                write(&Timestamp {
                    seconds: 0,
                    nanos: -1
                }),
                None
            );
        }
    }
}

/// The keys of a PATCH as a list of names. Clients never write it; the gateway derives it.
pub mod field_mask {
    use prost_types::FieldMask;

    use super::*;

    /// Writes the names.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &Option<FieldMask>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(|mask| &mask.paths).serialize(serializer)
    }

    /// Reads the names.
    ///
    /// # Errors
    /// When it is not a list of names.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<FieldMask>, D::Error> {
        let paths = Option::<Vec<String>>::deserialize(deserializer)?;
        Ok(paths.map(|paths| FieldMask { paths }))
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
