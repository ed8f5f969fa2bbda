//! `GetProfile`, `UpdateProfile`.

use chrono::TimeDelta;
use proto::auth::v1 as pb;
use tonic::Code;

use crate::{
    on_both_databases,
    support::{Refused, Service, Session, as_user, mask, refused},
};

const ADA: &str = "ada@example.org";

on_both_databases!(a_new_address_takes_a_recent_login_or_a_fresh_factor);

async fn update(
    service: &Service,
    session: &Session,
    profile: pb::Profile,
    paths: &[&str],
    etag: &str,
) -> Result<pb::Profile, Refused> {
    let request = pb::UpdateProfileRequest {
        profile: Some(profile),
        update_mask: mask(paths),
        etag: etag.to_owned(),
    };
    let answer = service
        .accounts()
        .update_profile(as_user(&session.access, request))
        .await;
    answer.map(tonic::Response::into_inner).map_err(Refused::from)
}

#[tokio::test]
async fn only_named_fields_change() {
    let service = Service::on_sqlite().await;
    let ada = service.user(ADA).await;
    let before = service.profile(&ada.access).await.unwrap();
    let all = pb::Profile {
        first_name: "Ada".to_owned(),
        last_name: "Lovelace".to_owned(),
        bio: "b".to_owned(),
        user_greeting: "Hi".to_owned(),
        color_mode: pb::ColorMode::Dark.into(),
        dashboard_first_date: Some("2024-02-29".to_owned()),
        dashboard_second_date: Some("2024-03-01".to_owned()),
        ..Default::default()
    };
    let named = update(&service, &ada, all.clone(), &["first_name"], "")
        .await
        .unwrap();
    let expected = pb::Profile {
        first_name: "Ada".to_owned(),
        etag: named.etag.clone(),
        ..before.clone()
    };
    assert_eq!(named, expected);
    assert_ne!(named.etag, before.etag);
    let paths = [
        "last_name",
        "bio",
        "user_greeting",
        "color_mode",
        "dashboard_first_date",
        "dashboard_second_date",
    ];
    let full = update(&service, &ada, all.clone(), &paths, &named.etag)
        .await
        .unwrap();
    let expected = pb::Profile {
        id: before.id.clone(),
        username: before.username.clone(),
        is_active: true,
        date_joined: before.date_joined,
        last_login: before.last_login,
        etag: full.etag.clone(),
        ..all
    };
    assert_eq!(full, expected);
    assert_eq!(
        service.profile(&ada.access).await.unwrap(),
        full,
        "visible to the next read"
    );
    let cleared = update(&service, &ada, pb::Profile::default(), &paths, "")
        .await
        .unwrap();
    assert_eq!(
        (&cleared.dashboard_first_date, &cleared.dashboard_second_date),
        (&None, &None)
    );
    assert_eq!(
        (cleared.bio.as_str(), cleared.color_mode()),
        ("", pb::ColorMode::Light)
    );
}

#[tokio::test]
async fn bad_unknown_and_read_only_fields_are_named_together() {
    let service = Service::on_sqlite().await;
    let ada = service.user(ADA).await;
    let bad = pb::Profile {
        username: "ada".to_owned(),
        first_name: "x".repeat(151),
        color_mode: -1,
        dashboard_first_date: Some(String::new()),
        ..Default::default()
    };
    let read_only = [
        "id",
        "is_active",
        "is_staff",
        "date_joined",
        "last_login",
        "etag",
        "pending_username",
        "has_totp",
    ];
    let mut paths = vec![
        "username",
        "first_name",
        "color_mode",
        "dashboard_first_date",
        "password",
        "\0",
    ];
    paths.extend(read_only);
    let refused = update(&service, &ada, bad, &paths, "").await.unwrap_err();
    let mut expected = vec![
        ("username", "Username must be a valid email"),
        ("first_name", "This field must have at most 150 characters."),
        ("color_mode", "This field must be one of: light, dark."),
        ("dashboard_first_date", "A date is written YYYY-MM-DD."),
        ("password", "This field is not known."),
        ("\0", "This field is not known."),
    ];
    expected.extend(read_only.map(|field| (field, "This field is read-only.")));
    refused.is_about(&expected);
    let now = service.profile(&ada.access).await.unwrap();
    assert!(!now.is_staff);

    let request = pb::UpdateProfileRequest::default();
    let none = service
        .accounts()
        .update_profile(as_user(&ada.access, request))
        .await;
    crate::support::refused(none).is_about(&[("update_mask", "Name the fields to change.")]);
}

