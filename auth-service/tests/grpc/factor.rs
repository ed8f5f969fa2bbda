//! `FactorService`, `StepUp`, and logging in with a second factor.

use chrono::TimeDelta;
use proto::auth::v1 as pb;
use tonic::Code;

use crate::{
    on_both_databases,
    support::{PASSWORD, Refused, Service, as_service, as_user, mask, refused},
};

const ADA: &str = "ada@example.org";
const WRONG: (Code, &str, &str) = (
    Code::InvalidArgument,
    "CODE_INVALID",
    "The code is wrong, or was used already.",
);
const MISSING: (Code, &str, &str) = (
    Code::FailedPrecondition,
    "SECOND_FACTOR_MISSING",
    "This account has no second factor. Set one up first.",
);
const EXISTS: (Code, &str, &str) = (
    Code::FailedPrecondition,
    "SECOND_FACTOR_EXISTS",
    "This account has a second factor. Remove it first.",
);
const NOT_STARTED: (Code, &str, &str) = (
    Code::FailedPrecondition,
    "SECOND_FACTOR_NOT_STARTED",
    "There is nothing to confirm. Begin again.",
);
const NOT_FRESH: (Code, &str, &str) = (
    Code::Unauthenticated,
    "INSUFFICIENT_USER_AUTHENTICATION",
    "A second factor used in the last 5 minutes is required.",
);

on_both_databases!(
    an_app_is_set_up_and_then_asked_for,
    nothing_counts_before_it_is_confirmed,
    stepping_up_elevates_one_token_and_nothing_else,
    a_factor_that_is_gone_proves_nothing,
    removing_takes_a_code_or_a_fresh_factor,
    recovery_codes_work_once_and_new_ones_replace_them,
    a_password_reset_does_not_get_around_it,
    making_staff_takes_a_fresh_factor,
    the_trail_and_the_mailbox_are_told,
);

#[track_caller]
fn is(refused: &Refused, (code, reason, message): (Code, &str, &str)) {
    refused.is(code, reason, message);
}

/// What `Authorize` says somebody has proved.
async fn factors(service: &Service, access: &str) -> Vec<String> {
    let request = as_service(pb::AuthorizeRequest {
        access_token: access.to_owned(),
    });
    let answer = service.tokens().authorize(request).await.unwrap();
    answer.into_inner().factors
}

async fn stepped_up(service: &Service, access: &str, code: &str) -> String {
    let answer = service.step_up(access, code).await.unwrap().into_inner();
    assert_eq!((answer.token_type.as_str(), answer.expires_in), ("Bearer", 900));
    answer.access
}

async fn renew(
    service: &Service,
    access: &str,
    code: &str,
) -> Result<tonic::Response<pb::RecoveryCodes>, tonic::Status> {
    let code = code.to_owned();
    let request = as_user(access, pb::RenewRecoveryCodesRequest { code });
    service.factors().renew_recovery_codes(request).await
}

