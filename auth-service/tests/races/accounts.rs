//! Registering and resetting: one address, one key, one token do one thing.

use futures::future::join_all;
use proto::auth::v1 as pb;
use service_runtime::on;
use tonic::Code;

use crate::{
    on_both_databases,
    support::{PASSWORD, Refused, Service},
};

on_both_databases!(
    thirty_two_registrations_of_one_address_make_one_account,
    sixteen_registrations_with_one_key_are_one,
    sixty_four_uses_of_a_reset_token_change_the_password_once,
    logins_while_an_imported_password_is_replaced_all_succeed,
    many_openings_of_a_verification_agree,
);

fn registration(username: &str) -> pb::RegisterRequest {
    pb::RegisterRequest {
        username: username.to_owned(),
        password: PASSWORD.to_owned(),
        confirm_password: PASSWORD.to_owned(),
        ..Default::default()
    }
}

async fn users(service: &Service) -> i64 {
    on!(&service.database, |pool| {
        sqlx::query_scalar("SELECT count(*) FROM users")
            .fetch_one(pool)
            .await
    })
    .unwrap()
}

async fn thirty_two_registrations_of_one_address_make_one_account(service: Service) {
    for round in 1..=2 {
        let calls = (0..32).map(|place| {
            // The same mailbox, however it is written.
            let mut username = format!("ada{round}@example.org");
            if place % 2 == 0 {
                username = username.to_uppercase();
            }
            let mut accounts = service.accounts();
            async move { accounts.register(registration(&username)).await }
        });
        let (made, refused): (Vec<_>, Vec<_>) = join_all(calls).await.into_iter().partition(Result::is_ok);
        assert_eq!((made.len(), refused.len()), (1, 31), "round {round}");
        for refused in refused {
            Refused::from(refused.unwrap_err()).is(
                Code::AlreadyExists,
                "USERNAME_TAKEN",
                "A user with that username already exists.",
            );
        }
        assert_eq!(users(&service).await, round);
    }
}

async fn sixteen_registrations_with_one_key_are_one(service: Service) {
    for round in 1..=3 {
        let request = pb::RegisterRequest {
            request_id: format!("key-{round}"),
            ..registration(&format!("ada{round}@example.org"))
        };
        let calls = (0..16).map(|_| {
            let (mut accounts, request) = (service.accounts(), request.clone());
            async move { accounts.register(request).await.unwrap().into_inner() }
        });
        let answers = join_all(calls).await;
        assert!(
            answers.iter().all(|answer| *answer == answers[0]),
            "round {round}"
        );
        assert_eq!(users(&service).await, round);
    }
}

async fn sixty_four_uses_of_a_reset_token_change_the_password_once(service: Service) {
    service.add_user("ada@example.org").await;
    let request = pb::RequestPasswordResetRequest {
        username: "ada@example.org".to_owned(),
    };
    service.accounts().request_password_reset(request).await.unwrap();
    let token = service.token_to("ada@example.org").await;
    let calls = (0..64).map(|place| {
        let password = format!("gravel lantern octopus {place}");
        let request = pb::ResetPasswordRequest {
            token: token.clone(),
            password: password.clone(),
            confirm_password: password.clone(),
        };
        let mut accounts = service.accounts();
        async move { (password, accounts.reset_password(request).await) }
    });
    let (won, lost): (Vec<_>, Vec<_>) = join_all(calls)
        .await
        .into_iter()
        .partition(|(_, answer)| answer.is_ok());
    assert_eq!((won.len(), lost.len()), (1, 63));
    for (_, refused) in lost {
        Refused::from(refused.unwrap_err()).is(
            Code::InvalidArgument,
            "TOKEN_INVALID",
            "Token is invalid or expired",
        );
    }
    service
        .login_with("ada@example.org", &won[0].0)
        .await
        .expect("the password of the one that won");
}

/// Made with Django 4.2's hasher from `lètmein`.
const IMPORTED: &str =
    "pbkdf2_sha256$600000$61egDJT9kscAxM9ZtkwrgZ$ckxsax4I0xM1yqjpVAM5wItdCQAA/Kcgh3fFw5552K8=";

async fn logins_while_an_imported_password_is_replaced_all_succeed(service: Service) {
    let ada = service.add_user("ada@example.org").await;
    let replaced = service
        .store
        .renew_password_hash(ada.id, crate::support::stored_password(), IMPORTED)
        .await;
    assert!(replaced.unwrap());
    let logins = join_all((0..6).map(|_| service.login_with("ada@example.org", "lètmein"))).await;
    for login in logins {
        let session = login.expect("the password is right");
        assert!(service.knows(&session.access).await);
    }
    let stored = service.store.password_hash(ada.id).await.unwrap().unwrap();
    assert!(stored.starts_with("$argon2id$"), "{stored}");
    let wrong = service.login_with("ada@example.org", "letmein").await;
    assert!(wrong.is_err());
}

async fn many_openings_of_a_verification_agree(service: Service) {
    for round in 0..3 {
        let username = format!("ada{round}@example.org");
        service
            .accounts()
            .register(registration(&username))
            .await
            .unwrap();
        let token = service.token_to(&username).await;
        let calls = (0..32).map(|_| {
            let request = pb::VerifyEmailRequest { token: token.clone() };
            let mut accounts = service.accounts();
            async move { accounts.verify_email(request).await.unwrap().into_inner() }
        });
        let answers = join_all(calls).await;
        assert!(answers[0].is_active);
        assert!(
            answers.iter().all(|answer| *answer == answers[0]),
            "round {round}"
        );
    }
}
