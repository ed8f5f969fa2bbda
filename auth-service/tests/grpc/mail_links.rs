//! The links in mails: good for a while, for one address, for an account that is there.

use proto::auth::v1 as pb;
use tonic::Code;

use crate::support::{PASSWORD, Refused, Service, as_user, mask, refused};

const ADA: &str = "ada@example.org";

fn assert_invalid(refused: &Refused) {
    let sentence = "Token is invalid or expired";
    refused
        .is(Code::InvalidArgument, "TOKEN_INVALID", sentence)
        .about(&[("token", sentence)]);
}

async fn verify(service: &Service, token: &str) -> Result<tonic::Response<pb::User>, tonic::Status> {
    let request = pb::VerifyEmailRequest {
        token: token.to_owned(),
    };
    service.accounts().verify_email(request).await
}

async fn confirm(service: &Service, token: &str) -> Result<tonic::Response<pb::User>, tonic::Status> {
    let request = pb::ConfirmUsernameRequest {
        token: token.to_owned(),
    };
    service.accounts().confirm_username(request).await
}

async fn reset(
    service: &Service,
    token: &str,
) -> Result<tonic::Response<pb::ResetPasswordResponse>, tonic::Status> {
    let request = pb::ResetPasswordRequest {
        token: token.to_owned(),
        password: "gravel lantern octopus".to_owned(),
        confirm_password: "gravel lantern octopus".to_owned(),
    };
    service.accounts().reset_password(request).await
}

#[tokio::test]
async fn a_changed_token_is_refused_everywhere() {
    let service = Service::on_sqlite().await;
    let good = service.register(ADA).await;
    let mut last_flipped = good.clone().into_bytes();
    let last = last_flipped.last_mut().unwrap();
    *last = if *last == b'A' { b'B' } else { b'A' };
    let last_flipped = String::from_utf8(last_flipped).unwrap();
    for bad in [
        "",
        " ",
        "oem_",
        &good[4..],
        &good[..good.len() - 1],
        &format!("{good}A"),
        &format!("{good}="),
        &format!(" {good}"),
        &format!("{good}\0"),
        &good.to_lowercase(),
        &last_flipped,
        &"x".repeat(100_000),
        "\u{202e}",
    ] {
        assert_invalid(&refused(verify(&service, bad).await));
        assert_invalid(&refused(reset(&service, bad).await));
        assert_invalid(&refused(confirm(&service, bad).await));
    }
    verify(&service, &good).await.unwrap();
}

#[tokio::test]
async fn every_unexpired_verification_mail_works() {
    let service = Service::on_sqlite().await;
    let first = service.register(ADA).await;
    let request = pb::ResendVerificationRequest {
        username: ADA.to_owned(),
    };
    service.accounts().resend_verification(request).await.unwrap();
    let second = service.token_to(ADA).await;
    assert_ne!(first, second);
    let one = verify(&service, &second).await.unwrap().into_inner();
    let two = verify(&service, &first).await.unwrap().into_inner();
    assert!(one.is_active);
    assert_eq!(one, two);
}

#[tokio::test]
async fn an_account_that_is_gone_is_told_while_the_link_is_good() {
    let service = Service::on_sqlite().await;
    let verification = service.register(ADA).await;
    service.remove(ADA).await;
    let gone = "User could not be activated";
    refused(verify(&service, &verification).await).is(Code::InvalidArgument, "ACCOUNT_GONE", gone);

    let bob = service.user("bob@example.org").await;
    let reset_token = service.reset_token("bob@example.org").await;
    let new = service.confirm_token(&bob.access, "new@example.org").await;
    service.remove("bob@example.org").await;
    refused(confirm(&service, &new).await).is(Code::InvalidArgument, "ACCOUNT_GONE", gone);
    // Whoever resets a password learns nothing of accounts.
    assert_invalid(&refused(reset(&service, &reset_token).await));

    service.clock.turn(chrono::TimeDelta::minutes(15));
    assert_invalid(&refused(verify(&service, &verification).await));
    assert_invalid(&refused(confirm(&service, &new).await));
}

