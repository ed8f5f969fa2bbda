//! Links in mails: opening one changes nothing, its button acts, and a token is good for one thing only.

use chrono::TimeDelta;
use serde_json::json;

use crate::support::{PASSWORD, World, page::Form};

const INVALID: &str = "Token is invalid or expired";

crate::on_every_ground!(
    a_scanner_that_opens_the_link_changes_nothing_and_the_button_acts,
    every_mail_in_the_inbox_works_until_it_expires,
    a_token_is_good_for_its_purpose_alone,
);

async fn a_scanner_that_opens_the_link_changes_nothing_and_the_button_acts(world: &World) {
    world.register("ada@example.org").await;
    let link = world.link_to("ada@example.org").await;
    let anonymous = world.anonymous();
    anonymous.head(&link).await.is(200);
    let mut page = anonymous.get(&link).await.is(200);
    for _ in 0..2 {
        page = anonymous.get(&link).await.is(200);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
    }
    let still = anonymous.try_login("ada@example.org", PASSWORD).await;
    still.refused(401, "INVALID_CREDENTIALS", "Invalid username/password");

    // What a browser without JavaScript does when the button is pressed.
    let form = Form::of(&page.body);
    assert_eq!(form.method, "POST");
    let press = || {
        anonymous
            .call(reqwest::Method::POST, &form.action)
            .form(&form.fields)
    };
    let done = press().await.is(200);
    assert!(Form::find(&done.body).is_none(), "{}", done.body);
    assert!(done.body.contains("role=\"status\""), "{}", done.body);
    anonymous.login("ada@example.org", PASSWORD).await;
    // Pressing it once more is no error either.
    press().await.is(200);
}

async fn every_mail_in_the_inbox_works_until_it_expires(world: &World) {
    let anonymous = world.anonymous();
    world.register("ada@example.org").await;
    let resend =
        |username: &str| anonymous.post("/api/v1/auth/resend-verification", json!({"username": username}));
    // The same answer for known, unknown and active addresses.
    for username in ["ada@example.org", "nobody@example.org", crate::support::STAFF] {
        resend(username).await.is(202).is_empty();
    }
    resend("")
        .await
        .about(&[("username", "The username field is required")]);
    resend("x")
        .await
        .about(&[("username", "Username must be a valid email")]);

    let verify = |token: &str| anonymous.post("/api/v1/auth/verify-email", json!({"token": token}));
    let first = world.token_to("ada@example.org").await;
    let second = world.token_to("ada@example.org").await;
    assert_ne!(first, second);
    for token in [&first, &second, &first] {
        assert_eq!(verify(token).await.is(200).json()["is_active"], true);
    }

    world.register("bob@example.org").await;
    let late = world.token_to("bob@example.org").await;
    world.clock.turn(TimeDelta::minutes(15));
    verify(&late).await.refused(400, "TOKEN_INVALID", INVALID);
    resend("bob@example.org").await.is(202);
    let fresh = world.token_to("bob@example.org").await;
    world.clock.turn(TimeDelta::minutes(15) - TimeDelta::seconds(1));
    verify(&fresh).await.is(200);
    // Nothing was mailed to those who need nothing.
    assert_eq!(world.smtp.messages().len(), 4);
}

async fn a_token_is_good_for_its_purpose_alone(world: &World) {
    let anonymous = world.anonymous();
    let ada = world.user("ada").await;
    let reset = json!({"username": "ada@example.org"});
    anonymous
        .post("/api/v1/auth/request-password-reset", reset)
        .await
        .is(202)
        .is_empty();
    let reset = world.token_to("ada@example.org").await;
    world.register("bob@example.org").await;
    let verify = world.token_to("bob@example.org").await;
    ada.patch("/api/v1/me", json!({"username": "new@example.org"}))
        .await
        .is(200);
    let confirm = world.token_to("new@example.org").await;

    let changed = change_last(&verify);
    let foreign = [
        ada.access(),
        ada.refresh(),
        "",
        "x",
        "oem_",
        changed.as_str(),
        "токен",
    ];
    let wrong_for = |own: &str| -> Vec<String> {
        let tokens = [&verify, &reset, &confirm]
            .into_iter()
            .filter(|token| *token != own);
        tokens.cloned().chain(foreign.map(str::to_owned)).collect()
    };
    for token in wrong_for(&verify) {
        let answer = anonymous.post("/api/v1/auth/verify-email", json!({"token": token}));
        answer.await.refused(400, "TOKEN_INVALID", INVALID);
    }
    for token in wrong_for(&confirm) {
        let answer = anonymous.post("/api/v1/auth/confirm-username", json!({"token": token}));
        answer.await.refused(400, "TOKEN_INVALID", INVALID);
    }
    for token in wrong_for(&reset) {
        let body = json!({"token": token, "password": "otter lantern meadow", "confirm_password": "otter lantern meadow"});
        let answer = anonymous.post("/api/v1/auth/reset-password", body).await;
        answer.refused(400, "TOKEN_INVALID", INVALID);
    }
    // Nor the reverse.
    for token in [&verify, &reset, &confirm] {
        let answer = ada.with_access(token).get("/api/v1/me").await;
        answer.refused(401, "TOKEN_INVALID", "The access token is not valid.");
        let answer = anonymous
            .post("/api/v1/auth/refresh", json!({"refresh": token}))
            .await;
        answer.refused(
            401,
            "REFRESH_FAILED",
            "Token refresh failed. Please log in again.",
        );
    }
    assert!(ada.is_known().await, "nothing of this did anything");
}

#[tokio::test]
async fn a_page_says_what_is_wrong_with_its_link() {
    let world = World::on_sqlite().await;
    let anonymous = world.anonymous();
    for path in ["/verify-email", "/reset-password", "/confirm-username"] {
        let page = anonymous.get(path).await;
        assert_eq!(page.status, 400, "{}", page.body);
        assert!(Form::find(&page.body).is_none(), "nothing to press");

        let page = anonymous.get(&format!("{path}?token=wrong")).await.is(200);
        let form = Form::of(&page.body);
        let fields: Vec<_> = form
            .fields
            .iter()
            .map(|(name, value)| match name.contains("password") {
                true => (name.clone(), PASSWORD.to_owned()),
                false => (name.clone(), value.clone()),
            })
            .collect();
        let refused = anonymous
            .call(reqwest::Method::POST, &form.action)
            .form(&fields)
            .await;
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert_eq!(refused.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(refused.body.contains(INVALID), "{}", refused.body);
        assert!(refused.body.contains("role=\"alert\""), "{}", refused.body);
        assert!(!refused.body.contains(PASSWORD), "a password is never repeated");
    }
}

#[tokio::test]
async fn a_token_cannot_break_out_of_its_page() {
    let world = World::on_sqlite().await;
    let link = "/verify-email?token=%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    let page = world.anonymous().get(link).await;
    assert!(!page.body.contains("<script"), "{}", page.body);
}

fn change_last(token: &str) -> String {
    let (rest, last) = token.split_at(token.len() - 1);
    format!("{rest}{}", if last == "A" { "B" } else { "A" })
}
