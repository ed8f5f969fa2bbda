//! A person's own profile, its versions, and a new address for it.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::{
    factor::{asks_for_a_fresh_factor, next, set_up, stepped_up},
    support::{PASSWORD, World, shape},
};

crate::on_every_ground!(
    a_patch_changes_what_it_names_and_nothing_else,
    a_version_guards_a_change_and_spares_a_read,
    a_new_address_counts_once_its_mailbox_confirms_it,
    a_new_address_takes_more_than_an_access_token,
);

const ME: &str = "/api/v1/me";

async fn a_patch_changes_what_it_names_and_nothing_else(world: &World) {
    let ada = world.user("ada").await;
    let all = json!({
        "first_name": "Ada", "last_name": "Lovelace", "bio": "Looms", "user_greeting": "Hello",
        "color_mode": "dark", "dashboard_first_date": "2026-01-31", "dashboard_second_date": "2026-12-31",
    });
    let changed = ada.patch(ME, all.clone()).await.is(200);
    changed.has(&shape::PROFILE);
    let before = changed.json();
    for (key, value) in all.as_object().unwrap() {
        assert_eq!(&before[key], value, "{key}");
    }
    assert_eq!(
        ada.get(ME).await.is(200).json(),
        before,
        "visible to the next read"
    );

    let after = ada
        .patch(ME, json!({"dashboard_first_date": null, "bio": ""}))
        .await
        .is(200)
        .json();
    let mut expected = before.clone();
    expected["dashboard_first_date"] = Value::Null;
    expected["bio"] = json!("");
    expected["etag"] = after["etag"].clone();
    assert_eq!(after, expected);
    assert_ne!(after["etag"], before["etag"]);

    let wrong = json!({
        "is_staff": true, "id": "x", "color_mode": "purple", "bio": null, "dashboard_first_date": 5, "nope": 1,
    });
    let refused = ada.patch(ME, wrong).await.is(400);
    let fields: Vec<_> = refused.errors().into_iter().map(|error| error.0).collect();
    for field in ["color_mode", "bio", "dashboard_first_date", "nope"] {
        assert!(fields.contains(&field), "{field} in {fields:?}");
    }
    for read_only in [
        "id",
        "is_active",
        "is_staff",
        "date_joined",
        "last_login",
        "etag",
        "pending_username",
        "has_totp",
    ] {
        let refused = ada.patch(ME, json!({read_only: before[read_only]})).await.is(400);
        assert_eq!(refused.errors()[0].0, read_only, "{}", refused.body);
    }
    ada.patch(
        ME,
        json!({"first_name": "x".repeat(151), "dashboard_first_date": "31.01.2026"}),
    )
    .await
    .about(&[
        ("dashboard_first_date", "A date is written YYYY-MM-DD."),
        ("first_name", "This field must have at most 150 characters."),
    ]);
    assert_eq!(
        ada.get(ME).await.json(),
        after,
        "a refused change changes nothing"
    );
}

async fn a_version_guards_a_change_and_spares_a_read(world: &World) {
    let ada = world.user("ada").await;
    let read = ada.get(ME).await.is(200);
    let old = read.json()["etag"].as_str().unwrap().to_owned();
    assert_eq!(read.header("etag"), Some(format!("\"{old}\"").as_str()));
    let known = ada.get(ME).if_none_match(&old).await.is(304);
    known.is_empty();
    assert_eq!(known.header("etag"), read.header("etag"));

    let patch = |name: &str| ada.patch(ME, json!({"first_name": name}));
    let changed = patch("Ada").if_match(&old).await.is(200);
    let new = changed.json()["etag"].as_str().unwrap().to_owned();
    assert_eq!(changed.header("etag"), Some(format!("\"{new}\"").as_str()));
    ada.get(ME).if_none_match(&old).await.is(200);
    let late = patch("Eve").if_match(&old).await;
    let late = late.refused(
        412,
        "ETAG_MISMATCH",
        "It was changed in the meantime. Read it again.",
    );
    assert_eq!(late.json()["code"], "ABORTED");
    for never in ["\"nonsense\"", "W/\"r1\"", "\"\""] {
        patch("Eve").header("if-match", never).await.is(412);
        // Who may not change it learns that first.
        let stranger = world.anonymous().patch(ME, json!({"first_name": "Eve"}));
        stranger.header("if-match", never).await.is(401);
    }
    assert_eq!(ada.get(ME).await.json()["first_name"], "Ada");
    patch("Augusta").header("if-match", "*").await.is(200);
}

