//! Security events: made where something happens, told in its transaction or, where there is none, a moment later; and
//! read by staff.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use service_runtime::{
    clock::Clock,
    entropy::Entropy,
    page_token::PageTokens,
    reports::{Report, Reports, Sink, Taken, Told},
};
use uuid::Uuid;

use crate::{
    domain::{
        error::Error,
        page::{next_page, page},
        sighting::{Sighting, times_more},
    },
    model::{
        event::{Actor, EventFilter, RecordedEvent, SecurityEvent, Severity},
        event_kind::EventKind,
        id,
    },
    store::{self, Store, event::EventCursor},
};

/// Tells the trail, and reads it. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    store: Store,
    clock: Clock,
    entropy: Entropy,
    pages: PageTokens,
    reports: Reports<SecurityEvent>,
}

/// Which events to list, as asked for.
#[derive(Debug)]
pub struct EventQuery<'a> {
    /// Those that matter as much, or more.
    pub severity: Option<Severity>,
    /// Those of this kind; empty for any.
    pub kind: &'a str,
    /// What this user did; empty for anybody.
    pub actor_id: &'a str,
    /// What this user's account is about; empty for any.
    pub subject_id: &'a str,
    /// Those of this moment and later.
    pub since: Option<DateTime<Utc>>,
    /// Those before this moment.
    pub until: Option<DateTime<Utc>>,
    /// How many.
    pub page_size: i32,
    /// From where.
    pub page_token: &'a str,
}

impl Events {
    /// A trail in this store. What was noted is recorded by whoever gets the other half.
    pub fn new(
        store: Store,
        clock: Clock,
        entropy: Entropy,
        pages: PageTokens,
    ) -> (Self, Taken<SecurityEvent>) {
        let (reports, taken) = Reports::new("security events");
        let events = Self {
            store,
            clock,
            entropy,
            pages,
            reports,
        };
        (events, taken)
    }

    /// An event, for the transaction of what it tells.
    ///
    /// # Errors
    /// Without chance.
    pub fn event(
        &self,
        kind: EventKind,
        by: &Actor,
        subject_id: Option<Uuid>,
        detail: impl Into<String>,
    ) -> Result<SecurityEvent, Error> {
        let time = self.clock.now();
        Ok(SecurityEvent {
            id: self.entropy.new_id(time)?,
            time,
            kind,
            actor_id: by.user_id,
            subject_id,
            session_id: by.session_id,
            ip_address: by.ip_address.clone(),
            request_id: by.request_id.clone(),
            detail: detail.into(),
        })
    }

    /// Notes what changed nothing: it is recorded a moment later, alike ones as one, and holds nobody up.
    pub fn note(&self, kind: EventKind, by: &Actor, subject_id: Option<Uuid>, detail: impl Into<String>) {
        match self.event(kind, by, subject_id, detail) {
            Ok(event) => self.reports.report(event),
            Err(error) => tracing::error!(kind = kind.as_str(), %error, "a security event is lost"),
        }
    }

    /// A page of events, the newest first, and the token of the next page.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub async fn list(&self, query: EventQuery<'_>) -> Result<(Vec<RecordedEvent>, String), Error> {
        let filter = EventFilter {
            severity: query.severity,
            kind: given(query.kind, |word| {
                EventKind::parse(word)
                    .map(EventKind::as_str)
                    .ok_or_else(|| Error::field("kind", "There is no such kind of event."))
            })?,
            actor_id: given(query.actor_id, |text| user_id("actor_id", text))?,
            subject_id: given(query.subject_id, |text| user_id("subject_id", text))?,
            since: query.since,
            until: query.until,
        };
        let scope = ("security-events", &filter);
        let (size, after) = page(&self.pages, &scope, query.page_size, query.page_token)?;
        let mut events = self.store.list_events(&filter, after.as_ref(), size + 1).await?;
        let next = next_page(&self.pages, &scope, &mut events, size, |last| EventCursor {
            time: last.time,
            id: last.id,
        });
        Ok((events, next))
    }

    /// Records what another service saw.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub async fn record(&self, sighting: Sighting<'_>) -> Result<(), Error> {
        let event = sighting.parse(self.clock.now())?;
        Ok(self.store.record_events(&[event]).await?)
    }
}

fn given<T>(text: &str, parse: impl FnOnce(&str) -> Result<T, Error>) -> Result<Option<T>, Error> {
    match text {
        "" => Ok(None),
        text => parse(text).map(Some),
    }
}

fn user_id(field: &str, text: &str) -> Result<Uuid, Error> {
    id::parse(text).ok_or_else(|| Error::field(field, "An id is a UUID."))
}

/// Records what was noted.
#[derive(Debug, Clone)]
pub struct Recorder(pub Store);

impl Sink<SecurityEvent> for Recorder {
    type Error = store::Error;

    async fn deliver(&mut self, batch: &mut VecDeque<Told<SecurityEvent>>) -> Result<(), store::Error> {
        let events: Vec<_> = batch.iter().cloned().map(as_recorded).collect();
        self.0.record_events(&events).await?;
        batch.clear();
        Ok(())
    }
}

fn as_recorded(Told { report, times }: Told<SecurityEvent>) -> SecurityEvent {
    match times {
        1 => report,
        _ => SecurityEvent {
            detail: times_more(&report.detail, times),
            ..report
        },
    }
}

impl Report for SecurityEvent {
    /// The kind, and who did what to whom from where.
    type Key = (EventKind, Option<(Option<Uuid>, Option<Uuid>, String, String)>);

    fn key(&self) -> Self::Key {
        let (network, detail) = (self.ip_address.clone(), self.detail.clone());
        (self.kind, Some((self.actor_id, self.subject_id, network, detail)))
    }

    fn coarse_key(&self) -> Self::Key {
        (self.kind, None)
    }

    fn coarsen(&mut self) {
        self.actor_id = None;
        self.subject_id = None;
        self.session_id = None;
        self.ip_address.clear();
        self.request_id.clear();
        self.detail.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_different_ones_names_none_of_them() {
        let id = Some(Uuid::from_u128(7));
        let mut event = SecurityEvent {
            id: Uuid::from_u128(1),
            time: DateTime::UNIX_EPOCH,
            kind: EventKind::LoginFailed,
            actor_id: id,
            subject_id: id,
            session_id: id,
            ip_address: "203.0.113.7".to_owned(),
            request_id: "req-7".to_owned(),
            detail: "wrong password".to_owned(),
        };
        event.coarsen();
        let told = Told {
            report: event,
            times: 5000,
        };
        let expected = SecurityEvent {
            id: Uuid::from_u128(1),
            time: DateTime::UNIX_EPOCH,
            kind: EventKind::LoginFailed,
            actor_id: None,
            subject_id: None,
            session_id: None,
            ip_address: String::new(),
            request_id: String::new(),
            detail: "5000 times since the one before".to_owned(),
        };
        assert_eq!(as_recorded(told), expected);
    }
}
