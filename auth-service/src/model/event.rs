//! Security events: what staff should be able to look up later.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::model::event_kind::EventKind;

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum Severity {
    /// Worth keeping.
    Info,
    /// Worth a look.
    Warning,
    /// Somebody should act.
    Critical,
}

impl Severity {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// Reads the word in the database, which knows no others.
    pub fn from_word(word: &str) -> Self {
        match word {
            "info" => Self::Info,
            "warning" => Self::Warning,
            _ => Self::Critical,
        }
    }
}

/// Who does something, as far as it is known. An operator at the command line is nobody in particular.
#[derive(Debug, Clone, Default)]
pub struct Actor {
    /// Which user.
    pub user_id: Option<Uuid>,
    /// In which session.
    pub session_id: Option<Uuid>,
    /// From which network address; empty when unknown.
    pub ip_address: String,
    /// In which request; empty when there is none.
    pub request_id: String,
}

impl Actor {
    /// The same, now that it is known who it is.
    pub fn known_as(&self, user_id: Uuid, session_id: Uuid) -> Self {
        Self {
            user_id: Some(user_id),
            session_id: Some(session_id),
            ..self.clone()
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityEvent {
    /// UUIDv7.
    pub id: Uuid,
    /// When.
    pub time: DateTime<Utc>,
    /// What it is; says how much it matters.
    pub kind: EventKind,
    /// Who did it, if known.
    pub actor_id: Option<Uuid>,
    /// Whose account it is about.
    pub subject_id: Option<Uuid>,
    /// Which session it is about, or in which it was done.
    pub session_id: Option<Uuid>,
    /// From which network address; empty when unknown.
    pub ip_address: String,
    /// In which request; empty when there is none.
    pub request_id: String,
    /// What else there is to know, for people.
    pub detail: String,
}

/// An event as the trail has it: a newer version may have written a kind that this one does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// UUIDv7.
    pub id: Uuid,
    /// When.
    pub time: DateTime<Utc>,
    /// How much it matters.
    pub severity: Severity,
    /// What it is, in snake_case.
    pub kind: String,
    /// Who did it, if known.
    pub actor_id: Option<Uuid>,
    /// Whose account it is about.
    pub subject_id: Option<Uuid>,
    /// Which session it is about, or in which it was done.
    pub session_id: Option<Uuid>,
    /// From which network address; empty when unknown.
    pub ip_address: String,
    /// In which request; empty when there is none.
    pub request_id: String,
    /// What else there is to know, for people.
    pub detail: String,
}

/// Which events to list: `None` leaves something open.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct EventFilter {
    /// Those that matter as much, or more.
    pub severity: Option<Severity>,
    /// Those of this kind.
    pub kind: Option<&'static str>,
    /// What this user did.
    pub actor_id: Option<Uuid>,
    /// What this user's account is about.
    pub subject_id: Option<Uuid>,
    /// Those of this moment and later.
    pub since: Option<DateTime<Utc>>,
    /// Those before this moment.
    pub until: Option<DateTime<Utc>>,
}
