//! A second factor over REST: set up, asked for, proved again, removed.

use chrono::TimeDelta;
use serde_json::{Value, json};
use test_support::authenticator::Authenticator;

use crate::support::{Answer, Caller, PASSWORD, World, shape};

crate::on_every_ground!(
    an_app_is_set_up_asked_for_proved_again_and_removed,
    giving_staff_rights_takes_a_fresh_factor,
    wrong_codes_make_waiting,
);

const ADA: &str = "ada@example.org";
const TOTP: &str = "/api/v1/me/totp";
const STEP_UP: &str = "/api/v1/auth/step-up";

/// Sets up an app for whoever calls; says it and the recovery codes.
async fn set_up(world: &World, caller: &Caller) -> (Authenticator, Vec<String>) {
    let begun = caller.post(TOTP, json!({})).await.is(200);
    begun.has(&["secret", "uri", "qr_svg"]);
    let begun = begun.json();
    let text = |member: &str| begun[member].as_str().unwrap();
    assert!(text("qr_svg").contains("<svg"));
    let app = Authenticator::scan(text("uri"));
    let now = world.clock.now();
    assert_eq!(Authenticator::typed(text("secret")).code(now), app.code(now));
    let confirm = caller.post("/api/v1/me/totp/confirm", json!({"code": app.code(now)}));
    let codes = recovery_codes(&confirm.await.is(200));
    (app, codes)
}

#[track_caller]
fn recovery_codes(answer: &Answer) -> Vec<String> {
    answer.has(&["recovery_codes"]);
    let json = answer.json();
    let codes = json["recovery_codes"].as_array().unwrap();
    assert_eq!(codes.len(), 10);
    let text = |code: &Value| code.as_str().unwrap().to_owned();
    codes.iter().map(text).collect()
}

/// A code that was not used: time goes on to the next one.
fn next(world: &World, app: &Authenticator) -> String {
    world.clock.turn(TimeDelta::seconds(30));
    app.code(world.clock.now())
}

/// Proves the factor again; says the caller with the token of it.
async fn stepped_up(caller: &Caller, code: &str) -> Caller {
    let answer = caller.post(STEP_UP, json!({"code": code})).await.is(200);
    answer.has(&["access", "token_type", "expires_in"]);
    let json = answer.json();
    assert_eq!(
        (&json["token_type"], &json["expires_in"]),
        (&"Bearer".into(), &900.into())
    );
    caller.with_access(json["access"].as_str().unwrap())
}

/// Asserts that a fresh factor is asked for, as RFC 9470 says it.
#[track_caller]
fn asks_for_a_fresh_factor(answer: Answer) {
    let sentence = "A second factor used in the last 5 minutes is required.";
    let refused = answer.refused(401, "INSUFFICIENT_USER_AUTHENTICATION", sentence);
    assert_eq!(
        refused.header("www-authenticate"),
        Some("Bearer realm=\"onlineedu\", error=\"insufficient_user_authentication\", max_age=300")
    );
}

