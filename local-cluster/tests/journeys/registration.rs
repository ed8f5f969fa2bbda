//! What registering takes and refuses, and what it tells.

use serde_json::{Value, json};

use crate::support::{Answer, Ground, PASSWORD, World};

crate::on_every_ground!(
    a_taken_address_is_refused_whatever_its_case,
    a_repeated_registration_is_one_registration,
);

async fn register(world: &World, body: Value) -> Answer {
    world.anonymous().post("/api/v1/auth/register", body).await
}

fn account(username: &str) -> Value {
    json!({"username": username, "password": PASSWORD, "confirm_password": PASSWORD})
}

async fn a_taken_address_is_refused_whatever_its_case(world: &World) {
    world.register("ada@example.org").await;
    let sentence = "A user with that username already exists.";
    let taken = register(world, account("ADA@EXAMPLE.ORG")).await;
    let taken = taken.refused(409, "USERNAME_TAKEN", sentence);
    assert_eq!(taken.json()["code"], "ALREADY_EXISTS");
    assert_eq!(taken.errors(), [("username", sentence)]);
}

async fn a_repeated_registration_is_one_registration(world: &World) {
    let anonymous = world.anonymous();
    let post = |body| anonymous.post("/api/v1/auth/register", body).once("key-1");
    let first = post(account("ada@example.org")).await.is(201);
    let again = post(account("ada@example.org")).await.is(201);
    assert_eq!(first.json(), again.json());
    let other = post(account("eve@example.org")).await;
    other.refused(
        422,
        "IDEMPOTENCY_KEY_REUSED",
        "This idempotency key was used with other input.",
    );
    world.mail_to("ada@example.org").await;
    // The second mail in the box is that of the next person: no other one was caused.
    world.register("bob@example.org").await;
    world.mail_to("bob@example.org").await;
    assert_eq!(world.smtp.messages().len(), 2);
}

#[tokio::test]
async fn everything_wrong_is_said_at_once() {
    let world = World::on_sqlite().await;
    let required = [
        ("username", "The username field is required"),
        ("password", "The password field is required"),
        ("confirm_password", "The confirm password field is required"),
    ];
    register(&world, json!({})).await.about(&required);
    let blank = json!({"username": " ", "password": "", "confirm_password": null});
    register(&world, blank).await.about(&required);

    let wrong = json!({
        "username": "not an address", "password": PASSWORD, "confirm_password": "other",
        "first_name": "x".repeat(151), "dashboard_second_date": "2026-02-30",
    });
    register(&world, wrong).await.about(&[
        ("username", "Username must be a valid email"),
        ("confirm_password", "Passwords are not matching."),
        ("first_name", "This field must have at most 150 characters."),
        ("dashboard_second_date", "A date is written YYYY-MM-DD."),
    ]);

    // What the shape of the JSON already shows is said before anybody looks at the values.
    let shapeless = json!({"username": 1, "color_mode": "purple", "is_staff": true, "nonsense": null});
    let mut errors = register(&world, shapeless).await.is(400).errors();
    errors.sort_unstable();
    assert_eq!(
        errors,
        [
            ("color_mode", "This field must be one of: light, dark."),
            ("is_staff", "This field is not known."),
            ("nonsense", "This field is not known."),
            ("username", "This field must be a string."),
        ]
    );
    let nobody = world.anonymous().try_login("not an address", PASSWORD).await;
    nobody.refused(401, "INVALID_CREDENTIALS", "Invalid username/password");
}

#[tokio::test]
async fn a_password_that_is_easy_to_guess_is_refused() {
    let world = World::on_sqlite().await;
    for weak in [
        "short",
        "password1",
        "1234567890123",
        "ada.lovelace",
        "qwertyuiop",
        &"é".repeat(129),
    ] {
        let body = json!({
            "username": "ada.lovelace@example.org", "password": weak, "confirm_password": weak,
        });
        let refused = register(&world, body).await.is(400);
        assert_eq!(refused.errors().len(), 1, "{weak}");
        assert_eq!(refused.errors()[0].0, "password", "{weak}");
        assert!(!refused.body.contains(weak), "a password is never repeated");
    }
    for good in [
        "пароль из четырёх слов",
        "🦀🐙🦑🐡🐠🐟🐬🐳",
        &"zebra kettle ".repeat(9),
    ] {
        let username = format!("user{}@example.org", good.len());
        let body = json!({"username": username, "password": good, "confirm_password": good});
        register(&world, body).await.is(201);
        let verify = json!({"token": world.token_to(&username).await});
        world
            .anonymous()
            .post("/api/v1/auth/verify-email", verify)
            .await
            .is(200);
        world.anonymous().login(&username, good).await;
    }
}

#[tokio::test]
async fn a_server_may_hide_which_accounts_exist() {
    let world = World::with(Ground::sqlite(), |values| {
        values.with("ACCOUNTS_DISCLOSE_EXISTING", "false")
    })
    .await;
    let first = register(&world, account("ada@example.org")).await.is(201);
    let token = test_support::mail::token(&world.mail_to("ada@example.org").await).unwrap();
    world
        .anonymous()
        .post("/api/v1/auth/verify-email", json!({"token": token}))
        .await
        .is(200);
    let second = register(&world, account("ada@example.org")).await.is(201);
    // The same to look at; only the owner learns of it.
    let masked = |answer: &Answer| {
        let mut user = answer.json();
        user["id"] = Value::Null;
        user
    };
    assert_eq!(masked(&first), masked(&second));
    assert_ne!(first.json()["id"], second.json()["id"]);
    let mail = world.mail_to("ada@example.org").await;
    assert_eq!(
        test_support::mail::subject(&mail).as_deref(),
        Some("You already have an account")
    );
    assert_eq!(test_support::mail::link(&mail), None);
}
