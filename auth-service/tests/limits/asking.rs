//! Limits on what is asked for: mails, registrations, and changes of an account by who is logged in to it.

use chrono::TimeDelta;
use proto::auth::v1 as pb;
use service_runtime::on;
use tonic::{Code, Status};

use crate::{
    ADA, HOME, SCHOOL, fill, on_both_databases, pupil,
    support::{Ground, PASSWORD, Service, as_service_from, as_user, mask, refused, registration},
};

on_both_databases!(
    three_mails_in_a_burst_arrive_and_a_flood_does_not,
    registrations_from_one_network_run_out,
    how_one_logs_in_is_changed_now_and_then,
);

#[track_caller]
fn throttled<T: std::fmt::Debug>(answer: Result<tonic::Response<T>, Status>) {
    let refused = refused(answer);
    refused.is(
        Code::ResourceExhausted,
        "THROTTLED",
        "Too many attempts. Please try again later.",
    );
    assert!(refused.retry, "it says when to try again");
}

/// Changes a password with what is said to be the current one.
async fn change_password(
    service: &Service,
    access: &str,
    current: &str,
) -> Result<tonic::Response<pb::ChangePasswordResponse>, Status> {
    let request = pb::ChangePasswordRequest {
        current_password: current.to_owned(),
        password: "gravel lantern octopus".to_owned(),
        confirm_password: "gravel lantern octopus".to_owned(),
    };
    service.accounts().change_password(as_user(access, request)).await
}

async fn three_mails_in_a_burst_arrive_and_a_flood_does_not(service: Service) {
    service.add_user(ADA).await;
    let ask = async |username: &str| {
        let request = pb::RequestPasswordResetRequest {
            username: username.to_owned(),
        };
        let asked = service
            .accounts()
            .request_password_reset(as_service_from(HOME, request))
            .await;
        assert_eq!(asked.unwrap().into_inner(), pb::RequestPasswordResetResponse {});
    };
    for _ in 0..3 {
        ask("ADA@example.org").await;
    }
    assert_eq!(service.mails().await, 3);
    for _ in 0..10 {
        ask(ADA).await;
        ask("nobody@example.org").await;
    }
    assert_eq!(service.mails().await, 4, "the same answer, and no mail");
    service.clock.turn(TimeDelta::minutes(10));
    ask(ADA).await;
    assert_eq!(service.mails().await, 5);
    let clear: i64 = on!(&service.database, |pool| {
        sqlx::query_scalar(
            "SELECT count(*) FROM throttles WHERE length(account) <> 16 AND length(network) <> 16",
        )
        .fetch_one(pool)
        .await
    })
    .unwrap();
    assert_eq!(clear, 0, "only keyed hashes are kept");

    fill(&service, "mail_network").await;
    let request = pb::ResendVerificationRequest {
        username: "nobody@example.org".to_owned(),
    };
    throttled(
        service
            .accounts()
            .resend_verification(as_service_from(HOME, request.clone()))
            .await,
    );
    service
        .accounts()
        .resend_verification(as_service_from(SCHOOL, request))
        .await
        .unwrap();
}

async fn registrations_from_one_network_run_out(service: Service) {
    let register = async |address: &str, username: &str| {
        service
            .accounts()
            .register(as_service_from(address, registration(username)))
            .await
    };
    register(SCHOOL, ADA).await.unwrap();
    fill(&service, "registration").await;
    throttled(register(SCHOOL, "bob@example.org").await);
    refused(register(SCHOOL, "").await).is(
        Code::InvalidArgument,
        "INVALID_FIELDS",
        "The username field is required",
    );
    register(HOME, "bob@example.org").await.unwrap();
    service.clock.turn(TimeDelta::seconds(10));
    register(SCHOOL, "cy@example.org").await.unwrap();
}

/// Each change queues a mail to its owner. What it takes has been proved, so that nobody else uses up their share.
async fn how_one_logs_in_is_changed_now_and_then(service: Service) {
    let ada = service.coded(ADA).await;
    let elevated = ada.login(&service).await.access;
    let renew = async |code: &str| {
        let code = code.to_owned();
        let request = as_user(&elevated, pb::RenewRecoveryCodesRequest { code });
        service.factors().renew_recovery_codes(request).await
    };
    let change = async |current: &str| change_password(&service, &elevated, current).await;
    // What fails is not counted.
    refused(change("a guess").await).about(&[("current_password", "The current password is wrong.")]);
    let wrong = ada.app.wrong_code(service.clock.now());
    refused(renew(&wrong).await).about(&[("code", "The code is wrong, or was used already.")]);
    let before = service.mails().await;
    // Setting up was one.
    for _ in 1..20 {
        renew("").await.unwrap();
    }
    assert_eq!(service.mails().await, before + 19);
    throttled(renew("").await);
    throttled(change(PASSWORD).await);
    throttled(service.remove_factor(&elevated, "").await);
    assert_eq!(service.mails().await, before + 19);
    assert!(service.profile(&elevated).await.unwrap().has_totp);

    let bob = service.user("bob@example.org").await;
    let mut app = service.begin(&bob).await;
    for _ in 0..10 {
        let code = app.code(service.clock.now());
        service.confirm(&bob, &code).await.unwrap();
        let later = app.code(service.clock.now() + TimeDelta::seconds(30));
        service.remove_factor(&bob.access, &later).await.unwrap();
        app = service.begin(&bob).await;
    }
    let code = app.code(service.clock.now());
    throttled(service.confirm(&bob, &code).await);

    service.clock.turn(TimeDelta::minutes(10));
    change(PASSWORD).await.unwrap();
    throttled(renew(&ada.app.code(service.clock.now())).await);
}

#[tokio::test]
async fn who_registers_a_taken_address_again_and_again_mails_it_four_times() {
    let set = |values: service_runtime::settings::Values| values.with("ACCOUNTS_DISCLOSE_EXISTING", "false");
    let service = Service::with(Ground::sqlite(), set).await.unwrap();
    service.add_user(ADA).await;
    for _ in 0..6 {
        service.accounts().register(registration(ADA)).await.unwrap();
    }
    assert_eq!(service.mails().await, 4);
}

#[tokio::test]
async fn who_is_logged_in_cannot_guess_the_password_either() {
    let service = Service::on_sqlite().await;
    let ada = service.user(ADA).await;
    let change = async |current: &str| change_password(&service, &ada.access, current).await;
    for _ in 0..10 {
        refused(change("a guess").await).is_about(&[("current_password", "The current password is wrong.")]);
    }
    throttled(change("a guess").await);
    throttled(change(PASSWORD).await);
    service.clock.turn(TimeDelta::minutes(1));
    change(PASSWORD).await.unwrap();
}

#[tokio::test]
async fn new_addresses_are_asked_for_now_and_then() {
    let service = Service::on_sqlite().await;
    let ada = service.user(ADA).await;
    let change = async |username: String| {
        let request = pb::UpdateProfileRequest {
            profile: Some(pb::Profile {
                username,
                ..Default::default()
            }),
            update_mask: mask(&["username"]),
            etag: String::new(),
        };
        service
            .accounts()
            .update_profile(as_user(&ada.access, request))
            .await
    };
    for place in 0..5 {
        change(pupil(place)).await.unwrap();
    }
    throttled(change(pupil(5)).await);
    service.clock.turn(TimeDelta::minutes(10));
    change(pupil(5)).await.unwrap();
}
