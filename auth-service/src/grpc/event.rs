//! Security events as messages.

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use proto::auth::v1 as pb;

use crate::{
    domain::{error::Error, event::EventQuery, sighting::Sighting},
    grpc::encode::timestamp,
    model::event::{RecordedEvent, Severity},
};

/// What a list request asks for.
///
/// # Errors
/// [`Error::Invalid`] for a severity or a moment that there is not.
pub(super) fn query(message: &pb::ListSecurityEventsRequest) -> Result<EventQuery<'_>, Error> {
    let severity = match pb::Severity::try_from(message.severity) {
        Ok(pb::Severity::Unspecified) => None,
        Ok(pb::Severity::Info) => Some(Severity::Info),
        Ok(pb::Severity::Warning) => Some(Severity::Warning),
        Ok(pb::Severity::Critical) => Some(Severity::Critical),
        Err(_) => return Err(Error::field("severity", "There is no such severity.")),
    };
    Ok(EventQuery {
        severity,
        kind: &message.kind,
        actor_id: &message.actor_id,
        subject_id: &message.subject_id,
        since: moment("since", message.since)?,
        until: moment("until", message.until)?,
        page_size: message.page_size,
        page_token: &message.page_token,
    })
}

/// A moment that both databases can keep: of the years 1 to 9999, in whole microseconds.
fn moment(field: &str, told: Option<Timestamp>) -> Result<Option<DateTime<Utc>>, Error> {
    let Some(told) = told else { return Ok(None) };
    let years = -62_135_596_800..253_402_300_800;
    let nanos = u32::try_from(told.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000);
    let moment = nanos
        .filter(|_| years.contains(&told.seconds))
        .and_then(|nanos| DateTime::from_timestamp(told.seconds, nanos / 1000 * 1000));
    match moment {
        Some(moment) => Ok(Some(moment)),
        None => Err(Error::field(field, "There is no such moment.")),
    }
}

/// An event of the trail.
pub(super) fn encode(event: RecordedEvent) -> pb::SecurityEvent {
    let severity = match event.severity {
        Severity::Info => pb::Severity::Info,
        Severity::Warning => pb::Severity::Warning,
        Severity::Critical => pb::Severity::Critical,
    };
    pb::SecurityEvent {
        id: event.id.to_string(),
        time: Some(timestamp(event.time)),
        severity: severity.into(),
        kind: event.kind,
        actor_id: event.actor_id.map(|id| id.to_string()),
        subject_id: event.subject_id.map(|id| id.to_string()),
        session_id: event.session_id.map(|id| id.to_string()),
        ip_address: event.ip_address,
        request_id: event.request_id,
        detail: event.detail,
    }
}

/// What another service saw.
pub(super) fn sighting(message: &pb::RecordSecurityEventRequest) -> Sighting<'_> {
    Sighting {
        id: &message.id,
        kind: &message.kind,
        actor_id: &message.actor_id,
        session_id: &message.session_id,
        ip_address: &message.ip_address,
        request_id: &message.request_id,
        method: &message.method,
        times: message.times,
    }
}
