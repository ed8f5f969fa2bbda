//! What another service saw, as it may stand in the trail: nothing of it is text that somebody made up.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use service_runtime::{field::FieldError, grpc::context::is_sane_request_id};
use uuid::Uuid;

use crate::{
    domain::error::Error,
    model::{event::SecurityEvent, event_kind::EventKind, id},
};

/// The longest name of a method, in bytes.
const LONGEST_METHOD: usize = 200;

/// What another service says that it saw.
#[derive(Debug)]
pub struct Sighting<'a> {
    /// The id it made.
    pub id: &'a str,
    /// What happened.
    pub kind: &'a str,
    /// Who called; empty for a stranger.
    pub actor_id: &'a str,
    /// In which session; empty without one.
    pub session_id: &'a str,
    /// From which network address; empty when unknown.
    pub ip_address: &'a str,
    /// In which request; empty when unknown.
    pub request_id: &'a str,
    /// Which method.
    pub method: &'a str,
    /// How often.
    pub times: i32,
}

impl Sighting<'_> {
    /// The event, if every part of it is sound.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every part that is not.
    pub(super) fn parse(self, now: DateTime<Utc>) -> Result<SecurityEvent, Error> {
        let mut faults = Vec::new();
        let mut sound = |is_sound: bool, field: &str, sentence: &str| {
            if !is_sound {
                faults.push(FieldError::new(field, sentence));
            }
        };
        let id = id::parse(self.id).filter(|id| !id.is_nil());
        let kind = EventKind::parse(self.kind).filter(|kind| EventKind::OF_SERVICES.contains(kind));
        let (actor_id, session_id) = (id::parse(self.actor_id), id::parse(self.session_id));
        let ip_address = self.ip_address.parse::<IpAddr>();
        sound(id.is_some(), "id", "An id is a UUID.");
        sound(
            kind.is_some(),
            "kind",
            "A service may not record this kind of event.",
        );
        let is_id = |text: &str, id: Option<Uuid>| text.is_empty() || id.is_some();
        sound(is_id(self.actor_id, actor_id), "actor_id", "An id is a UUID.");
        sound(
            is_id(self.session_id, session_id),
            "session_id",
            "An id is a UUID.",
        );
        let is_address = self.ip_address.is_empty() || ip_address.is_ok();
        sound(is_address, "ip_address", "This is not a network address.");
        let is_request = self.request_id.is_empty() || is_sane_request_id(self.request_id);
        sound(is_request, "request_id", "This is not a request id.");
        sound(
            is_method(self.method),
            "method",
            "A method is package.Service/Method.",
        );
        sound(self.times > 0, "times", "It happened at least once.");
        match (id, kind) {
            (Some(id), Some(kind)) if faults.is_empty() => Ok(SecurityEvent {
                id,
                time: now,
                kind,
                actor_id,
                subject_id: None,
                session_id,
                ip_address: ip_address.map(|address| address.to_string()).unwrap_or_default(),
                request_id: self.request_id.to_owned(),
                detail: match self.times {
                    1 => self.method.to_owned(),
                    times => times_more(self.method, times.unsigned_abs()),
                },
            }),
            _ => Err(Error::Invalid(faults)),
        }
    }
}

/// The detail of an event that stands for several.
pub(super) fn times_more(detail: &str, times: u32) -> String {
    let more = format!("{times} times since the one before");
    match detail {
        "" => more,
        detail => format!("{detail}; {more}"),
    }
}

fn is_method(name: &str) -> bool {
    let is_word = |word: &str| {
        let mut bytes = word.bytes();
        bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let parts = name.split_once('/');
    name.len() <= LONGEST_METHOD
        && parts.is_some_and(|(service, method)| service.split('.').all(is_word) && is_word(method))
}
