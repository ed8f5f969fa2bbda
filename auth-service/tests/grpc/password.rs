//! `ChangePassword`, and passwords that came from elsewhere.

use proto::auth::v1 as pb;
use tonic::Code;

use crate::support::{PASSWORD, Service, as_user, refused, stored_password};

const ADA: &str = "ada@example.org";

fn change(current: &str, password: &str, confirm_password: &str) -> pb::ChangePasswordRequest {
    pb::ChangePasswordRequest {
        current_password: current.to_owned(),
        password: password.to_owned(),
        confirm_password: confirm_password.to_owned(),
    }
}

#[tokio::test]
async fn a_change_reads_its_fields() {
    let service = Service::on_sqlite().await;
    let ada = service.user(ADA).await;
    let good = "gravel lantern octopus";
    let asked = |request| {
        let (mut accounts, request) = (service.accounts(), as_user(&ada.access, request));
        async move { refused(accounts.change_password(request).await) }
    };
    asked(change("", "", "")).await.is_about(&[
        ("current_password", "The current password field is required"),
        ("password", "The password field is required"),
        ("confirm_password", "The confirm password field is required"),
    ]);
    for wrong in [
        "wrong",
        "\0",
        &"x".repeat(10_000),
        &PASSWORD[..PASSWORD.len() - 1],
    ] {
        asked(change(wrong, good, good))
            .await
            .is_about(&[("current_password", "The current password is wrong.")]);
    }
    asked(change(PASSWORD, good, "other"))
        .await
        .is_about(&[("confirm_password", "Passwords are not matching.")]);
    asked(change(PASSWORD, "ada@example.org", "ada@example.org"))
        .await
        .is_about(&[("password", "The password is too close to your own data.")]);
    service.login(ADA).await;
    assert_eq!(service.mails().await, 0);
}

#[tokio::test]
async fn a_change_needs_an_access_token() {
    let service = Service::on_sqlite().await;
    let request = change(PASSWORD, "", "");
    refused(service.accounts().change_password(request.clone()).await).is(
        Code::Unauthenticated,
        "TOKEN_REQUIRED",
        "Authentication is required.",
    );
    refused(service.accounts().change_password(as_user("x", request)).await).is(
        Code::Unauthenticated,
        "TOKEN_INVALID",
        "The access token is not valid.",
    );
}

/// Made with Django 4.2's hashers from `lètmein`.
const IMPORTED: [&str; 3] = [
    "pbkdf2_sha256$600000$61egDJT9kscAxM9ZtkwrgZ$ckxsax4I0xM1yqjpVAM5wItdCQAA/Kcgh3fFw5552K8=",
    "argon2$argon2id$v=19$m=102400,t=2,p=8$N3l6MTdYUWtsRjF5bEwxTk5DSU5GYQ$IW9GVuLYQLrC4W0q9gfAuLBcP11YlSp9rOxwARfQOxA",
    "bcrypt_sha256$$2b$12$zqvFAh5PzWUbfI85QMenW.LlS7.r5FYWChU1YcT0yHynWa.mqEKjK",
];

#[tokio::test]
async fn an_imported_password_is_replaced_at_the_next_login() {
    let service = Service::on_sqlite().await;
    for (place, imported) in IMPORTED.into_iter().enumerate() {
        let username = format!("user{place}@example.org");
        let user = service.add_user(&username).await;
        let replaced = service
            .store
            .renew_password_hash(user.id, stored_password(), imported)
            .await;
        assert!(replaced.unwrap());
        assert!(service.login_with(&username, "letmein").await.is_err());
        let kept = service.store.password_hash(user.id).await.unwrap().unwrap();
        assert_eq!(kept, imported, "a wrong password replaces nothing");

        service.login_with(&username, "lètmein").await.unwrap();
        let stored = service.store.password_hash(user.id).await.unwrap().unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        service.login_with(&username, "lètmein").await.unwrap();
        let again = service.store.password_hash(user.id).await.unwrap().unwrap();
        assert_eq!(again, stored, "a hash of today stays");
        assert!(service.login_with(&username, "letmein").await.is_err());
    }
}