async fn a_new_address_counts_once_its_mailbox_confirms_it(world: &World) {
    let ada = world.user("ada").await;
    let taken = ada
        .patch(ME, json!({"username": crate::support::STAFF.to_uppercase()}))
        .await;
    taken.refused(409, "USERNAME_TAKEN", "A user with that username already exists.");
    ada.patch(ME, json!({"username": "x"}))
        .await
        .about(&[("username", "Username must be a valid email")]);

    let waiting = ada
        .patch(
            ME,
            json!({"username": "countess@example.org", "last_name": "Lovelace"}),
        )
        .await
        .is(200)
        .json();
    assert_eq!(waiting["username"], "ada@example.org");
    assert_eq!(waiting["pending_username"], "countess@example.org");
    assert_eq!(waiting["last_name"], "Lovelace");
    let told = world.mail_to("ada@example.org").await;
    assert_eq!(
        test_support::mail::subject(&told).as_deref(),
        Some("A new e-mail address was asked for")
    );
    assert_eq!(test_support::mail::link(&told), None);

    let mail = world.mail_to("countess@example.org").await;
    let link = test_support::mail::link(&mail).unwrap();
    assert!(
        link.starts_with(&format!("{}/confirm-username?token=", world.url())),
        "{link}"
    );
    ada.login("ada@example.org", PASSWORD).await;
    ada.try_login("countess@example.org", PASSWORD).await.is(401);

    let token = json!({"token": test_support::mail::token(&mail)});
    let confirm = || {
        world
            .anonymous()
            .post("/api/v1/auth/confirm-username", token.clone())
    };
    let confirmed = confirm().await.is(200);
    confirmed.has(&shape::USER);
    assert_eq!(confirmed.json()["username"], "countess@example.org");
    confirm().await.is(200);
    ada.try_login("ada@example.org", PASSWORD).await.is(401);
    let countess = ada.login("countess@example.org", PASSWORD).await;
    let me = countess.get(ME).await.json();
    assert_eq!(
        (&me["username"], &me["pending_username"]),
        (&json!("countess@example.org"), &Value::Null)
    );
}

async fn a_new_address_takes_more_than_an_access_token(world: &World) {
    let ada = world.user("ada").await;
    let body = json!({"username": "countess@example.org"});
    world.clock.turn(TimeDelta::minutes(15) + TimeDelta::seconds(1));
    let ada = ada.refreshed().await;
    let sentence = "Please log in again: this needs a login of the last 15 minutes.";
    let refused = ada.patch(ME, body.clone()).await;
    let refused = refused.refused(401, "LOGIN_TOO_OLD", sentence);
    assert_eq!(
        refused.header("www-authenticate"),
        Some("Bearer realm=\"onlineedu\", error=\"insufficient_user_authentication\", max_age=900")
    );
    ada.patch(ME, json!({"first_name": "Ada"})).await.is(200);

    let ada = ada.login("ada@example.org", PASSWORD).await;
    let (app, _) = set_up(world, &ada).await;
    asks_for_a_fresh_factor(ada.patch(ME, body.clone()).await);
    assert_eq!(ada.get(ME).await.json()["pending_username"], Value::Null);
    let elevated = stepped_up(&ada, &next(world, &app)).await;
    elevated.patch(ME, body).await.is(200);
}

#[tokio::test]
async fn an_address_taken_in_the_meantime_is_not_given_twice() {
    let world = World::on_sqlite().await;
    let ada = world.user("ada").await;
    let body = json!({"username": "wanted@example.org"});
    ada.patch(ME, body).await.is(200);
    let token = json!({"token": world.token_to("wanted@example.org").await});
    world.user("wanted").await;
    let confirm = world
        .anonymous()
        .post("/api/v1/auth/confirm-username", token)
        .await;
    confirm.refused(409, "USERNAME_TAKEN", "A user with that username already exists.");
    assert_eq!(ada.get(ME).await.json()["username"], "ada@example.org");
}
