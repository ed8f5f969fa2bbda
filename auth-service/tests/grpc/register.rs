//! `Register`: fields, passwords, keys.

use proto::auth::v1 as pb;
use tonic::Code;

use crate::support::{PASSWORD, Service, refused, registration};

const TAKEN: &str = "A user with that username already exists.";

#[tokio::test]
async fn a_new_account_has_its_defaults() {
    let service = Service::on_sqlite().await;
    let answer = service
        .accounts()
        .register(registration(" Ada@Example.org "))
        .await;
    let user = answer.unwrap().into_inner();
    let joined = user.date_joined.unwrap();
    assert_eq!(joined.seconds, service.clock.now().timestamp());
    let expected = pb::User {
        id: user.id.clone(),
        username: "Ada@Example.org".to_owned(),
        user_greeting: "Welcome!".to_owned(),
        color_mode: pb::ColorMode::Light.into(),
        date_joined: Some(joined),
        etag: user.etag.clone(),
        ..Default::default()
    };
    assert_eq!(user, expected);
    assert_eq!(uuid::Uuid::parse_str(&user.id).unwrap().get_version_num(), 7);
    assert!(!user.etag.is_empty());
}

#[tokio::test]
async fn a_profile_is_kept() {
    let service = Service::on_sqlite().await;
    let request = pb::RegisterRequest {
        first_name: " Ада ".to_owned(),
        last_name: "e\u{301}".to_owned(),
        bio: "two\nlines".to_owned(),
        user_greeting: Some(String::new()),
        color_mode: pb::ColorMode::Dark.into(),
        dashboard_first_date: Some("2024-02-29".to_owned()),
        ..registration("ada@example.org")
    };
    let user = service.accounts().register(request).await.unwrap().into_inner();
    assert_eq!(
        (
            user.first_name.as_str(),
            user.last_name.as_str(),
            user.bio.as_str()
        ),
        ("Ада", "é", "two\nlines")
    );
    assert_eq!(
        (user.user_greeting.as_str(), user.color_mode()),
        ("", pb::ColorMode::Dark)
    );
    assert_eq!(user.dashboard_first_date.as_deref(), Some("2024-02-29"));
    assert_eq!(user.dashboard_second_date, None);
}

#[tokio::test]
async fn missing_fields_are_named_together() {
    let service = Service::on_sqlite().await;
    for blank in ["", "   ", "\t\n"] {
        let request = pb::RegisterRequest {
            username: blank.to_owned(),
            password: blank.to_owned(),
            confirm_password: blank.to_owned(),
            ..Default::default()
        };
        refused(service.accounts().register(request).await).is_about(&[
            ("username", "The username field is required"),
            ("password", "The password field is required"),
            ("confirm_password", "The confirm password field is required"),
        ]);
    }
    let one = pb::RegisterRequest {
        confirm_password: String::new(),
        ..registration("ada@example.org")
    };
    refused(service.accounts().register(one).await)
        .is_about(&[("confirm_password", "The confirm password field is required")]);
}

#[tokio::test]
async fn every_bad_field_is_told_at_once() {
    let service = Service::on_sqlite().await;
    let control = "This field must not contain control characters.";
    let date = "A date is written YYYY-MM-DD.";
    let request = pb::RegisterRequest {
        username: "ada".to_owned(),
        confirm_password: "another".to_owned(),
        first_name: "x".repeat(151),
        last_name: "a\0b".to_owned(),
        bio: "\u{1b}[31m".to_owned(),
        user_greeting: Some("a\nb".to_owned()),
        color_mode: 99,
        dashboard_first_date: Some("29.02.2024".to_owned()),
        dashboard_second_date: Some("2023-02-29".to_owned()),
        ..registration("")
    };
    let request = pb::RegisterRequest {
        username: "ada".to_owned(),
        ..request
    };
    refused(service.accounts().register(request).await).is_about(&[
        ("username", "Username must be a valid email"),
        ("confirm_password", "Passwords are not matching."),
        ("first_name", "This field must have at most 150 characters."),
        ("last_name", control),
        ("bio", control),
        ("user_greeting", control),
        ("color_mode", "This field must be one of: light, dark."),
        ("dashboard_first_date", date),
        ("dashboard_second_date", date),
    ]);
}

#[tokio::test]
async fn what_is_no_address_is_refused() {
    let service = Service::on_sqlite().await;
    let long = format!("{}@example.org", "a".repeat(300));
    for username in [
        "ada",
        "ada@",
        "ada@localhost",
        "a b@example.org",
        "Ada <ada@example.org>",
        "ada@example.org\0",
        "ada@example.org\r\nBcc: eve@example.org",
        "\u{202e}ada@example.org",
        "ada@ex\u{0430}mple.org",
        &long,
    ] {
        refused(service.accounts().register(registration(username)).await)
            .is_about(&[("username", "Username must be a valid email")]);
    }
    assert_eq!(service.mails().await, 0);
}

