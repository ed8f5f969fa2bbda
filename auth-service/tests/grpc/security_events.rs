//! Every outcome of an RPC that lets somebody in, or not, leaves its event; and staff reads them.

use auth_service::{
    domain::account::Registration,
    model::{
        client::Client,
        event::{Actor, EventFilter, RecordedEvent},
        profile::Profile,
    },
    open_rules,
};
use chrono::TimeDelta;
use proto::auth::v1 as pb;
use service_runtime::{entropy::Entropy, on, secret::Secret};
use tonic::Code;

use crate::{
    on_both_databases,
    support::{PASSWORD, Service, as_service, as_user, mask, refused},
};

mod listing;
mod recording;

const ADA: &str = "ada@example.org";
const NEW: &str = "gravel lantern octopus";
/// How long an event that is told a moment later may take on a busy machine.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

on_both_databases!(
    every_outcome_leaves_its_event,
    what_changes_something_is_told_in_its_transaction,
    a_flood_is_a_few_rows_and_none_is_forgotten,
);

/// All there is but the keys of the first start, the oldest first.
async fn trail(service: &Service) -> Vec<RecordedEvent> {
    let filter = EventFilter::default();
    let mut events = service.store.list_events(&filter, None, 1000).await.unwrap();
    events.retain(|event| event.kind != "signing_key_added");
    events.reverse();
    events
}