async fn an_app_is_set_up_asked_for_proved_again_and_removed(world: &World) {
    let ada = world.user("ada").await;
    let elsewhere = ada.login(ADA, PASSWORD).await;
    let profile = ada.get("/api/v1/me").await.is(200);
    profile.has(&shape::PROFILE);
    assert_eq!(profile.json()["has_totp"], false);
    let (app, codes) = set_up(world, &ada).await;
    assert_eq!(ada.get("/api/v1/me").await.is(200).json()["has_totp"], true);
    assert!(!elsewhere.is_known().await, "other sessions have ended");

    let login = |code: Value| {
        let body = json!({"username": ADA, "password": PASSWORD, "code": code});
        let call = ada.post("/api/v1/auth/login", body);
        async move { call.await }
    };
    let sentence = "A code of your authenticator app is required.";
    for none in [Value::Null, json!("")] {
        login(none).await.refused(401, "SECOND_FACTOR_REQUIRED", sentence);
    }
    let wrong = app.wrong_code(world.clock.now());
    let failed = login(json!(wrong)).await;
    failed.refused(401, "INVALID_CREDENTIALS", "Invalid username/password");
    let code = next(world, &app);
    let phone = ada.with(&login(json!(code)).await.is(200));
    let again = login(json!(code)).await;
    again.refused(401, "INVALID_CREDENTIALS", "Invalid username/password");
    let by_recovery_code = ada.with(&login(json!(codes[0].to_lowercase())).await.is(200));
    login(json!(codes[0])).await.is(401);

    // What needs a fresh factor goes by the token that has it.
    asks_for_a_fresh_factor(ada.delete(TOTP).await);
    asks_for_a_fresh_factor(ada.post("/api/v1/me/recovery-codes", json!({})).await);
    let refused = ada.post(STEP_UP, json!({"code": wrong})).await;
    refused.about(&[("code", "The code is wrong, or was used already.")]);
    let elevated = stepped_up(&ada, &next(world, &app)).await;
    let renew = elevated.post("/api/v1/me/recovery-codes", json!({})).await;
    let new = recovery_codes(&renew.is(200));
    assert!(codes.iter().all(|code| !new.contains(code)));
    world.clock.turn(TimeDelta::minutes(5) + TimeDelta::seconds(1));
    asks_for_a_fresh_factor(elevated.delete(TOTP).await);
    // What is refreshed is not elevated, and the session goes on.
    let refreshed = elevated.refreshed().await;
    asks_for_a_fresh_factor(refreshed.delete(TOTP).await);

    let removed = refreshed.delete(&format!("{TOTP}?code={}", next(world, &app)));
    removed.await.is(204).is_empty();
    for session in [&phone, &by_recovery_code] {
        assert!(!session.is_known().await, "other sessions have ended");
    }
    assert_eq!(
        refreshed.get("/api/v1/me").await.is(200).json()["has_totp"],
        false
    );
    ada.login(ADA, PASSWORD).await;
    let missing = "This account has no second factor. Set one up first.";
    let gone = refreshed.delete(TOTP).await;
    gone.refused(400, "SECOND_FACTOR_MISSING", missing);
}

async fn giving_staff_rights_takes_a_fresh_factor(world: &World) {
    let bob = world.user("bob").await;
    let staff = world.staff().await;
    let (app, _) = set_up(world, &staff).await;
    let path = format!("/api/v1/users/{}", bob.id());
    let give = json!({"is_staff": true});
    asks_for_a_fresh_factor(staff.patch(&path, give.clone()).await);
    bob.get("/api/v1/users").await.is(403);
    let elevated = stepped_up(&staff, &next(world, &app)).await;
    elevated.patch(&path, give).await.is(200);
    bob.get("/api/v1/users").await.is(200);
    staff.patch(&path, json!({"is_staff": false})).await.is(200);
}

async fn wrong_codes_make_waiting(world: &World) {
    let ada = world.user("ada").await;
    let (app, codes) = set_up(world, &ada).await;
    let wrong = app.wrong_code(world.clock.now());
    // Whichever replica is asked.
    for _ in 0..5 {
        ada.post(STEP_UP, json!({"code": wrong})).await.is(400);
    }
    let good = next(world, &app);
    world.clock.turn(TimeDelta::seconds(-30));
    for path in [STEP_UP, "/api/v1/me/recovery-codes"] {
        let refused = ada.post(path, json!({"code": good})).await;
        let sentence = "Too many wrong codes. Please wait, or use a recovery code.";
        let refused = refused.refused(429, "CODE_THROTTLED", sentence);
        assert_eq!(refused.header("retry-after"), Some("30"));
    }
    let body = json!({"username": ADA, "password": PASSWORD, "code": good});
    let login = ada.post("/api/v1/auth/login", body.clone()).await;
    login.refused(401, "INVALID_CREDENTIALS", "Invalid username/password");
    stepped_up(&ada, &codes[0]).await;
    ada.post("/api/v1/auth/login", body).await.is(200);
}