#[tokio::test]
async fn a_reset_reads_its_fields_and_keeps_the_token_for_a_better_try() {
    let service = Service::on_sqlite().await;
    service.add_user(ADA).await;
    let token = service.reset_token(ADA).await;
    let with = |password: &str, confirm_password: &str| pb::ResetPasswordRequest {
        token: token.clone(),
        password: password.to_owned(),
        confirm_password: confirm_password.to_owned(),
    };
    refused(service.accounts().reset_password(with("", "")).await).is_about(&[
        ("password", "The password field is required"),
        ("confirm_password", "The confirm password field is required"),
    ]);
    refused(
        service
            .accounts()
            .reset_password(with("gravel lantern octopus", "x"))
            .await,
    )
    .is_about(&[("confirm_password", "Passwords are not matching.")]);
    refused(
        service
            .accounts()
            .reset_password(with("password", "password"))
            .await,
    )
    .is_about(&[(
        "password",
        "The password is too easy to guess. Use more or rarer words.",
    )]);
    refused(
        service
            .accounts()
            .reset_password(with("ada@example.org", "ada@example.org"))
            .await,
    )
    .is_about(&[("password", "The password is too close to your own data.")]);
    reset(&service, &token).await.unwrap();
}

#[tokio::test]
async fn a_reset_is_worth_nothing_once_the_password_changed() {
    let service = Service::on_sqlite().await;
    let ada = service.user(ADA).await;
    let (older, newer) = (service.reset_token(ADA).await, service.reset_token(ADA).await);
    reset(&service, &newer).await.unwrap();
    assert_invalid(&refused(reset(&service, &older).await));

    let third = service.reset_token(ADA).await;
    let ada = service
        .login_with(&ada.user.username, "gravel lantern octopus")
        .await
        .unwrap();
    let change = pb::ChangePasswordRequest {
        current_password: "gravel lantern octopus".to_owned(),
        password: PASSWORD.to_owned(),
        confirm_password: PASSWORD.to_owned(),
    };
    let change = crate::support::as_user(&ada.access, change);
    service.accounts().change_password(change).await.unwrap();
    assert_invalid(&refused(reset(&service, &third).await));
    service.login_with(ADA, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn links_of_a_former_address_are_worth_nothing() {
    let service = Service::on_sqlite().await;
    let verification = service.register(ADA).await;
    verify(&service, &verification).await.unwrap();
    let session = service.login(ADA).await;
    let reset_token = service.reset_token(ADA).await;
    let first = service.confirm_token(&session.access, "first@example.org").await;
    let second = service.confirm_token(&session.access, "second@example.org").await;
    assert_invalid(&refused(confirm(&service, &first).await));
    confirm(&service, &second).await.unwrap();
    assert_invalid(&refused(confirm(&service, &first).await));
    assert_invalid(&refused(reset(&service, &reset_token).await));
    assert_invalid(&refused(verify(&service, &verification).await));
}

#[tokio::test]
async fn an_address_taken_meanwhile_is_told() {
    let service = Service::on_sqlite().await;
    let ada = service.user(ADA).await;
    let token = service.confirm_token(&ada.access, "wanted@example.org").await;
    service.add_user("Wanted@example.org").await;
    refused(confirm(&service, &token).await).is(
        Code::AlreadyExists,
        "USERNAME_TAKEN",
        "A user with that username already exists.",
    );
    service.login(ADA).await;
}

#[tokio::test]
async fn a_new_password_takes_back_a_change_of_address_that_waits() {
    const THIEF: &str = "thief@example.org";
    for by_mail in [false, true] {
        let service = Service::on_sqlite().await;
        let ada = service.user(ADA).await;
        let token = service.confirm_token(&ada.access, THIEF).await;
        if by_mail {
            let reset_token = service.reset_token(ADA).await;
            reset(&service, &reset_token).await.unwrap();
        } else {
            let request = pb::ChangePasswordRequest {
                current_password: PASSWORD.to_owned(),
                password: "gravel lantern octopus".to_owned(),
                confirm_password: "gravel lantern octopus".to_owned(),
            };
            let request = as_user(&ada.access, request);
            service.accounts().change_password(request).await.unwrap();
        }
        assert_eq!(
            confirm(&service, &token).await.unwrap_err().code(),
            Code::InvalidArgument
        );
        let ada = service.login_with(ADA, "gravel lantern octopus").await.unwrap();
        assert_eq!(service.profile(&ada.access).await.unwrap().pending_username, None);
    }
}

#[tokio::test]
async fn a_deactivated_account_takes_no_new_address() {
    let service = Service::on_sqlite().await;
    let ada = service.user(ADA).await;
    let staff = service.staff("staff@example.org").await;
    let token = service.confirm_token(&ada.access, "new@example.org").await;
    let request = pb::UpdateUserRequest {
        id: ada.user.id.clone(),
        user: Some(pb::User::default()),
        update_mask: mask(&["is_active"]),
        etag: String::new(),
    };
    service
        .users()
        .update_user(as_user(&staff.access, request))
        .await
        .unwrap();
    assert_eq!(
        confirm(&service, &token).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}