async fn an_app_is_set_up_and_then_asked_for(service: Service) {
    let here = service.user(ADA).await;
    let elsewhere = service.login(ADA).await;
    let before = service.profile(&here.access).await.unwrap();
    assert!(!before.has_totp);
    let ada = service.set_up(&here).await;
    assert_eq!(ada.recovery_codes.len(), 10);
    let after = service.profile(&here.access).await.unwrap();
    assert!(after.has_totp);
    assert_ne!(after.etag, before.etag);
    assert!(
        !service.knows(&elsewhere.access).await,
        "other sessions have ended"
    );
    assert!(service.refresh(&elsewhere.refresh).await.is_err());

    let login = |password: &'static str, code: String| {
        let service = &service;
        async move { service.login_with_code(ADA, password, &code).await.map(drop) }
    };
    let required = Refused::from(login(PASSWORD, String::new()).await.unwrap_err());
    required.is(
        Code::Unauthenticated,
        "SECOND_FACTOR_REQUIRED",
        "A code of your authenticator app is required.",
    );
    // Whoever does not know the password learns nothing of a second factor.
    let good = ada.next_code(&service);
    let now = service.clock.now();
    let confirming = ada.app.code(now - TimeDelta::seconds(30));
    for (password, code) in [
        ("not the password", String::new()),
        ("not the password", good.clone()),
        (PASSWORD, ada.app.wrong_code(now)),
        (PASSWORD, "what no code looks like".to_owned()),
        (PASSWORD, confirming),
    ] {
        let refused = Refused::from(login(password, code).await.unwrap_err());
        refused.is(
            Code::Unauthenticated,
            "INVALID_CREDENTIALS",
            "Invalid username/password",
        );
        assert!(!refused.retry && refused.fields.is_empty());
    }
    let session = service.login_with_code(ADA, PASSWORD, &good).await.unwrap();
    assert_eq!(factors(&service, &session.access).await, ["pwd", "otp"]);
    assert_eq!(factors(&service, &here.access).await, ["pwd"]);
    let again = Refused::from(login(PASSWORD, good).await.unwrap_err());
    assert_eq!(again.reason, "INVALID_CREDENTIALS", "a code works once");
    let next = service.refresh(&session.refresh).await.unwrap();
    assert_eq!(factors(&service, &next.access).await, ["pwd", "otp"]);

    // An account without one does not care for a code.
    service.add_user("bob@example.org").await;
    let bob = service.login_with_code("bob@example.org", PASSWORD, "123456");
    assert_eq!(factors(&service, &bob.await.unwrap().access).await, ["pwd"]);
}

async fn nothing_counts_before_it_is_confirmed(service: Service) {
    let ada = service.user(ADA).await;
    let now = service.clock.now();
    is(&refused(service.confirm(&ada, "123456").await), NOT_STARTED);
    let first = service.begin(&ada).await;
    assert!(!service.profile(&ada.access).await.unwrap().has_totp);
    service.login(ADA).await;
    is(
        &refused(service.step_up(&ada.access, &first.code(now)).await),
        MISSING,
    );
    is(&refused(service.remove_factor(&ada.access, "").await), MISSING);
    is(&refused(renew(&service, &ada.access, "").await), MISSING);

    let second = service.begin(&ada).await;
    let missing = refused(service.confirm(&ada, " ").await);
    missing.is_about(&[("code", "The code field is required")]);
    for wrong in [first.code(now), second.wrong_code(now), "AAAA".to_owned()] {
        let refused = refused(service.confirm(&ada, &wrong).await);
        is(&refused, WRONG);
        refused.about(&[("code", WRONG.2)]);
    }
    service.confirm(&ada, &second.code(now)).await.unwrap();
    let later = second.code(now + TimeDelta::seconds(30));
    is(&refused(service.confirm(&ada, &later).await), EXISTS);
    let again = as_user(&ada.access, pb::StartTotpRequest {});
    is(&refused(service.factors().start_totp(again).await), EXISTS);
    stepped_up(&service, &ada.access, &later).await;
}

async fn stepping_up_elevates_one_token_and_nothing_else(service: Service) {
    let ada = service.coded(ADA).await;
    let access = ada.session.access.as_str();
    let missing = refused(service.step_up(access, "").await);
    missing.is_about(&[("code", "The code field is required")]);
    let code = ada.next_code(&service);
    let elevated = stepped_up(&service, access, &code).await;
    assert_eq!(factors(&service, &elevated).await, ["pwd", "otp"]);
    is(&refused(service.step_up(access, &code).await), WRONG);

    assert_eq!(factors(&service, access).await, ["pwd"]);
    let refreshed = service.refresh(&ada.session.refresh).await.unwrap();
    assert_eq!(factors(&service, &refreshed.access).await, ["pwd"]);
    // The same session: it ends with it, and no later.
    service.log_out(&refreshed).await;
    assert!(!service.knows(&elevated).await);

    let bob = service.user("bob@example.org").await;
    is(&refused(service.step_up(&bob.access, "123456").await), MISSING);
}

