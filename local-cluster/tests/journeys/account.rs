//! The life of an account from its registration to the end of its session.

use auth_service::domain::signing_key::LEAD;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{PASSWORD, STAFF, World, shape};

crate::on_every_ground!(a_person_registers_confirms_logs_in_and_leaves);

async fn a_person_registers_confirms_logs_in_and_leaves(world: &World) {
    let anonymous = world.anonymous();
    let body = json!({
        "username": "  Ada@Example.org ", "password": PASSWORD, "confirm_password": PASSWORD,
        "first_name": "Ada", "bio": "Looms\nand numbers", "color_mode": "dark",
        "dashboard_first_date": "2026-02-28",
    });
    let registered = anonymous.post("/api/v1/auth/register", body).await.is(201);
    registered.has(&shape::USER);
    let user = registered.json();
    shape::assert_id(&user["id"]);
    shape::assert_time(&user["date_joined"]);
    let etag = user["etag"].as_str().unwrap();
    let expected = json!({
        "id": user["id"], "username": "Ada@Example.org", "first_name": "Ada", "last_name": "",
        "bio": "Looms\nand numbers", "user_greeting": "Welcome!", "color_mode": "dark",
        "dashboard_first_date": "2026-02-28", "dashboard_second_date": null,
        "is_active": false, "is_staff": false, "date_joined": user["date_joined"], "last_login": null,
        "etag": etag,
    });
    assert_eq!(user, expected);

    // Nobody logs in before the address is proved.
    let refused = anonymous.try_login("ada@example.org", PASSWORD).await;
    refused.refused(401, "INVALID_CREDENTIALS", "Invalid username/password");

    let mail = world.mail_to("ada@example.org").await;
    assert_eq!(
        test_support::mail::subject(&mail).as_deref(),
        Some("Confirm your e-mail address")
    );
    assert!(test_support::mail::html(&mail).is_some(), "text and HTML");
    let link = test_support::mail::link(&mail).unwrap();
    assert!(
        link.starts_with(&format!("{}/verify-email?token=", world.url())),
        "{link}"
    );
    let token = json!({"token": test_support::mail::token(&mail)});
    let verified = anonymous
        .post("/api/v1/auth/verify-email", token.clone())
        .await
        .is(200);
    verified.has(&shape::USER);
    assert_eq!(verified.json()["is_active"], true);
    // Confirming twice is no error.
    let again = anonymous.post("/api/v1/auth/verify-email", token).await.is(200);
    assert_eq!(again.json(), verified.json());

    let login = anonymous.try_login("ADA@example.ORG", PASSWORD).await.is(200);
    login.has(&shape::TOKENS);
    shape::assert_members(&login.json()["user"], &shape::USER);
    assert_eq!(login.json()["token_type"], "Bearer");
    assert_eq!(login.json()["expires_in"], 15 * 60);
    shape::assert_time(&login.json()["user"]["last_login"]);
    assert_eq!(login.header("cache-control"), Some("no-store"));
    let ada = anonymous.with(&login);

    let me = ada.get("/api/v1/me").await.is(200);
    me.has(&shape::PROFILE);
    assert_eq!(me.json()["pending_username"], Value::Null);
    assert_eq!(me.json()["has_totp"], false);
    assert_eq!(me.json()["username"], "Ada@Example.org");

    let refreshed = ada.try_refresh().await.is(200);
    refreshed.has(&shape::TOKENS);
    let ada = ada.with(&refreshed);
    assert!(ada.is_known().await);

    let logout = ada
        .post("/api/v1/auth/logout", json!({"refresh": ada.refresh()}))
        .await
        .is(204);
    logout.is_empty();
    // The access token would live for another quarter of an hour; every service refuses it at once.
    for path in ["/api/v1/me", "/api/v1/courses"] {
        let answer = ada.get(path).await;
        answer.refused(401, "TOKEN_INVALID", "The access token is not valid.");
    }
    ada.try_refresh().await.refused(
        401,
        "REFRESH_FAILED",
        "Token refresh failed. Please log in again.",
    );
    // Repeating it is no error.
    ada.post("/api/v1/auth/logout", json!({"refresh": ada.refresh()}))
        .await
        .is(204);
}

#[tokio::test]
async fn the_first_staff_account_is_there_from_the_start() {
    let world = World::on_sqlite().await;
    let made = world
        .cluster
        .as_local()
        .new_staff
        .as_ref()
        .expect("made just now");
    assert_eq!((made.username.as_str(), &made.password), (STAFF, &None));
    let me = world.staff().await.get("/api/v1/me").await.is(200).json();
    assert_eq!(
        (&me["username"], &me["is_staff"], &me["is_active"]),
        (&json!(STAFF), &json!(true), &json!(true))
    );
}

#[tokio::test]
async fn the_public_keys_are_there_for_anyone() {
    let world = World::on_sqlite().await;
    let keys = world.anonymous().get("/.well-known/jwks.json").await.is(200);
    keys.has(&["keys"]);
    // Who keeps them for as long as this allows knows a key long before it signs.
    let kept = keys
        .header("cache-control")
        .and_then(|caching| caching.strip_prefix("public, max-age="))
        .and_then(|seconds| seconds.parse().ok())
        .expect("how long keys may be kept");
    assert!(TimeDelta::seconds(kept) * 2 <= LEAD, "{kept} s");
    let json = keys.json();
    let keys = json["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2, "the one that signs and the next one");
    for key in keys {
        shape::assert_members(key, &shape::KEY);
        assert_eq!(
            (&key["kty"], &key["crv"], &key["use"], &key["alg"]),
            (&json!("OKP"), &json!("Ed25519"), &json!("sig"), &json!("EdDSA"))
        );
    }
}
