//! A JSON object as it is written: every member, in its order, as often as it stands there.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// The members.
#[derive(Debug)]
pub struct Object(pub Vec<(String, Value)>);

impl Object {
    /// Reads bytes that hold one object and nothing else.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        text.starts_with('{').then(|| serde_json::from_str(text).ok())?
    }

    /// The value of a member that stands there once.
    pub fn only(&self, name: &str) -> Option<&Value> {
        let mut named = self.0.iter().filter(|(own, _)| own == name);
        let (_, value) = named.next()?;
        named.next().is_none().then_some(value)
    }

    /// Whether the members are these and at most those, each once.
    pub fn has(&self, needed: &[&str], allowed: &[&str]) -> bool {
        let known = |name: &str| needed.contains(&name) || allowed.contains(&name);
        needed.iter().all(|name| self.only(name).is_some())
            && self
                .0
                .iter()
                .all(|(name, _)| known(name) && self.only(name).is_some())
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}
