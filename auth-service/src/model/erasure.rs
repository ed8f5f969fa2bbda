//! That somebody was erased, and whether everybody knows.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// An erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    /// Whose data are erased; the id of nobody any more.
    pub user_id: Uuid,
    /// When they were erased here.
    pub erased_at: DateTime<Utc>,
    /// When course-service had erased its part; `None` while it has not.
    pub acknowledged_at: Option<DateTime<Utc>>,
}

/// How far course-service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Whether nothing about the person is left there.
    pub is_complete: bool,
    /// To whom courses went so far.
    pub heirs: BTreeSet<Uuid>,
}

/// Somebody to whom courses went, and the mail that is to tell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heir {
    /// Who it is.
    pub user_id: Uuid,
    /// The mail's id.
    pub mail_id: Uuid,
}
