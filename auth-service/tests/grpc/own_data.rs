//! `Export` and `DeleteAccount`: a person reads everything, and goes for good, at once and everywhere.

use auth_service::model::{event::SecurityEvent, event_kind::EventKind};
use chrono::TimeDelta;
use futures::{future::join_all, join};
use proto::auth::v1 as pb;
use service_runtime::{entropy::Entropy, on};
use test_support::rows;
use tonic::Code;

use crate::{
    fake_courses::{FakeCourses, Mood, course, enrollment},
    on_both_databases,
    support::{PASSWORD, Refused, Service, Session, as_user, mask, refused, registration},
};

const ADA: &str = "ada.lovelace@example.org";

on_both_databases!(
    an_account_is_deleted_at_once_and_everywhere,
    deleting_needs_the_password,
    a_fresh_second_factor_is_as_good,
    the_last_staff_user_cannot_delete_their_account,
    one_of_two_staff_users_who_go_at_once_stays,
    nobody_gets_in_while_the_account_goes,
    everything_that_is_held_is_told,
    a_second_factor_is_told_without_its_secret,
    a_part_does_not_pass_for_the_whole,
    copies_of_ones_data_are_taken_now_and_then,
);

fn delete(password: &str) -> pb::DeleteAccountRequest {
    pb::DeleteAccountRequest {
        password: password.to_owned(),
    }
}

async fn try_to_delete(service: &Service, access: &str, password: &str) -> Result<(), Refused> {
    let request = as_user(access, delete(password));
    let deleted = service.accounts().delete_account(request).await;
    deleted.map(drop).map_err(Refused::from)
}

async fn beside(service: Service, courses: &FakeCourses) -> Service {
    let url = courses.url();
    service
        .restarted(|values| values.with("COURSE_URL", url))
        .await
        .unwrap()
}

async fn events(service: &Service) -> Vec<String> {
    on!(&service.database, |pool| {
        sqlx::query_scalar("SELECT kind FROM security_events ORDER BY time, id")
            .fetch_all(pool)
            .await
    })
    .unwrap()
}

async fn until(is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), waiting)
        .await
        .expect("it takes too long");
}

async fn an_account_is_deleted_at_once_and_everywhere(service: Service) {
    let courses = FakeCourses::start();
    let service = beside(service, &courses).await;
    let heir = service.staff("root@example.org").await;
    let request = pb::RegisterRequest {
        request_id: "a-key".to_owned(),
        first_name: "Ada-Zzyzx".to_owned(),
        bio: "Looms and numbers".to_owned(),
        ..registration(ADA)
    };
    service.accounts().register(request).await.unwrap();
    let token = service.token_to(ADA).await;
    let mut accounts = service.accounts();
    accounts
        .verify_email(pb::VerifyEmailRequest { token })
        .await
        .unwrap();
    let (ada, other) = (service.login(ADA).await, service.login(ADA).await);
    let reset = service.reset_token(ADA).await;
    service.confirm_token(&ada.access, "ada.new@example.org").await;

    try_to_delete(&service, &ada.access, PASSWORD).await.unwrap();

    for session in [&ada, &other] {
        assert!(!service.knows(&session.access).await);
        refused(
            service
                .sessions()
                .refresh(pb::RefreshRequest {
                    refresh: session.refresh.clone(),
                })
                .await,
        )
        .is(
            Code::Unauthenticated,
            "REFRESH_FAILED",
            "Token refresh failed. Please log in again.",
        );
    }
    let again = try_to_delete(&service, &ada.access, PASSWORD).await.unwrap_err();
    again.is(
        Code::Unauthenticated,
        "TOKEN_INVALID",
        "The access token is not valid.",
    );
    let login = Refused::from(service.login_with(ADA, PASSWORD).await.unwrap_err());
    login.is(
        Code::Unauthenticated,
        "INVALID_CREDENTIALS",
        "Invalid username/password",
    );
    let request = pb::ResetPasswordRequest {
        token: reset,
        password: "gravel lantern octopus".to_owned(),
        confirm_password: "gravel lantern octopus".to_owned(),
    };
    assert_eq!(
        refused(service.accounts().reset_password(request).await).reason,
        "TOKEN_INVALID"
    );

    let texts = [ADA, "ada.new@example.org", "ada-zzyzx", "looms and numbers"];
    let url = service.config().database_url.expose().clone();
    assert_eq!(rows::holding(&url, &texts).await, Vec::<String>::new());
    assert!(events(&service).await.contains(&"account_deleted".to_owned()));

    // course-service learns of it, with somebody to take over, who is told.
    service.mail_to("root@example.org").await;
    let told = courses.erased();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].user_id, ada.user.id);
    assert_eq!(told[0].heir.as_ref().unwrap().id, heir.user.id);

    // The address is free, and whoever has it next sees nothing of before.
    let token = service.register(ADA).await;
    let mut accounts = service.accounts();
    accounts
        .verify_email(pb::VerifyEmailRequest { token })
        .await
        .unwrap();
    let next = service.login(ADA).await;
    assert_ne!(next.user.id, ada.user.id);
    let export = accounts.export(as_user(&next.access, pb::ExportRequest {})).await;
    let export = export.unwrap().into_inner();
    assert_eq!(export.sessions.len(), 1);
    assert!(export.events.iter().all(|event| event.kind != "account_deleted"));
    assert_eq!(export.profile.unwrap().bio, "");
}

