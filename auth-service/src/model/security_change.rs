//! Security changes: what makes an answer wrong that another service may have remembered about a caller.

use uuid::Uuid;

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecurityChange {
    /// This session is over; its access tokens are good for nothing.
    SessionEnded(Uuid),
    /// This user has another address, password, state or right.
    UserChanged(Uuid),
    /// There are other signing keys.
    KeysChanged,
}

/// A change and its place among all changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedChange {
    /// The revision: it grows in the order in which changes were committed, and changes of one transaction share it.
    pub revision: i64,
    /// What has changed.
    pub change: SecurityChange,
}