async fn a_factor_that_is_gone_proves_nothing(service: Service) {
    let ada = service.coded(ADA).await;
    let access = ada.session.access.as_str();
    let elevated = stepped_up(&service, access, &ada.next_code(&service)).await;
    service.remove_factor(&elevated, "").await.unwrap();
    assert!(!service.profile(access).await.unwrap().has_totp);
    assert_eq!(factors(&service, &elevated).await, ["pwd"]);
    service.login(ADA).await;

    service.clock.turn(TimeDelta::seconds(1));
    let other = service.set_up(&ada.session).await;
    assert_eq!(factors(&service, &elevated).await, ["pwd"], "another factor");
    let old = ada.next_code(&service);
    is(&refused(service.step_up(access, &old).await), WRONG);
    for code in &ada.recovery_codes[..3] {
        is(&refused(service.step_up(access, code).await), WRONG);
    }
    is(&refused(service.remove_factor(&elevated, "").await), NOT_FRESH);
    service.clock.turn(TimeDelta::minutes(10));
    other.login(&service).await;
}

async fn removing_takes_a_code_or_a_fresh_factor(service: Service) {
    let ada = service.coded(ADA).await;
    let access = ada.session.access.as_str();
    let elsewhere = ada.login(&service).await;
    let elevated = stepped_up(&service, access, &ada.next_code(&service)).await;
    service.clock.turn(TimeDelta::minutes(5) + TimeDelta::seconds(1));
    for access in [access, &elevated] {
        is(&refused(service.remove_factor(access, "").await), NOT_FRESH);
    }
    let wrong = ada.app.wrong_code(service.clock.now());
    is(&refused(service.remove_factor(access, &wrong).await), WRONG);
    assert!(service.profile(access).await.unwrap().has_totp);

    let code = ada.next_code(&service);
    service.remove_factor(access, &code).await.unwrap();
    assert!(
        !service.knows(&elsewhere.access).await,
        "other sessions have ended"
    );
    assert!(service.knows(access).await);
    is(&refused(service.remove_factor(access, &code).await), MISSING);
    service.login(ADA).await;
}

async fn recovery_codes_work_once_and_new_ones_replace_them(service: Service) {
    let ada = service.coded(ADA).await;
    let access = ada.session.access.as_str();
    let codes = &ada.recovery_codes;
    let distinct: std::collections::BTreeSet<_> = codes.iter().collect();
    assert_eq!(distinct.len(), 10);
    // In any order, and as people type them.
    let session = service.login_with_code(ADA, PASSWORD, &codes[9]).await.unwrap();
    assert_eq!(factors(&service, &session.access).await, ["pwd", "otp"]);
    stepped_up(&service, access, &codes[0].to_lowercase().replace('-', " ")).await;
    for used in [&codes[9], &codes[0]] {
        is(&refused(service.step_up(access, used).await), WRONG);
    }
    is(&refused(renew(&service, access, "").await), NOT_FRESH);
    let new = renew(&service, access, &codes[5]).await.unwrap().into_inner();
    assert_eq!(new.recovery_codes.len(), 10);
    assert!(codes.iter().all(|former| !new.recovery_codes.contains(former)));
    for former in &codes[1..5] {
        is(&refused(service.step_up(access, former).await), WRONG);
    }
    let elevated = stepped_up(&service, access, &new.recovery_codes[1]).await;
    renew(&service, &elevated, "").await.unwrap();
    let former = &new.recovery_codes[2];
    is(&refused(service.step_up(access, former).await), WRONG);
    // One person's codes are worth nothing to another.
    let bob = service.coded("bob@example.org").await;
    let refused = refused(service.step_up(access, &bob.recovery_codes[0]).await);
    is(&refused, WRONG);
}

async fn a_password_reset_does_not_get_around_it(service: Service) {
    let ada = service.coded(ADA).await;
    let new = "gravel lantern octopus".to_owned();
    let request = pb::ResetPasswordRequest {
        token: service.reset_token(ADA).await,
        password: new.clone(),
        confirm_password: new.clone(),
    };
    service.accounts().reset_password(request).await.unwrap();
    let without = service.login_with(ADA, &new).await;
    let without = Refused::from(without.unwrap_err());
    assert_eq!(without.reason, "SECOND_FACTOR_REQUIRED");
    let code = ada.next_code(&service);
    let session = service.login_with_code(ADA, &new, &code).await.unwrap();
    assert!(service.profile(&session.access).await.unwrap().has_totp);
}