async fn deleting_needs_the_password(service: Service) {
    let ada = service.user(ADA).await;
    let message = "The password field is required";
    let empty = try_to_delete(&service, &ada.access, "").await.unwrap_err();
    empty.is_about(&[("password", message)]);
    for wrong in ["wrong", "\0", " ", &"x".repeat(10_000), &PASSWORD[1..]] {
        let refused = try_to_delete(&service, &ada.access, wrong).await.unwrap_err();
        refused.is_about(&[("password", "The password is wrong.")]);
    }
    refused(service.accounts().delete_account(delete(PASSWORD)).await).is(
        Code::Unauthenticated,
        "TOKEN_REQUIRED",
        "Authentication is required.",
    );
    assert!(service.knows(&ada.access).await);
}

async fn a_fresh_second_factor_is_as_good(service: Service) {
    let ada = service.coded(ADA).await;
    let access = ada.session.access.as_str();
    let not_fresh = async |access: &str| {
        try_to_delete(&service, access, "").await.unwrap_err().is(
            Code::Unauthenticated,
            "INSUFFICIENT_USER_AUTHENTICATION",
            "A second factor used in the last 5 minutes is required.",
        );
    };
    not_fresh(access).await;
    let code = ada.next_code(&service);
    let fresh = service.step_up(access, &code).await.unwrap().into_inner().access;
    let refused = try_to_delete(&service, &fresh, "wrong").await.unwrap_err();
    refused.is_about(&[("password", "The password is wrong.")]);
    service.clock.turn(TimeDelta::minutes(5) + TimeDelta::seconds(1));
    not_fresh(&fresh).await;
    let code = ada.next_code(&service);
    let fresh = service.step_up(access, &code).await.unwrap().into_inner().access;
    try_to_delete(&service, &fresh, "").await.unwrap();
    assert!(!service.knows(access).await);
}

async fn the_last_staff_user_cannot_delete_their_account(service: Service) {
    let root = service.staff("root@example.org").await;
    let refused = try_to_delete(&service, &root.access, PASSWORD).await.unwrap_err();
    refused.is(
        Code::FailedPrecondition,
        "LAST_STAFF_USER",
        "The last active administrator cannot be demoted, deactivated or deleted.",
    );
    assert!(service.knows(&root.access).await);
}

async fn one_of_two_staff_users_who_go_at_once_stays(service: Service) {
    let mut stayed = service.staff("staff0@example.org").await;
    for round in 1..8 {
        let other = service.staff(&format!("staff{round}@example.org")).await;
        let (first, second) = join!(
            try_to_delete(&service, &stayed.access, PASSWORD),
            try_to_delete(&service, &other.access, PASSWORD)
        );
        let refused = match (first, second) {
            (Ok(()), Err(refused)) => {
                stayed = other;
                refused
            }
            (Err(refused), Ok(())) => refused,
            both => panic!("round {round}: {both:?}"),
        };
        assert_eq!(refused.reason, "LAST_STAFF_USER", "round {round}");
        assert!(service.knows(&stayed.access).await);
    }
}

