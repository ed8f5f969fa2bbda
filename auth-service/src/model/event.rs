//! Security events: what staff should be able to look up later.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Whether they have a second factor and did not prove it a moment ago.
    pub lacks_fresh_factor: bool,
}

/// What happened.
#[derive(Debug, Clone)]
pub struct SecurityEvent {
    /// UUIDv7.
    pub id: Uuid,
    /// When.
    pub time: DateTime<Utc>,
    /// How much it matters.
    pub severity: Severity,
    /// What it is, in snake_case.
    pub kind: &'static str,
    /// Who did it, if known.
    pub actor_id: Option<Uuid>,
    /// Whose account it is about.
    pub subject_id: Option<Uuid>,
    /// In which session.
    pub session_id: Option<Uuid>,
    /// From which network address; empty when unknown.
    pub ip_address: String,
    /// In which request.
    pub request_id: String,
    /// What else there is to know, for people.
    pub detail: String,
}
