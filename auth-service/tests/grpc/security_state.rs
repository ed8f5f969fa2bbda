//! `WatchSecurityState`: a snapshot or a continuation, each change once, nothing missed, and who may hear it.

pub mod watcher;

use std::collections::BTreeSet;

use auth_service::model::{event_kind::EventKind, user::User};
use chrono::TimeDelta;
use proto::auth::v1 as pb;
use service_runtime::entropy::Entropy;
use tokio::time::timeout;
use tonic::{Code, Request};
use uuid::Uuid;

use self::watcher::{PATIENCE, Told, Watcher, session_of};
use crate::{
    on_both_databases,
    support::{Service, as_service, as_user, refused, stored_password},
};

const ADA: &str = "ada@example.org";
on_both_databases!(
    a_snapshot_has_what_tokens_may_be_about,
    who_comes_back_hears_what_was_missed_and_no_more,
    who_was_away_for_too_long_begins_anew,
    many_changes_at_once_are_all_told,
    a_stream_ends_when_the_service_stops,
);

async fn a_snapshot_has_what_tokens_may_be_about(service: Service) {
    let ada = service.user(ADA).await;
    let id = session_of(&service, &ada).await;
    service.log_out(&ada).await;
    let mut watcher = Watcher::from(&service, 0).await;
    let (revision, told) = watcher.told().await;
    assert!(told.iter().all(|update| update.is_snapshot), "{told:?}");
    assert!(told.iter().all(|update| update.revision == revision));
    assert!(Told::of(&told).ended_sessions.contains(&id));
    let verification = told[0].verification.clone().expect("the keys come first");
    assert_eq!(
        (verification.issuer.as_str(), verification.longest_life),
        ("http://edu.test", 900)
    );
    let keys = verification.jwks.unwrap().keys;
    assert_eq!(keys.len(), 2, "the one that signs and the next one");
}

async fn who_comes_back_hears_what_was_missed_and_no_more(service: Service) {
    let (one, two) = (service.user(ADA).await, service.login(ADA).await);
    let ids = [session_of(&service, &one).await, session_of(&service, &two).await];
    let mut watcher = Watcher::from(&service, 0).await;
    watcher.told().await;
    service.log_out(&one).await;
    watcher.hears().await;
    let (heard, _) = watcher.told().await;
    service.log_out(&two).await;
    watcher.hears().await;

    let mut back = Watcher::from(&service, heard).await;
    let (revision, told) = back.told().await;
    assert!(!told.iter().any(|update| update.is_snapshot));
    assert_eq!(Told::of(&told).ended_sessions, BTreeSet::from([ids[1].clone()]));
    assert!(revision > heard);
    let mut current = Watcher::from(&service, revision).await;
    let (same, told) = current.told().await;
    assert_eq!((same, Told::of(&told).ended_sessions.len()), (revision, 0));
    assert!(told[0].verification.is_some(), "keys are told to whoever comes");
}

async fn who_was_away_for_too_long_begins_anew(service: Service) {
    let mut watcher = Watcher::from(&service, 0).await;
    let (heard, _) = watcher.told().await;
    // One ahead of everything: it has seen a database that is gone.
    let mut future = Watcher::from(&service, heard + 1000).await;
    assert!(future.next().await.is_snapshot);

    for minute in 0..2 {
        let ada = service.user(&format!("ada{minute}@example.org")).await;
        service.log_out(&ada).await;
    }
    let kept = service.store.security_revision().await.unwrap();
    service.clock.turn(TimeDelta::days(1));
    let removed = service
        .store
        .remove_old_security_changes(service.clock.now(), 1000)
        .await;
    assert!(removed.unwrap() > 0);
    let mut late = Watcher::from(&service, kept - 1).await;
    assert!(late.next().await.is_snapshot, "its changes are gone");
    let mut current = Watcher::from(&service, kept).await;
    assert!(!current.next().await.is_snapshot, "it has missed nothing");
}

/// Opens a session without the cost of a password.
async fn open_session(service: &Service, user: &User) -> Uuid {
    let now = service.clock.now();
    let session = auth_service::model::session::Session {
        id: Entropy::default().new_id(now).unwrap(),
        user_id: user.id,
        salt: vec![7; 16],
        refresh_counter: 0,
        user_agent: String::new(),
        ip_address: String::new(),
        factors: vec!["pwd".to_owned()],
        auth_time: now,
        created_at: now,
        last_used_at: now,
        expires_at: now + TimeDelta::days(1),
        ended_at: None,
    };
    let opened = service
        .store
        .open_session(
            &session,
            stored_password(),
            None,
            &service.event(EventKind::LoginSucceeded),
        )
        .await;
    assert!(opened.unwrap().is_some());
    session.id
}

async fn many_changes_at_once_are_all_told(service: Service) {
    const REVISIONS: usize = 120;
    let user = service.add_user(ADA).await;
    let mut watcher = Watcher::from(&service, 0).await;
    let (heard, _) = watcher.told().await;
    let mut expected = BTreeSet::new();
    for _ in 0..REVISIONS {
        let session = open_session(&service, &user).await;
        expected.insert(session.to_string());
        let ended = service
            .store
            .revoke_session(
                session,
                user.id,
                service.clock.now(),
                &service.event(EventKind::SessionRevoked),
            )
            .await;
        assert!(ended.unwrap());
    }
    let mut heard_of = BTreeSet::new();
    while heard_of.len() < REVISIONS {
        let (_, told) = watcher.told().await;
        heard_of.extend(Told::of(&told).ended_sessions);
    }
    assert_eq!(heard_of, expected);
    // More than one window of revisions, from the database and as a snapshot.
    for after in [heard, 0] {
        let mut late = Watcher::from(&service, after).await;
        let (_, told) = late.told().await;
        assert!(Told::of(&told).ended_sessions.is_superset(&expected));
    }
}

async fn a_stream_ends_when_the_service_stops(service: Service) {
    let mut watcher = Watcher::from(&service, 0).await;
    watcher.told().await;
    service.stop().await;
    let end = async { while let Ok(Some(_)) = watcher.0.message().await {} };
    timeout(PATIENCE, end).await.expect("the stream ends");
}

#[tokio::test]
async fn who_may_watch_and_from_where() {
    let service = Service::on_sqlite().await;
    let from = |after_revision| pb::WatchSecurityStateRequest { after_revision };
    let watch = async |request| service.tokens().watch_security_state(request).await;
    refused(watch(Request::new(from(0))).await).is(
        Code::PermissionDenied,
        "SERVICE_TOKEN_REQUIRED",
        "Only services with the service token may call this.",
    );
    let ada = service.user(ADA).await;
    assert_eq!(
        watch(as_user(&ada.access, from(0))).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    assert_eq!(
        watch(as_service(from(-1))).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    assert!(watch(as_service(from(i64::MAX))).await.is_ok());
}
