//! Critical events reach `SECURITY_ALERT_EMAIL` by a real mail server: each in one mail, whatever is killed, and never
//! in many.

use std::time::Duration;

use auth_service::{
    Config,
    model::{event::SecurityEvent, event_kind::EventKind},
    serve,
};
use chrono::TimeDelta;
use proto::auth::v1 as pb;
use service_runtime::{lifecycle::Tasks, listen, on, settings::Values};
use test_support::{mail, smtp::Message};
use uuid::Uuid;

use crate::{
    on_both_databases,
    support::{Service, as_user, mask},
};

const OFFICE: &str = "office@example.org";
/// Longer than the pause between two alarms.
const LATER: TimeDelta = TimeDelta::minutes(16);
/// How long anything may take on a busy machine.
const SOON: Duration = Duration::from_secs(30);

on_both_databases!(
    one_event_is_one_mail_that_says_who_and_where,
    five_hundred_events_are_two_mails,
    what_was_told_while_nobody_ran_is_mailed,
    two_replicas_send_one,
);

async fn alarmed(service: Service) -> Service {
    let set = |values: Values| values.with("SECURITY_ALERT_EMAIL", OFFICE);
    service.restarted(set).await.unwrap()
}

/// What a mail says, as one line without the signs of its encoding.
fn text(message: &Message) -> String {
    assert_eq!(mail::subject(message).as_deref(), Some("Security alarm"));
    let text = mail::text(message).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn critical(service: &Service, kind: EventKind) -> SecurityEvent {
    SecurityEvent {
        subject_id: Some(Uuid::from_u128(7)),
        ip_address: "203.0.113.7".to_owned(),
        request_id: "req-1".to_owned(),
        ..service.event(kind)
    }
}

/// How many critical events no mail has taken yet.
async fn waiting(service: &Service) -> i64 {
    on!(&service.database, |pool| {
        sqlx::query_scalar("SELECT count(*) FROM security_alarms WHERE mail_id IS NULL")
            .fetch_one(pool)
            .await
    })
    .unwrap()
}

/// Asserts that nothing waits any more and nothing more was sent.
async fn quiet(service: &Service, mails: usize) {
    let begun = std::time::Instant::now();
    while waiting(service).await > 0 {
        assert!(begun.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let queued: i64 = on!(&service.database, |pool| {
        sqlx::query_scalar("SELECT count(*) FROM mail_outbox WHERE kind = 'security_alarm'")
            .fetch_one(pool)
            .await
    })
    .unwrap();
    assert_eq!(usize::try_from(queued).unwrap(), mails);
}

async fn one_event_is_one_mail_that_says_who_and_where(service: Service) {
    let service = alarmed(service).await;
    let ada = service.add_user("ada@example.org").await.id.to_string();
    let root = service.staff("root@example.org").await;
    let request = pb::UpdateUserRequest {
        id: ada.clone(),
        user: Some(pb::User {
            is_staff: true,
            ..Default::default()
        }),
        update_mask: mask(&["is_staff"]),
        etag: String::new(),
    };
    let mut request = as_user(&root.access, request);
    request
        .metadata_mut()
        .insert("x-request-id", "req-77".parse().unwrap());
    service.users().update_user(request).await.unwrap();
    let said = text(&service.mail_to(OFFICE).await);
    for part in [
        "1 × staff_granted: An account administers the site from then on.",
        "1 March 2026, 12:00:00 UTC, staff_granted",
        &format!("by user {}, about user {ada}, session ", root.user.id),
        "from 127.0.0.1, request req-77",
        "/api/v1/security-events?severity=critical",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!said.contains("ada@") && !said.contains("root@"), "{said}");
    quiet(&service, 1).await;
}

async fn five_hundred_events_are_two_mails(service: Service) {
    let service = alarmed(service).await;
    let event = critical(&service, EventKind::RefreshReplayed);
    service.store.record_events(&[event]).await.unwrap();
    let first = text(&service.mail_to(OFFICE).await);
    assert!(first.contains("1 × refresh_replayed"), "{first}");
    for _ in 1..500 {
        let event = critical(&service, EventKind::RefreshReplayed);
        service.store.record_events(&[event]).await.unwrap();
    }
    assert_eq!(waiting(&service).await, 499, "the pause is not over");
    service.clock.turn(LATER);
    let second = text(&service.mail_to(OFFICE).await);
    assert!(second.contains("499 × refresh_replayed"), "{second}");
    assert!(second.contains("and 489 more."), "{second}");
    quiet(&service, 2).await;
}

async fn what_was_told_while_nobody_ran_is_mailed(service: Service) {
    let service = alarmed(service).await;
    service.stop().await;
    let event = critical(&service, EventKind::SigningKeyRevoked);
    service.store.record_events(&[event]).await.unwrap();
    let service = service.restarted(|values| values).await.unwrap();
    let said = text(&service.mail_to(OFFICE).await);
    assert!(said.contains("1 × signing_key_revoked"), "{said}");
    quiet(&service, 1).await;
}

async fn two_replicas_send_one(service: Service) {
    let service = alarmed(service).await;
    let tasks = Tasks::default();
    let listener = listen::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let config = Config::from_values(&service.values()).unwrap();
    serve(config, listener, None, service.clock.clone(), &tasks)
        .await
        .unwrap();
    for round in 1..4 {
        let event = critical(&service, EventKind::StaffGranted);
        service.store.record_events(&[event]).await.unwrap();
        service.mail_to(OFFICE).await;
        quiet(&service, round).await;
        service.clock.turn(LATER);
    }
    tasks.stop();
    assert!(tasks.finished(SOON).await);
    assert_eq!(service.smtp.messages().len(), 3);
}