#[tokio::test]
async fn weak_passwords_are_refused_with_advice() {
    let service = Service::on_sqlite().await;
    let long = format!("{}x", "zebra kettle ".repeat(10));
    assert!(long.chars().count() > 128);
    for (password, advice) in [
        ("Sh0rt!x", "The password must have at least 8 characters."),
        (
            "1928374650192837",
            "The password must not consist of digits alone.",
        ),
        ("ada.lovelace", "The password is too close to your own data."),
        (
            "password123",
            "The password is too easy to guess. Use more or rarer words.",
        ),
        (&long, "The password must have at most 128 characters."),
    ] {
        let request = pb::RegisterRequest {
            password: password.to_owned(),
            confirm_password: password.to_owned(),
            ..registration("ada.lovelace@example.org")
        };
        refused(service.accounts().register(request).await).is_about(&[("password", advice)]);
    }
}

#[tokio::test]
async fn any_unicode_is_a_password_and_none_is_cut_off() {
    let service = Service::on_sqlite().await;
    let password = "漢字 кулебяка 🦀 \u{0} tail".to_owned();
    let request = pb::RegisterRequest {
        password: password.clone(),
        confirm_password: password.clone(),
        ..registration("ada@example.org")
    };
    service.accounts().register(request).await.unwrap();
    let token = service.token_to("ada@example.org").await;
    service
        .accounts()
        .verify_email(pb::VerifyEmailRequest { token })
        .await
        .unwrap();
    service.login_with("ada@example.org", &password).await.unwrap();
    for other in [
        password.trim_end_matches("tail"),
        password.split('\0').next().unwrap(),
    ] {
        assert!(service.login_with("ada@example.org", other).await.is_err());
    }
}

#[tokio::test]
async fn a_taken_address_is_told() {
    let service = Service::on_sqlite().await;
    service.add_user("Ada@example.org").await;
    refused(service.accounts().register(registration("aDA@example.ORG")).await)
        .is(Code::AlreadyExists, "USERNAME_TAKEN", TAKEN)
        .about(&[("username", TAKEN)]);
    assert_eq!(service.mails().await, 0);
}

#[tokio::test]
async fn a_key_makes_a_retry_safe_even_after_verification() {
    let service = Service::on_sqlite().await;
    let request = pb::RegisterRequest {
        request_id: "0f8fad5b-d9cb-469f-a165-70867728950e".to_owned(),
        ..registration("ada@example.org")
    };
    let first = service
        .accounts()
        .register(request.clone())
        .await
        .unwrap()
        .into_inner();
    let token = service.token_to("ada@example.org").await;
    service
        .accounts()
        .verify_email(pb::VerifyEmailRequest { token })
        .await
        .unwrap();
    let again = service
        .accounts()
        .register(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again, first);
    assert_eq!(service.mails().await, 1);

    let changes: [fn(&mut pb::RegisterRequest); 3] = [
        |request| request.first_name = "Ada".to_owned(),
        |request| request.username = "other@example.org".to_owned(),
        |request| {
            request.password = "another zebra kettle".to_owned();
            request.confirm_password = request.password.clone();
        },
    ];
    for change in changes {
        let mut other = request.clone();
        change(&mut other);
        refused(service.accounts().register(other).await).is(
            Code::InvalidArgument,
            "IDEMPOTENCY_KEY_REUSED",
            "This idempotency key was used with other input.",
        );
    }
    service.clock.turn(chrono::TimeDelta::hours(24));
    refused(service.accounts().register(request).await).is(Code::AlreadyExists, "USERNAME_TAKEN", TAKEN);
}

#[tokio::test]
async fn a_bad_key_is_refused() {
    let service = Service::on_sqlite().await;
    for key in ["a b", "\0", "é", &"x".repeat(256)] {
        let request = pb::RegisterRequest {
            request_id: key.to_owned(),
            ..registration("ada@example.org")
        };
        refused(service.accounts().register(request).await).is_about(&[(
            "request_id",
            "A request id has at most 255 visible ASCII characters.",
        )]);
    }
    let longest = pb::RegisterRequest {
        request_id: "x".repeat(255),
        ..registration("ada@example.org")
    };
    service.accounts().register(longest).await.unwrap();
}

#[tokio::test]
async fn no_answer_holds_the_password() {
    let service = Service::on_sqlite().await;
    let user = service
        .accounts()
        .register(registration("ada@example.org"))
        .await
        .unwrap();
    assert!(!format!("{user:?}").contains(PASSWORD));
    let weak = pb::RegisterRequest {
        password: "hunter2hunter2".to_owned(),
        confirm_password: "hunter3".to_owned(),
        ..registration("bob@example.org")
    };
    let refused = service.accounts().register(weak).await.unwrap_err();
    assert!(!format!("{refused:?}").contains("hunter"), "{refused:?}");
}
