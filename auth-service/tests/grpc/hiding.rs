//! `ACCOUNTS_DISCLOSE_EXISTING=false`, and the calls that never tell which addresses have accounts.

use proto::auth::v1 as pb;
use tonic::Code;

use crate::support::{Ground, PASSWORD, Service, as_user, mask, refused, registration};

const ADA: &str = "ada@example.org";
const BOB: &str = "bob@example.org";

async fn hiding() -> Service {
    let set = |values: service_runtime::settings::Values| values.with("ACCOUNTS_DISCLOSE_EXISTING", "false");
    Service::with(Ground::sqlite(), set).await.unwrap()
}

#[tokio::test]
async fn a_taken_address_answers_as_a_free_one() {
    let service = hiding().await;
    service.add_user(ADA).await;
    let request = pb::RegisterRequest {
        first_name: "Eve".to_owned(),
        request_id: "key".to_owned(),
        ..registration("ADA@example.org")
    };
    let answer = service
        .accounts()
        .register(request.clone())
        .await
        .unwrap()
        .into_inner();
    let free = pb::RegisterRequest {
        username: BOB.to_owned(),
        request_id: String::new(),
        ..request.clone()
    };
    let real = service.accounts().register(free).await.unwrap().into_inner();
    let same = pb::User {
        id: answer.id.clone(),
        username: "ADA@example.org".to_owned(),
        ..real
    };
    assert_eq!(answer, same);

    let mail = service.mail_to("ADA@example.org").await;
    assert!(test_support::mail::token(&mail).is_none(), "nothing in it acts");
    assert_eq!(
        service
            .accounts()
            .register(request.clone())
            .await
            .unwrap()
            .into_inner(),
        answer,
        "a retry answers the same"
    );
    assert_eq!(service.mails().await, 2, "and mails nothing");
    let other = pb::RegisterRequest {
        first_name: "Mallory".to_owned(),
        ..request
    };
    refused(service.accounts().register(other).await).is(
        Code::InvalidArgument,
        "IDEMPOTENCY_KEY_REUSED",
        "This idempotency key was used with other input.",
    );
    let session = service
        .login_with(ADA, PASSWORD)
        .await
        .expect("the account is as it was");
    assert_eq!(session.user.first_name, "");
}

#[tokio::test]
async fn who_registers_again_before_verifying_gets_a_new_link() {
    let service = hiding().await;
    service.register(ADA).await;
    let again = registration("ADA@example.org");
    let answer = service.accounts().register(again).await.unwrap().into_inner();
    assert_eq!(answer.username, "ADA@example.org");
    // It goes to the address as its owner wrote it, and acts on the account that is there.
    let token = service.token_to(ADA).await;
    let request = pb::VerifyEmailRequest { token };
    let verified = service
        .accounts()
        .verify_email(request)
        .await
        .unwrap()
        .into_inner();
    assert_ne!(verified.id, answer.id);
    service.login(ADA).await;
}

#[tokio::test]
async fn a_new_address_that_is_taken_waits_like_any_other() {
    let service = hiding().await;
    service.add_user(BOB).await;
    let ada = service.user(ADA).await;
    let request = pb::UpdateProfileRequest {
        profile: Some(pb::Profile {
            username: BOB.to_owned(),
            ..Default::default()
        }),
        update_mask: mask(&["username"]),
        etag: String::new(),
    };
    let profile = service
        .accounts()
        .update_profile(as_user(&ada.access, request))
        .await
        .unwrap();
    assert_eq!(profile.into_inner().pending_username.as_deref(), Some(BOB));
    assert!(test_support::mail::token(service.mail_to(BOB).await).is_none());
}

#[tokio::test]
async fn asking_for_mails_answers_the_same_for_everybody() {
    let service = Service::on_sqlite().await;
    service.add_user(ADA).await;
    service.register("new@example.org").await;
    let queued = service.mails().await;
    for (username, verification, reset) in [
        (ADA, 0, 1),
        ("NEW@example.org", 1, 0),
        ("nobody@example.org", 0, 0),
    ] {
        let before = service.mails().await;
        let request = pb::ResendVerificationRequest {
            username: username.to_owned(),
        };
        let answer = service.accounts().resend_verification(request).await.unwrap();
        assert_eq!(answer.into_inner(), pb::ResendVerificationResponse {});
        assert_eq!(service.mails().await, before + verification, "{username}");
        let request = pb::RequestPasswordResetRequest {
            username: username.to_owned(),
        };
        let answer = service.accounts().request_password_reset(request).await.unwrap();
        assert_eq!(answer.into_inner(), pb::RequestPasswordResetResponse {});
        assert_eq!(service.mails().await, before + verification + reset, "{username}");
    }
    assert_eq!(service.mails().await, queued + 2);
}

#[tokio::test]
async fn asking_for_mails_needs_an_address() {
    let service = Service::on_sqlite().await;
    for (username, sentence) in [
        ("", "The username field is required"),
        (" ", "The username field is required"),
        ("ada", "Username must be a valid email"),
        ("ada@example.org\0", "Username must be a valid email"),
    ] {
        let request = pb::ResendVerificationRequest {
            username: username.to_owned(),
        };
        refused(service.accounts().resend_verification(request).await).is_about(&[("username", sentence)]);
        let request = pb::RequestPasswordResetRequest {
            username: username.to_owned(),
        };
        refused(service.accounts().request_password_reset(request).await).is_about(&[("username", sentence)]);
    }
}

#[tokio::test]
async fn every_failed_login_is_the_same() {
    let service = Service::on_sqlite().await;
    service.add_user(ADA).await;
    service.register(BOB).await;
    for (username, password) in [
        ("nobody@example.org", PASSWORD),
        (ADA, "wrong"),
        (ADA, &PASSWORD.to_uppercase()),
        (ADA, &format!("{PASSWORD} ")),
        (ADA, &"x".repeat(100_000)),
        (BOB, PASSWORD),
        (BOB, "wrong"),
        ("not an address", PASSWORD),
        ("ada@example.org\0", PASSWORD),
        ("' OR 1=1 --", "' OR 1=1 --"),
    ] {
        let answer = service.login_with(username, password).await.unwrap_err();
        let answer = crate::support::Refused::from(answer);
        answer.is(
            Code::Unauthenticated,
            "INVALID_CREDENTIALS",
            "Invalid username/password",
        );
        assert_eq!(answer.fields, []);
    }
}