async fn nobody_gets_in_while_the_account_goes(service: Service) {
    for round in 0..6 {
        let address = format!("ada{round}@example.org");
        let ada = service.user(&address).await;
        let reset = pb::RequestPasswordResetRequest {
            username: address.clone(),
        };
        let rename = pb::UpdateProfileRequest {
            profile: Some(pb::Profile {
                username: format!("new{round}@example.org"),
                ..Default::default()
            }),
            update_mask: mask(&["username"]),
            etag: String::new(),
        };
        let (mut accounts, mut others) = (service.accounts(), service.accounts());
        let logins = join_all((0..3).map(|_| service.login_with(&address, PASSWORD)));
        let (deleted, logins, refreshed, asked, renamed) = join!(
            try_to_delete(&service, &ada.access, PASSWORD),
            logins,
            service.refresh(&ada.refresh),
            accounts.request_password_reset(reset),
            others.update_profile(as_user(&ada.access, rename)),
        );
        deleted.unwrap();
        let broken = |status: &tonic::Status| matches!(status.code(), Code::Internal | Code::Unknown);
        assert!(!asked.as_ref().is_err_and(broken), "{asked:?}");
        assert!(!renamed.as_ref().is_err_and(broken), "{renamed:?}");
        let sessions: Vec<Session> = logins
            .into_iter()
            .chain([refreshed])
            .filter_map(Result::ok)
            .collect();
        for session in sessions {
            assert!(!service.knows(&session.access).await, "round {round}");
            assert!(service.refresh(&session.refresh).await.is_err(), "round {round}");
        }
        let url = service.config().database_url.expose().clone();
        let texts = [address.as_str(), &format!("new{round}@example.org")];
        assert_eq!(
            rows::holding(&url, &texts).await,
            Vec::<String>::new(),
            "round {round}"
        );
    }
}

async fn everything_that_is_held_is_told(service: Service) {
    let courses = FakeCourses::start();
    let service = beside(service, &courses).await;
    let ada = service.user(ADA).await;
    service.clock.turn(TimeDelta::seconds(1));
    let ended = service.login(ADA).await;
    service.log_out(&ended).await;
    service.reset_token(ADA).await;
    let export = || {
        let (mut accounts, request) = (service.accounts(), as_user(&ada.access, pb::ExportRequest {}));
        async move { accounts.export(request).await.unwrap().into_inner() }
    };
    let told = export().await;
    assert_eq!(told.profile, Some(service.profile(&ada.access).await.unwrap()));
    assert!(told.exported_at.is_some() && told.verified_at.is_some());
    let reasons: Vec<_> = told
        .sessions
        .iter()
        .map(|session| session.end_reason.as_deref())
        .collect();
    assert_eq!(reasons, [Some("logout"), None]);
    assert_eq!(told.sessions[1].factors, ["pwd"]);
    assert_eq!(
        (told.links.len(), told.links[0].purpose.as_str()),
        (1, "reset_password")
    );
    assert_eq!(told.mails.len(), 1);
    assert_eq!(
        (told.mails[0].kind.as_str(), told.mails[0].recipient.as_str()),
        ("reset_password", ADA)
    );
    assert!(told.events.iter().all(|event| event.kind != "data_exported"));
    assert_eq!(told.names_in_courses.unwrap().first_name, "Ada");
    assert_eq!(told.courses_taught, [course()]);
    assert_eq!(told.enrollments, [enrollment()]);
    assert_eq!(told.cut, ["courses_taught", "enrollments"]);
    let read = export().await.events;
    let read: Vec<_> = read
        .iter()
        .filter(|event| event.kind == "data_exported")
        .collect();
    assert_eq!(read.len(), 1, "that it was read is told");
    assert!(read[0].by_you && read[0].about_you);
    let shown = format!("{:?}", export().await);
    for secret in [PASSWORD, "argon2", &ada.refresh, &ada.access] {
        assert!(!shown.contains(secret));
    }
    refused(service.accounts().export(pb::ExportRequest {}).await).is(
        Code::Unauthenticated,
        "TOKEN_REQUIRED",
        "Authentication is required.",
    );
    // More than is told of one list.
    for _ in 0..1_000 {
        let event = SecurityEvent {
            id: Entropy::default().new_id(service.clock.now()).unwrap(),
            time: service.clock.now(),
            kind: EventKind::LoginFailed,
            actor_id: None,
            subject_id: Some(ada.user.id.parse().unwrap()),
            session_id: None,
            ip_address: String::new(),
            request_id: String::new(),
            detail: String::new(),
        };
        service.store.tell_of_export(&event).await.unwrap();
    }
    let told = export().await;
    assert_eq!(
        (told.events.len(), told.cut),
        (
            1_000,
            ["events", "courses_taught", "enrollments"]
                .map(str::to_owned)
                .to_vec()
        )
    );
}

