//! What time does to second factors: how long a code is good, how long wrong ones make waiting, how old a login may be.

use chrono::TimeDelta;
use proto::auth::v1 as pb;
use tonic::Code;

use crate::{
    on_both_databases,
    support::{PASSWORD, Refused, Service, SetUp, as_user, refused},
};

const ADA: &str = "ada@example.org";
const STEP: TimeDelta = TimeDelta::seconds(30);

on_both_databases!(
    a_code_is_good_one_step_around_now_and_once,
    wrong_codes_make_waiting_and_recovery_codes_do_not_wait,
    only_a_recent_login_sets_one_up,
    setting_one_up_does_not_take_longer_than_that,
);

async fn a_code_is_good_one_step_around_now_and_once(service: Service) {
    let ada = service.coded(ADA).await;
    let access = ada.session.access.as_str();
    service.clock.turn(STEP * 10);
    let now = service.clock.now();
    let code = |steps| ada.app.code(now + STEP * steps);
    for (steps, good) in [(-2, false), (-1, true), (0, true), (2, false), (1, true)] {
        let answer = service.step_up(access, &code(steps)).await;
        assert_eq!(answer.is_ok(), good, "{steps}: {answer:?}");
    }
    for steps in [-1, 0, 1] {
        let again = refused(service.step_up(access, &code(steps)).await);
        assert_eq!(again.reason, "CODE_INVALID", "{steps}");
    }
    // A clock that goes back makes no code good again.
    service.clock.turn(-STEP);
    let again = refused(service.step_up(access, &code(0)).await);
    assert_eq!(again.reason, "CODE_INVALID");
    service.clock.turn(STEP * 2);
    service.step_up(access, &code(2)).await.unwrap();
}

/// Enters a wrong code.
async fn guess(service: &Service, ada: &SetUp, access: &str) -> Refused {
    let wrong = ada.app.wrong_code(service.clock.now());
    refused(service.step_up(access, &wrong).await)
}

async fn wrong_codes_make_waiting_and_recovery_codes_do_not_wait(service: Service) {
    let ada = service.coded(ADA).await;
    let access = ada.session.access.as_str();
    for _ in 0..5 {
        assert_eq!(guess(&service, &ada, access).await.reason, "CODE_INVALID");
    }
    let mut mail = Vec::new();
    for _ in 0..2 {
        mail.push(test_support::mail::subject(service.mail_to(ADA).await).unwrap());
    }
    assert_eq!(mail[1], "Somebody enters wrong codes");
    // From now on a right code is not looked at either, and does not count as used.
    let good = ada.app.code(service.clock.now() + STEP);
    let throttled = refused(service.step_up(access, &good).await);
    throttled.is(
        Code::ResourceExhausted,
        "CODE_THROTTLED",
        "Too many wrong codes. Please wait, or use a recovery code.",
    );
    assert!(throttled.retry);
    for answer in [
        service.remove_factor(access, &good).await.map(drop),
        service.confirm(&ada.session, &good).await.map(drop),
    ] {
        let refused = Refused::from(answer.unwrap_err());
        assert!(
            ["CODE_THROTTLED", "SECOND_FACTOR_EXISTS"].contains(&refused.reason.as_str()),
            "{refused:?}"
        );
    }
    // A login does not say so.
    let login = service.login_with_code(ADA, PASSWORD, &good).await;
    Refused::from(login.unwrap_err()).is(
        Code::Unauthenticated,
        "INVALID_CREDENTIALS",
        "Invalid username/password",
    );
    service.clock.turn(TimeDelta::seconds(29));
    let throttled = refused(service.step_up(access, &good).await);
    assert_eq!(throttled.reason, "CODE_THROTTLED");
    service.clock.turn(TimeDelta::seconds(1));
    // Each wrong one doubles the waiting, and it stays short.
    for seconds in [60, 120, 240] {
        assert_eq!(guess(&service, &ada, access).await.reason, "CODE_INVALID");
        service.clock.turn(TimeDelta::seconds(seconds - 1));
        assert_eq!(guess(&service, &ada, access).await.reason, "CODE_THROTTLED");
        service.clock.turn(TimeDelta::seconds(1));
    }
    assert_eq!(guess(&service, &ada, access).await.reason, "CODE_INVALID");
    // Whoever has a recovery code does not wait, and nothing is held against the app any more.
    service.step_up(access, &ada.recovery_codes[0]).await.unwrap();
    assert_eq!(guess(&service, &ada, access).await.reason, "CODE_INVALID");
    let good = ada.app.code(service.clock.now());
    service.step_up(access, &good).await.unwrap();
    // What no code looks like is no guess, and a code that was used is none either.
    for _ in 0..10 {
        for text in ["12345", &good] {
            let refused = refused(service.step_up(access, text).await);
            assert_eq!(refused.reason, "CODE_INVALID");
        }
    }
    let code = ada.app.code(service.clock.now() + STEP);
    service.step_up(access, &code).await.unwrap();
}

async fn only_a_recent_login_sets_one_up(service: Service) {
    let ada = service.user(ADA).await;
    let start = |access: &str| {
        let (mut factors, request) = (service.factors(), as_user(access, pb::StartTotpRequest {}));
        async move { factors.start_totp(request).await }
    };
    service.clock.turn(TimeDelta::minutes(14));
    start(&ada.access).await.unwrap();
    service.clock.turn(TimeDelta::minutes(1) + TimeDelta::seconds(1));
    let ada = service.refresh(&ada.refresh).await.unwrap();
    refused(start(&ada.access).await).is(
        Code::Unauthenticated,
        "LOGIN_TOO_OLD",
        "Please log in again: this needs a login of the last 15 minutes.",
    );
    let again = service.login(ADA).await;
    start(&again.access).await.unwrap();
}

async fn setting_one_up_does_not_take_longer_than_that(service: Service) {
    let ada = service.user(ADA).await;
    let app = service.begin(&ada).await;
    service.clock.turn(TimeDelta::minutes(15));
    let ada = service.refresh(&ada.refresh).await.unwrap();
    let late = refused(service.confirm(&ada, &app.code(service.clock.now())).await);
    assert_eq!(late.reason, "SECOND_FACTOR_NOT_STARTED");
    let ada = service.login(ADA).await;
    let app = service.begin(&ada).await;
    service.clock.turn(TimeDelta::minutes(14));
    let ada = service.refresh(&ada.refresh).await.unwrap();
    service
        .confirm(&ada, &app.code(service.clock.now()))
        .await
        .unwrap();
}