/// What the trail is told about something that is done at a moment of its own.
async fn told<T>(service: &Service, done: impl Future<Output = T>) -> (RecordedEvent, T) {
    service.clock.turn(TimeDelta::seconds(1));
    let now = service.clock.now();
    let outcome = done.await;
    let begun = std::time::Instant::now();
    loop {
        let mut events = trail(service).await;
        events.retain(|event| event.time == now);
        if let Some(event) = events.pop() {
            assert_eq!(events, [], "one alone");
            return (event, outcome);
        }
        assert!(begun.elapsed() < PATIENCE, "nothing was told");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// Asserts what an event says: its kind and severity, by whom and about whom, and its detail.
#[track_caller]
fn says(event: &RecordedEvent, what: (&str, &str), who: (Option<&str>, Option<&str>), detail: &str) {
    let id = |id: Option<uuid::Uuid>| id.map(|id| id.to_string());
    assert_eq!((event.kind.as_str(), event.severity.as_str()), what);
    let (actor, subject) = (id(event.actor_id), id(event.subject_id));
    assert_eq!((actor.as_deref(), subject.as_deref()), who, "{event:?}");
    assert_eq!(event.detail, detail);
    assert_eq!(event.ip_address, "127.0.0.1", "{event:?}");
    assert!(!event.request_id.is_empty(), "{event:?}");
}

fn as_they_are(user: pb::User, field: &str, id: &str) -> pb::UpdateUserRequest {
    pb::UpdateUserRequest {
        id: id.to_owned(),
        user: Some(user),
        update_mask: mask(&[field]),
        etag: String::new(),
    }
}

async fn every_outcome_leaves_its_event(service: Service) {
    let (event, token) = told(&service, service.register(ADA)).await;
    let ada = service
        .store
        .user_by_username(ADA)
        .await
        .unwrap()
        .unwrap()
        .id
        .to_string();
    let them = (None, Some(ada.as_str()));
    says(&event, ("account_registered", "info"), them, "");

    let (event, denied) = told(&service, service.login_with(ADA, PASSWORD)).await;
    assert!(denied.is_err());
    says(&event, ("login_failed", "info"), them, "inactive account");

    let verify = |token: &str| pb::VerifyEmailRequest {
        token: token.to_owned(),
    };
    let mut accounts = service.accounts();
    let (event, _) = told(&service, accounts.verify_email(verify("oem_made-up"))).await;
    says(&event, ("link_refused", "info"), (None, None), "verify_email");
    let (event, _) = told(&service, accounts.verify_email(verify(&token))).await;
    says(&event, ("account_verified", "info"), them, "");

    let own = (Some(ada.as_str()), Some(ada.as_str()));
    let (event, _) = told(&service, service.login(ADA)).await;
    says(&event, ("login_succeeded", "info"), own, "pwd");
    assert!(event.session_id.is_some());
    let (event, _) = told(&service, service.login_with(ADA, "wrong")).await;
    says(&event, ("login_failed", "info"), them, "wrong password");
    let (event, _) = told(&service, service.login_with("nobody@example.org", "wrong")).await;
    says(&event, ("login_failed", "info"), (None, None), "unknown account");

    let (event, _) = told(&service, service.refresh("oer_made-up")).await;
    says(
        &event,
        ("refresh_failed", "info"),
        (None, None),
        "not a refresh token",
    );
    let stolen = service.login(ADA).await;
    let second = service.refresh(&stolen.refresh).await.unwrap();
    service.refresh(&second.refresh).await.unwrap();
    let (event, _) = told(&service, service.refresh(&stolen.refresh)).await;
    says(&event, ("refresh_replayed", "critical"), them, "");
    let (event, _) = told(&service, service.refresh(&second.refresh)).await;
    says(&event, ("refresh_failed", "info"), them, "the session is over");

    let (event, token) = told(&service, service.reset_token(ADA)).await;
    says(&event, ("password_reset_requested", "info"), them, "");
    let reset = pb::ResetPasswordRequest {
        token,
        password: NEW.to_owned(),
        confirm_password: NEW.to_owned(),
    };
    let (event, _) = told(&service, accounts.reset_password(reset.clone())).await;
    says(&event, ("password_reset", "warning"), them, "");
    let (event, _) = told(&service, accounts.reset_password(reset)).await;
    says(&event, ("link_refused", "info"), (None, None), "reset_password");

    let session = service.login_with(ADA, NEW).await.unwrap();
    let change = |current: &str| {
        let request = pb::ChangePasswordRequest {
            current_password: current.to_owned(),
            password: PASSWORD.to_owned(),
            confirm_password: PASSWORD.to_owned(),
        };
        as_user(&session.access, request)
    };
    let (event, _) = told(&service, accounts.change_password(change("wrong"))).await;
    says(&event, ("password_change_failed", "warning"), own, "");
    let (event, _) = told(&service, accounts.change_password(change(NEW))).await;
    says(&event, ("password_changed", "info"), own, "");

    let (event, token) = told(
        &service,
        service.confirm_token(&session.access, "new@example.org"),
    )
    .await;
    says(&event, ("username_change_requested", "info"), own, "");
    let confirm = pb::ConfirmUsernameRequest { token };
    let (event, _) = told(&service, accounts.confirm_username(confirm)).await;
    says(&event, ("username_changed", "warning"), them, "");

    let other = service.login("new@example.org").await;
    let mut sessions = service.sessions();
    let mut logins = trail(&service).await;
    logins.retain(|event| event.kind == "login_succeeded");
    let revoked = logins.pop().unwrap().session_id.unwrap().to_string();
    let revoke = pb::RevokeSessionRequest { id: revoked.clone() };
    let (event, _) = told(
        &service,
        sessions.revoke_session(as_user(&session.access, revoke)),
    )
    .await;
    says(&event, ("session_revoked", "info"), own, &revoked);
    assert!(!service.knows(&other.access).await);
    let (event, _) = told(&service, service.log_out(&session)).await;
    says(&event, ("logged_out", "info"), own, "");
    let session = service.login("new@example.org").await;
    let all = as_user(&session.access, pb::LogoutAllRequest {});
    let (event, _) = told(&service, sessions.logout_all(all)).await;
    says(&event, ("logged_out_everywhere", "info"), own, "");

    let root = service.staff("root@example.org").await;
    let by_root = (Some(root.user.id.as_str()), Some(ada.as_str()));
    let mut users = service.users();
    let staff = pb::User {
        is_staff: true,
        is_active: true,
        ..Default::default()
    };
    for (user, field, what) in [
        (staff.clone(), "is_staff", ("staff_granted", "critical")),
        (pb::User::default(), "is_staff", ("staff_revoked", "warning")),
        (pb::User::default(), "is_active", ("user_deactivated", "warning")),
        (staff, "is_active", ("user_activated", "info")),
    ] {
        let request = as_user(&root.access, as_they_are(user, field, &ada));
        let (event, _) = told(&service, users.update_user(request)).await;
        says(&event, what, by_root, "");
    }

    let session = service.login("new@example.org").await;
    let denied = ("access_denied", "warning");
    let request = as_user(&session.access, pb::ListUsersRequest::default());
    let (event, _) = told(&service, users.list_users(request)).await;
    let method = "onlineedu.auth.v1.UserService/ListUsers";
    says(&event, denied, (Some(ada.as_str()), None), method);
    assert!(event.session_id.is_some());
    let request = pb::BatchGetUsersRequest::default();
    let (event, _) = told(&service, service.tokens().batch_get_users(request)).await;
    let method = "onlineedu.auth.v1.TokenService/BatchGetUsers";
    says(&event, denied, (None, None), method);

    let (config, entropy) = (service.config(), Entropy::default());
    let rules = open_rules(&config, &service.clock, &entropy).await.unwrap();
    let (event, _) = told(&service, rules.sessions.end_everybodys()).await;
    assert_eq!(event.kind, "sessions_ended_by_operator");
    assert_eq!((event.actor_id, event.ip_address.as_str()), (None, ""));

    for event in trail(&service).await {
        assert!(!format!("{event:?}").contains('@'), "an address: {event:?}");
    }
}

/// By rules of whose notes nobody writes any down.
async fn what_changes_something_is_told_in_its_transaction(service: Service) {
    let ada = service.coded(ADA).await;
    let code = Secret::new(ada.next_code(&service));
    let (config, entropy, by) = (service.config(), Entropy::default(), Actor::default());
    let rules = open_rules(&config, &service.clock, &entropy).await.unwrap();
    let caller = rules.sessions.authenticate(&ada.session.access).await.unwrap();
    rules.sessions.step_up(&caller, &code, &by).await.unwrap();
    let client = Client::default();
    for username in [ADA, "nobody@example.org"] {
        let asked = rules.accounts.request_password_reset(username, &client, &by);
        asked.await.unwrap();
    }
    let password = || Secret::new(NEW.to_owned());
    let registration = Registration {
        username: "bob@example.org".to_owned(),
        password: password(),
        confirm_password: password(),
        profile: Ok(Profile::default()),
        once: None,
        client,
    };
    let deadline = std::time::Instant::now() + PATIENCE;
    let bob = rules
        .accounts
        .register(registration, &by, deadline)
        .await
        .unwrap();

    let (ada, now) = (ada.session.user.id.parse().unwrap(), service.clock.now());
    let mut told: Vec<_> = trail(&service)
        .await
        .into_iter()
        .filter(|event| event.time == now)
        .map(|event| (event.kind, event.subject_id))
        .collect();
    told.sort();
    let expected = [
        ("account_registered", bob.id),
        ("factor_proved", ada),
        ("password_reset_requested", ada),
    ];
    assert_eq!(told, expected.map(|(kind, whom)| (kind.to_owned(), Some(whom))));
}

async fn a_flood_is_a_few_rows_and_none_is_forgotten(service: Service) {
    const MANY: u32 = 300;
    for _ in 0..MANY {
        assert!(service.refresh("oer_made-up").await.is_err());
    }
    // What was noted is recorded at the latest when the service stops.
    service.stop().await;
    let details: Vec<String> = on!(&service.database, |pool| {
        sqlx::query_scalar("SELECT detail FROM security_events WHERE kind = 'refresh_failed'")
            .fetch_all(pool)
            .await
    })
    .unwrap();
    let stands_for = |detail: &String| match detail.strip_prefix("not a refresh token") {
        Some("") => 1,
        Some(more) => {
            let number = more.strip_prefix("; ").and_then(|more| more.split(' ').next());
            number.unwrap().parse::<u32>().unwrap()
        }
        None => panic!("{detail}"),
    };
    assert_eq!(details.iter().map(stands_for).sum::<u32>(), MANY, "{details:?}");
    assert!(details.len() < 30, "{details:?}");
}

#[tokio::test]
async fn nobody_but_staff_reads_the_trail() {
    let service = Service::on_sqlite().await;
    let ada = service.user(ADA).await;
    let request = pb::ListSecurityEventsRequest::default;
    let mut users = service.users();
    let denied = users.list_security_events(as_user(&ada.access, request())).await;
    assert_eq!(refused(denied).code, Code::PermissionDenied);
    let unknown = users.list_security_events(request()).await;
    assert_eq!(refused(unknown).code, Code::Unauthenticated);
    let service_token = users.list_security_events(as_service(request())).await;
    assert_eq!(refused(service_token).code, Code::Unauthenticated);
}