async fn a_second_factor_is_told_without_its_secret(service: Service) {
    let courses = FakeCourses::start();
    let service = beside(service, &courses).await;
    let ada = service.user(ADA).await;
    let access = ada.access.clone();
    let export = || {
        let (mut accounts, request) = (service.accounts(), as_user(&access, pb::ExportRequest {}));
        async move { accounts.export(request).await.unwrap().into_inner().second_factor }
    };
    assert_eq!(export().await, None);
    let app = service.begin(&ada).await;
    let begun = export().await.unwrap();
    assert!(begun.created_at.is_some() && begun.counts_since.is_none());
    let codes = service.confirm(&ada, &app.code(service.clock.now())).await;
    let codes = codes.unwrap().into_inner().recovery_codes;
    service
        .step_up(&access, &app.wrong_code(service.clock.now()))
        .await
        .unwrap_err();
    assert_eq!(export().await.unwrap().failures, 1);
    service.step_up(&access, &codes[3]).await.unwrap();
    let told = export().await.unwrap();
    assert!(told.counts_since.is_some());
    let used = told.recovery_codes.iter().filter(|code| code.used_at.is_some());
    assert_eq!((told.recovery_codes.len(), used.count()), (10, 1));
    let shown = format!("{told:?}");
    assert!(!codes.iter().any(|code| shown.contains(code)));
}

async fn a_part_does_not_pass_for_the_whole(service: Service) {
    let courses = FakeCourses::start();
    let service = beside(service, &courses).await;
    let ada = service.user(ADA).await;
    for mood in [Mood::Unavailable, Mood::Broken, Mood::Asleep] {
        courses.feel(mood);
        let request = as_user(&ada.access, pb::ExportRequest {});
        let refused = refused(service.accounts().export(request).await);
        refused.is(
            Code::Unavailable,
            "COURSES_UNAVAILABLE",
            "A part of it cannot be read right now. Please try again.",
        );
        assert!(refused.retry);
    }
    assert!(!events(&service).await.contains(&"data_exported".to_owned()));
    // Going is not held up by it.
    try_to_delete(&service, &ada.access, PASSWORD).await.unwrap();
    assert!(!service.knows(&ada.access).await);
    assert_eq!(service.store.waiting_erasures().await.unwrap().0, 1);
    courses.feel(Mood::Well);
    until(async || {
        service.clock.turn(TimeDelta::seconds(1));
        service.store.waiting_erasures().await.unwrap().0 == 0
    })
    .await;
    assert_eq!(courses.erased().last().unwrap().user_id, ada.user.id);
}

/// Each copy leaves an event and asks course-service.
async fn copies_of_ones_data_are_taken_now_and_then(service: Service) {
    let courses = FakeCourses::start();
    let service = beside(service, &courses).await;
    let (ada, bob) = (service.user(ADA).await, service.user("bob@example.org").await);
    let export = |session: &Session| {
        let request = as_user(&session.access, pb::ExportRequest {});
        let mut accounts = service.accounts();
        async move { accounts.export(request).await }
    };
    for _ in 0..10 {
        export(&ada).await.unwrap();
    }
    // It is not even asked any more.
    courses.feel(Mood::Broken);
    let throttled = refused(export(&ada).await);
    throttled.is(
        Code::ResourceExhausted,
        "THROTTLED",
        "Too many attempts. Please try again later.",
    );
    assert!(throttled.retry);
    courses.feel(Mood::Well);
    let exports = events(&service).await;
    let exports = exports.iter().filter(|kind| *kind == "data_exported").count();
    assert_eq!(exports, 10);
    export(&bob).await.unwrap();
    service.clock.turn(TimeDelta::minutes(10));
    export(&ada).await.unwrap();
    assert_eq!(refused(export(&ada).await).reason, "THROTTLED");
}
