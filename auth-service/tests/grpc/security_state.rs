//! `WatchSecurityState`: everything that takes a right away is told, once, in order, and nothing is missed.

use std::{collections::BTreeSet, time::Duration};

use auth_service::{model::user::User, open_keys};
use chrono::TimeDelta;
use proto::auth::v1::{self as pb, SecurityUpdate};
use service_runtime::entropy::Entropy;
use tokio::time::timeout;
use tonic::{Code, Request, Streaming};
use uuid::Uuid;

use crate::{
    on_both_databases,
    support::{PASSWORD, Service, Session, as_service, as_user, mask, refused, stored_password},
};

const ADA: &str = "ada@example.org";
/// How long anything may take to be told on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

on_both_databases!(
    every_rpc_that_takes_something_away_is_told,
    what_takes_nothing_away_is_not_told,
    a_snapshot_has_what_tokens_may_be_about,
    who_comes_back_hears_what_was_missed_and_no_more,
    who_was_away_for_too_long_begins_anew,
    many_changes_at_once_are_all_told,
    a_stream_ends_when_the_service_stops,
);

/// One who watches.
struct Watcher(Streaming<SecurityUpdate>);

impl Watcher {
    async fn from(service: &Service, after_revision: i64) -> Self {
        let request = as_service(pb::WatchSecurityStateRequest { after_revision });
        let watching = service.tokens().watch_security_state(request).await;
        Self(watching.unwrap().into_inner())
    }

    async fn next(&mut self) -> SecurityUpdate {
        let next = timeout(PATIENCE, self.0.message()).await;
        next.expect("something is told")
            .unwrap()
            .expect("the stream goes on")
    }

    /// Everything up to the next heartbeat: its revision, and what was told before it.
    async fn told(&mut self) -> (i64, Vec<SecurityUpdate>) {
        let mut told = Vec::new();
        loop {
            let update = self.next().await;
            let heartbeat = SecurityUpdate {
                revision: update.revision,
                ..SecurityUpdate::default()
            };
            if update == heartbeat {
                return (update.revision, told);
            }
            told.push(update);
        }
    }

    /// Everything up to the first heartbeat after something was told.
    async fn hears(&mut self) -> Told {
        let begun = std::time::Instant::now();
        loop {
            let (_, told) = self.told().await;
            if !told.is_empty() {
                return Told::of(&told);
            }
            assert!(begun.elapsed() < PATIENCE, "nothing is told");
        }
    }
}

/// What was told, whatever its order.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    ended_sessions: BTreeSet<String>,
    changed_users: BTreeSet<String>,
    kids: Option<Vec<String>>,
}

impl Told {
    fn of(updates: &[SecurityUpdate]) -> Self {
        let verification = updates
            .iter()
            .rev()
            .find_map(|update| update.verification.clone());
        Self {
            ended_sessions: updates
                .iter()
                .flat_map(|update| update.ended_sessions.clone())
                .collect(),
            changed_users: updates
                .iter()
                .flat_map(|update| update.changed_users.clone())
                .collect(),
            kids: verification.map(|verification| {
                let keys = verification.jwks.unwrap().keys;
                keys.into_iter().map(|key| key.kid).collect()
            }),
        }
    }
}

async fn session_of(service: &Service, session: &Session) -> String {
    let request = pb::AuthorizeRequest {
        access_token: session.access.clone(),
    };
    let about = service.tokens().authorize(as_service(request)).await.unwrap();
    about.into_inner().session_id
}

async fn update(service: &Service, staff: &Session, id: &str, user: pb::User, field: &str) {
    let request = pb::UpdateUserRequest {
        id: id.to_owned(),
        user: Some(user),
        update_mask: mask(&[field]),
        etag: String::new(),
    };
    let request = as_user(&staff.access, request);
    service.users().update_user(request).await.unwrap();
}

/// The RPCs, by their names in the contract, that end sessions, or change a password, an address, a right or a state.
const TAKING: [&str; 11] = [
    "Logout",
    "LogoutAll",
    "RevokeSession",
    "Refresh",
    "ResetPassword",
    "ChangePassword",
    "ConfirmUsername",
    "VerifyEmail",
    "UpdateUser is_staff",
    "UpdateUser not is_staff",
    "UpdateUser not is_active",
];

