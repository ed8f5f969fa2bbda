//! An alarm: the critical events that one mail tells of.

use crate::model::event::RecordedEvent;

/// What there is to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// How often each kind of event.
    pub counts: Vec<(String, i64)>,
    /// The first of the events.
    pub first: Vec<RecordedEvent>,
}

impl Alarm {
    /// How many events there are.
    pub fn all(&self) -> i64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }
}