#[tokio::test]
async fn another_version_is_refused() {
    let service = Service::on_sqlite().await;
    let ada = service.user(ADA).await;
    let etag = service.profile(&ada.access).await.unwrap().etag;
    let rename = pb::Profile {
        first_name: "Ada".to_owned(),
        ..Default::default()
    };
    for bad in [
        "r0",
        "r999",
        "\"r1\"",
        "W/x",
        "*",
        "r-1",
        "\0",
        &"r".repeat(9999),
        &format!("{etag} "),
    ] {
        let refused = update(&service, &ada, rename.clone(), &["first_name"], bad).await;
        refused.unwrap_err().is(
            Code::Aborted,
            "ETAG_MISMATCH",
            "It was changed in the meantime. Read it again.",
        );
    }
    assert_eq!(service.profile(&ada.access).await.unwrap().first_name, "");
    update(&service, &ada, rename, &["first_name"], &etag)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_new_address_waits_and_can_be_taken_back() {
    let service = Service::on_sqlite().await;
    let ada = service.user(ADA).await;
    service.add_user("taken@example.org").await;
    let set = |username: &str| {
        let profile = pb::Profile {
            username: username.to_owned(),
            ..Default::default()
        };
        let (service, ada) = (&service, &ada);
        async move { update(service, ada, profile, &["username"], "").await }
    };
    let sentence = "A user with that username already exists.";
    set("Taken@example.org")
        .await
        .unwrap_err()
        .is(Code::AlreadyExists, "USERNAME_TAKEN", sentence)
        .about(&[("username", sentence)]);
    let waiting = set("new@example.org").await.unwrap();
    assert_eq!(waiting.pending_username.as_deref(), Some("new@example.org"));
    let token = service.token_to("new@example.org").await;
    let back = set("ADA@example.org").await.unwrap();
    assert_eq!((back.username.as_str(), back.pending_username), (ADA, None));
    refused(
        service
            .accounts()
            .confirm_username(pb::ConfirmUsernameRequest { token })
            .await,
    )
    .is(
        Code::InvalidArgument,
        "TOKEN_INVALID",
        "Token is invalid or expired",
    );
}

/// Whoever reads the mail of the new address can set the password, so an access token alone is not enough.
async fn a_new_address_takes_a_recent_login_or_a_fresh_factor(service: Service) {
    let set = async |session: &Session, username: &str, paths: &[&str]| {
        let profile = pb::Profile {
            username: username.to_owned(),
            bio: username.to_owned(),
            ..Default::default()
        };
        update(&service, session, profile, paths, "").await
    };
    let step_up = ("INSUFFICIENT_USER_AUTHENTICATION", Code::Unauthenticated);
    let ada = service.user(ADA).await;
    service.clock.turn(TimeDelta::minutes(14));
    let ada = service.refresh(&ada.refresh).await.unwrap();
    service.clock.turn(TimeDelta::minutes(1));
    set(&ada, "first@example.org", &["username"]).await.unwrap();
    service.clock.turn(TimeDelta::seconds(1));
    let before = (service.profile(&ada.access).await.unwrap(), service.mails().await);
    set(&ada, "second@example.org", &["username", "bio"])
        .await
        .unwrap_err()
        .is(
            Code::Unauthenticated,
            "LOGIN_TOO_OLD",
            "Please log in again: this needs a login of the last 15 minutes.",
        );
    let after = (service.profile(&ada.access).await.unwrap(), service.mails().await);
    assert_eq!(after, before, "nothing of it is done");
    // All else is free, and so is taking the change back.
    let other = set(&ada, "about me", &["bio"]).await.unwrap();
    assert_eq!(other.pending_username.as_deref(), Some("first@example.org"));
    let back = set(&ada, "ADA@example.org", &["username"]).await.unwrap();
    assert_eq!(back.pending_username, None);
    let ada = service.login(ADA).await;
    set(&ada, "second@example.org", &["username"]).await.unwrap();

    // A recent login does not stand in for the second factor of an account that has one.
    let ada = service.set_up(&ada).await;
    let fresh = "A second factor used in the last 5 minutes is required.";
    let before = service.mails().await;
    for session in [
        &ada.session,
        &service.refresh(&ada.session.refresh).await.unwrap(),
    ] {
        let refused = set(session, "third@example.org", &["username"]).await;
        refused.unwrap_err().is(step_up.1, step_up.0, fresh);
    }
    assert_eq!(service.mails().await, before);
    set(&ada.session, "about me", &["bio"]).await.unwrap();
    let code = ada.next_code(&service);
    let access = service.step_up(&ada.session.access, &code).await;
    let elevated = Session {
        access: access.unwrap().into_inner().access,
        ..ada.session.clone()
    };
    service.clock.turn(TimeDelta::minutes(5));
    let asked = set(&elevated, "third@example.org", &["username"]).await.unwrap();
    assert_eq!(asked.pending_username.as_deref(), Some("third@example.org"));
    service.clock.turn(TimeDelta::seconds(1));
    let refused = set(&elevated, "fourth@example.org", &["username"]).await;
    refused.unwrap_err().is(step_up.1, step_up.0, fresh);
}

#[tokio::test]
async fn a_profile_is_read_and_changed_by_its_owner_alone() {
    let service = Service::on_sqlite().await;
    let (required, sentence) = ("TOKEN_REQUIRED", "Authentication is required.");
    refused(service.accounts().get_profile(pb::GetProfileRequest {}).await).is(
        Code::Unauthenticated,
        required,
        sentence,
    );
    refused(
        service
            .accounts()
            .update_profile(pb::UpdateProfileRequest::default())
            .await,
    )
    .is(Code::Unauthenticated, required, sentence);
}