async fn every_rpc_that_takes_something_away_is_told(service: Service) {
    let root = service.staff("root@example.org").await;
    for (number, rpc) in TAKING.into_iter().enumerate() {
        let address = format!("ada{number}@example.org");
        if rpc == "VerifyEmail" {
            let token = service.register(&address).await;
            let mut watcher = Watcher::from(&service, 0).await;
            watcher.told().await;
            let request = pb::VerifyEmailRequest { token };
            let user = service
                .accounts()
                .verify_email(request)
                .await
                .unwrap()
                .into_inner();
            let told = watcher.hears().await;
            assert_eq!(told.changed_users, BTreeSet::from([user.id]), "{rpc}");
            continue;
        }
        let user = service.add_user(&address).await;
        let ada = service.login(&address).await;
        let other = service.login(&address).await;
        let id = user.id.to_string();
        let (current, others) = (
            session_of(&service, &ada).await,
            session_of(&service, &other).await,
        );
        let both = [&current, &others].map(Clone::clone);
        let reset = service.reset_token(&address).await;
        let confirm = service
            .confirm_token(&ada.access, &format!("new{number}@example.org"))
            .await;
        let refreshed = service.refresh(&ada.refresh).await.unwrap();
        let again = service.refresh(&refreshed.refresh).await.unwrap();
        let mut watcher = Watcher::from(&service, 0).await;
        watcher.told().await;

        let (sessions, users): (Vec<String>, Vec<&String>) = match rpc {
            "Logout" => {
                let refresh = again.refresh.clone();
                service
                    .sessions()
                    .logout(pb::LogoutRequest { refresh })
                    .await
                    .unwrap();
                (vec![current], vec![])
            }
            "LogoutAll" => {
                let request = as_user(&ada.access, pb::LogoutAllRequest {});
                service.sessions().logout_all(request).await.unwrap();
                (both.into(), vec![])
            }
            "RevokeSession" => {
                let request = as_user(&ada.access, pb::RevokeSessionRequest { id: others.clone() });
                service.sessions().revoke_session(request).await.unwrap();
                (vec![others], vec![])
            }
            // A replay.
            "Refresh" => {
                assert!(service.refresh(&ada.refresh).await.is_err());
                (vec![current], vec![])
            }
            "ResetPassword" => {
                let request = pb::ResetPasswordRequest {
                    token: reset,
                    password: "gravel lantern octopus".to_owned(),
                    confirm_password: "gravel lantern octopus".to_owned(),
                };
                service.accounts().reset_password(request).await.unwrap();
                (both.into(), vec![&id])
            }
            "ChangePassword" => {
                let request = pb::ChangePasswordRequest {
                    current_password: PASSWORD.to_owned(),
                    password: "gravel lantern octopus".to_owned(),
                    confirm_password: "gravel lantern octopus".to_owned(),
                };
                let request = as_user(&ada.access, request);
                service.accounts().change_password(request).await.unwrap();
                (vec![others], vec![&id])
            }
            "ConfirmUsername" => {
                let request = pb::ConfirmUsernameRequest { token: confirm };
                service.accounts().confirm_username(request).await.unwrap();
                (vec![], vec![&id])
            }
            "UpdateUser is_staff" => {
                let staff = pb::User {
                    is_staff: true,
                    ..Default::default()
                };
                update(&service, &root, &id, staff, "is_staff").await;
                (vec![], vec![&id])
            }
            "UpdateUser not is_staff" => {
                let staff = pb::User {
                    is_staff: true,
                    ..Default::default()
                };
                update(&service, &root, &id, staff, "is_staff").await;
                watcher.hears().await;
                update(&service, &root, &id, pb::User::default(), "is_staff").await;
                (vec![], vec![&id])
            }
            _ => {
                update(&service, &root, &id, pb::User::default(), "is_active").await;
                (both.into(), vec![&id])
            }
        };
        let told = watcher.hears().await;
        let expected = Told {
            ended_sessions: sessions.into_iter().collect(),
            changed_users: users.into_iter().cloned().collect(),
            kids: None,
        };
        assert_eq!(told, expected, "{rpc}");
    }
    for revoke in [false, true] {
        let mut watcher = Watcher::from(&service, 0).await;
        let before = Told::of(&watcher.told().await.1).kids.unwrap();
        let (config, entropy) = (service.config(), Entropy::default());
        let keys = open_keys(&config, &service.store, &service.clock, &entropy);
        let keys = keys.await.unwrap();
        if revoke {
            keys.revoke(&before[0]).await.unwrap();
        } else {
            keys.rotate().await.unwrap();
        }
        let after = watcher.hears().await.kids.expect("the keys are told");
        assert_eq!(after.len(), 2);
        assert_ne!(after[0], before[0], "another one signs");
        assert_eq!(after.contains(&before[0]), !revoke);
    }
}

async fn what_takes_nothing_away_is_not_told(service: Service) {
    let root = service.staff("root@example.org").await;
    let ada = service.user(ADA).await;
    let mut watcher = Watcher::from(&service, 0).await;
    let (before, _) = watcher.told().await;

    service.login(ADA).await;
    service.refresh(&ada.refresh).await.unwrap();
    service.reset_token(ADA).await;
    let first_name = pb::User {
        first_name: "Ada".to_owned(),
        ..Default::default()
    };
    update(&service, &root, &ada.user.id, first_name, "first_name").await;
    let another = as_user(
        &ada.access,
        pb::RevokeSessionRequest {
            id: root.user.id.clone(),
        },
    );
    assert!(service.sessions().revoke_session(another).await.is_err());

    for _ in 0..3 {
        let (revision, told) = watcher.told().await;
        assert_eq!((revision, told), (before, vec![]));
    }
}

async fn a_snapshot_has_what_tokens_may_be_about(service: Service) {
    let ada = service.user(ADA).await;
    let id = session_of(&service, &ada).await;
    let refresh = ada.refresh.clone();
    service
        .sessions()
        .logout(pb::LogoutRequest { refresh })
        .await
        .unwrap();
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
    assert_eq!(verification.jwks.unwrap().keys.len(), 1);
}

async fn who_comes_back_hears_what_was_missed_and_no_more(service: Service) {
    let (one, two) = (service.user(ADA).await, service.login(ADA).await);
    let ids = [session_of(&service, &one).await, session_of(&service, &two).await];
    let end = async |session: &Session| {
        let refresh = session.refresh.clone();
        service
            .sessions()
            .logout(pb::LogoutRequest { refresh })
            .await
            .unwrap();
    };
    let mut watcher = Watcher::from(&service, 0).await;
    watcher.told().await;
    end(&one).await;
    watcher.hears().await;
    let (heard, _) = watcher.told().await;
    end(&two).await;
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
        let refresh = ada.refresh.clone();
        service
            .sessions()
            .logout(pb::LogoutRequest { refresh })
            .await
            .unwrap();
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
    let opened = service.store.open_session(&session, stored_password()).await;
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
            .revoke_session(session, user.id, service.clock.now())
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
