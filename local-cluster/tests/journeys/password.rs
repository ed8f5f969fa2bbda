//! A new password: by a link in a mail, or by the old one.

use serde_json::{Value, json};

use crate::support::{Answer, Caller, PASSWORD, World, page::Form};

const NEW: &str = "otter lantern meadow";

crate::on_every_ground!(
    a_reset_by_mail_ends_every_session,
    a_change_ends_the_other_sessions,
);

async fn request_reset(world: &World) -> String {
    let body = json!({"username": "ADA@example.org"});
    let asked = world
        .anonymous()
        .post("/api/v1/auth/request-password-reset", body)
        .await;
    asked.is(202).is_empty();
    world.token_to("ada@example.org").await
}

async fn reset(world: &World, token: &str, password: &str, confirm: &str) -> Answer {
    let body = json!({"token": token, "password": password, "confirm_password": confirm});
    world.anonymous().post("/api/v1/auth/reset-password", body).await
}

async fn change(caller: &Caller, current: &str, password: &str, confirm: &str) -> Answer {
    let body = json!({"current_password": current, "password": password, "confirm_password": confirm});
    caller.post("/api/v1/me/change-password", body).await
}

fn subject(mail: impl AsRef<[u8]>) -> Option<String> {
    test_support::mail::subject(mail)
}

async fn a_reset_by_mail_ends_every_session(world: &World) {
    let here = world.user("ada").await;
    let there = here.login("ada@example.org", PASSWORD).await;
    let (first, second) = (request_reset(world).await, request_reset(world).await);

    let refused = reset(world, &first, NEW, "other").await;
    refused.about(&[("confirm_password", "Passwords are not matching.")]);
    let refused = reset(world, &first, "", "").await;
    refused.about(&[
        ("password", "The password field is required"),
        ("confirm_password", "The confirm password field is required"),
    ]);
    assert!(here.is_known().await, "nothing has happened yet");

    reset(world, &first, NEW, NEW).await.is(204).is_empty();
    for session in [&here, &there] {
        assert!(!session.is_known().await);
        session.try_refresh().await.is(401);
    }
    here.try_login("ada@example.org", PASSWORD).await.is(401);
    here.login("ada@example.org", NEW).await;
    let told = world.mail_to("ada@example.org").await;
    assert_eq!(subject(told).as_deref(), Some("Your password was changed"));
    // The token worked once, and its sisters went with it.
    for token in [first, second] {
        let again = reset(world, &token, PASSWORD, PASSWORD).await;
        again.refused(400, "TOKEN_INVALID", "Token is invalid or expired");
    }
}

async fn a_change_ends_the_other_sessions(world: &World) {
    let here = world.user("ada").await;
    let there = here.login("ada@example.org", PASSWORD).await;

    let empty = here.post("/api/v1/me/change-password", json!({})).await.is(400);
    let fields: Vec<_> = empty.errors().into_iter().map(|error| error.0).collect();
    assert_eq!(fields, ["current_password", "password", "confirm_password"]);
    let refused = change(&here, "not this one", NEW, NEW).await;
    refused.about(&[("current_password", "The current password is wrong.")]);
    let refused = change(&here, PASSWORD, NEW, "other").await;
    refused.about(&[("confirm_password", "Passwords are not matching.")]);
    let nobody = change(&world.anonymous(), PASSWORD, NEW, NEW).await;
    nobody.refused(401, "TOKEN_REQUIRED", "Authentication is required.");
    assert!(there.is_known().await, "nothing has happened yet");

    change(&here, PASSWORD, NEW, NEW).await.is(204).is_empty();
    assert!(here.is_known().await, "this session goes on");
    assert!(!there.is_known().await);
    there.try_refresh().await.is(401);
    here.try_login("ada@example.org", PASSWORD).await.is(401);
    here.login("ada@example.org", NEW).await;
    let told = world.mail_to("ada@example.org").await;
    assert_eq!(subject(told).as_deref(), Some("Your password was changed"));
}

#[tokio::test]
async fn the_page_of_a_reset_link_works_without_javascript() {
    let world = World::on_sqlite().await;
    world.user("ada").await;
    let body = json!({"username": "ada@example.org"});
    let anonymous = world.anonymous();
    anonymous
        .post("/api/v1/auth/request-password-reset", body)
        .await
        .is(202);
    let link = world.link_to("ada@example.org").await;
    let press = async |page: &str, password: &str, confirm: &str| {
        let form = Form::of(page)
            .typed("password", password)
            .typed("confirm_password", confirm);
        anonymous
            .call(reqwest::Method::POST, &form.action)
            .form(&form.fields)
            .await
    };
    let page = anonymous.get(&link).await.is(200).body;
    let refused = press(&page, NEW, "other").await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.body.contains("Passwords are not matching."),
        "{}",
        refused.body
    );
    // The page that says so can be sent again.
    let done = press(&refused.body, NEW, NEW).await.is(200);
    assert!(done.body.contains("role=\"status\""), "{}", done.body);
    anonymous.login("ada@example.org", NEW).await;
}

#[tokio::test]
async fn asking_for_a_reset_tells_nothing() {
    let world = World::on_sqlite().await;
    let anonymous = world.anonymous();
    world.register("sleeper@example.org").await;
    world.mail_to("sleeper@example.org").await;
    let ask = |username: Value| {
        anonymous.post(
            "/api/v1/auth/request-password-reset",
            json!({"username": username}),
        )
    };
    for username in ["nobody@example.org", "sleeper@example.org", crate::support::STAFF] {
        ask(json!(username)).await.is(202).is_empty();
    }
    ask(json!(null))
        .await
        .about(&[("username", "The username field is required")]);
    ask(json!("x"))
        .await
        .about(&[("username", "Username must be a valid email")]);
    world.mail_to(crate::support::STAFF).await;
    assert_eq!(world.smtp.messages().len(), 2, "only who can use it gets one");
}