async fn making_staff_takes_a_fresh_factor(service: Service) {
    let root = service.staff("root@example.org").await;
    let bob = service.add_user("bob@example.org").await;
    let update = |access: &str, is_staff| {
        let request = pb::UpdateUserRequest {
            id: bob.id.to_string(),
            user: Some(pb::User {
                is_staff,
                is_active: true,
                ..Default::default()
            }),
            update_mask: mask(&["is_staff", "is_active"]),
            etag: String::new(),
        };
        let (mut users, request) = (service.users(), as_user(access, request));
        async move { users.update_user(request).await }
    };
    // Who has none needs none.
    update(&root.access, true).await.unwrap();
    update(&root.access, false).await.unwrap();
    let root = service.set_up(&root).await;
    let access = root.session.access.as_str();
    is(&refused(update(access, true).await), NOT_FRESH);
    // Anything else goes on as before, and so does taking rights away.
    update(access, false).await.unwrap();
    let elevated = stepped_up(&service, access, &root.next_code(&service)).await;
    update(&elevated, true).await.unwrap();
    update(access, true).await.expect("it changes nothing");
    update(access, false).await.unwrap();
    service.clock.turn(TimeDelta::minutes(5) + TimeDelta::seconds(1));
    is(&refused(update(&elevated, true).await), NOT_FRESH);
}

async fn the_trail_and_the_mailbox_are_told(service: Service) {
    let ada = service.coded(ADA).await;
    let access = ada.session.access.as_str();
    let wrong = ada.app.wrong_code(service.clock.now());
    refused(service.step_up(access, &wrong).await);
    service.login_with_code(ADA, PASSWORD, &wrong).await.unwrap_err();
    stepped_up(&service, access, &ada.recovery_codes[0]).await;
    renew(&service, access, &ada.recovery_codes[1]).await.unwrap();
    let code = ada.next_code(&service);
    service.remove_factor(access, &code).await.unwrap();

    let events: Vec<(String, String, Option<uuid::Uuid>)> = service_runtime::on!(&service.database, |pool| {
        // Of the others some come a moment later.
        sqlx::query_as(
            "SELECT severity, kind, actor_id FROM security_events \
             WHERE kind NOT IN ('login_succeeded', 'login_failed', 'signing_key_added') ORDER BY time, id",
        )
        .fetch_all(pool)
        .await
    })
    .unwrap();
    let id: uuid::Uuid = ada.session.user.id.parse().unwrap();
    let expected = [
        ("info", "factor_added", Some(id)),
        ("warning", "factor_failed", Some(id)),
        // Who logs in is not known yet.
        ("warning", "factor_failed", None),
        ("warning", "recovery_code_used", Some(id)),
        ("info", "factor_proved", Some(id)),
        ("warning", "recovery_code_used", Some(id)),
        ("info", "recovery_codes_replaced", Some(id)),
        ("warning", "factor_removed", Some(id)),
    ];
    let mut expected: Vec<_> = expected
        .map(|(severity, kind, actor)| (severity.to_owned(), kind.to_owned(), actor))
        .to_vec();
    // Those of one moment have ids of chance.
    let mut events = events;
    events.sort();
    expected.sort();
    assert_eq!(events, expected);

    let mut subjects = Vec::new();
    for _ in 0..5 {
        let mail = service.mail_to(ADA).await;
        let text = test_support::mail::text(&mail).unwrap();
        assert!(!ada.recovery_codes.iter().any(|code| text.contains(code)));
        subjects.push(test_support::mail::subject(&mail).unwrap());
    }
    subjects.sort();
    let expected = [
        "A recovery code was used",
        "A recovery code was used",
        "Logging in takes a code from now on",
        "Logging in takes no code any more",
        "You have new recovery codes",
    ];
    assert_eq!(subjects, expected);
}
