//! `GetUser`, `UpdateUser`, and who may call `UserService` at all.

use proto::auth::v1 as pb;
use service_runtime::on;
use tonic::Code;

use crate::support::{Refused, Service, Session, as_user, mask, refused};

const ADA: &str = "ada@example.org";
const STAFF: &str = "staff@example.org";

fn update(id: &str, user: pb::User, paths: &[&str], etag: &str) -> pb::UpdateUserRequest {
    pb::UpdateUserRequest {
        id: id.to_owned(),
        user: Some(user),
        update_mask: mask(paths),
        etag: etag.to_owned(),
    }
}

async fn updated(
    service: &Service,
    caller: &Session,
    request: pb::UpdateUserRequest,
) -> Result<pb::User, Refused> {
    let answer = service
        .users()
        .update_user(as_user(&caller.access, request))
        .await;
    answer.map(tonic::Response::into_inner).map_err(Refused::from)
}

/// First who calls, then what they may, then what there is.
#[tokio::test]
async fn the_order_of_refusals() {
    let service = Service::on_sqlite().await;
    let (ada, staff) = (service.user(ADA).await, service.staff(STAFF).await);
    let nobody = uuid::Uuid::nil().to_string();
    let get = pb::GetUserRequest { id: nobody.clone() };
    let change = update(&nobody, pb::User::default(), &["first_name"], "");
    let bad_list = pb::ListUsersRequest {
        page_size: -1,
        ..Default::default()
    };
    let mut users = service.users();
    for (token, code, reason, sentence) in [
        (
            None,
            Code::Unauthenticated,
            "TOKEN_REQUIRED",
            "Authentication is required.",
        ),
        (
            Some("bad"),
            Code::Unauthenticated,
            "TOKEN_INVALID",
            "The access token is not valid.",
        ),
        (
            Some(ada.access.as_str()),
            Code::PermissionDenied,
            "STAFF_REQUIRED",
            "Only administrators may do this.",
        ),
        (
            Some(&staff.access),
            Code::NotFound,
            "NOT_FOUND",
            "There is no such user.",
        ),
    ] {
        fn with<T>(token: Option<&str>, message: T) -> tonic::Request<T> {
            match token {
                Some(token) => as_user(token, message),
                None => tonic::Request::new(message),
            }
        }
        refused(users.get_user(with(token, get.clone())).await).is(code, reason, sentence);
        refused(users.update_user(with(token, change.clone())).await).is(code, reason, sentence);
        if code != Code::NotFound {
            refused(users.list_users(with(token, bad_list.clone())).await).is(code, reason, sentence);
        }
    }
}

#[tokio::test]
async fn an_id_that_is_none_is_not_found() {
    let service = Service::on_sqlite().await;
    let staff = service.staff(STAFF).await;
    for id in [
        "",
        "x",
        "\0",
        "../..",
        "' OR 1=1",
        "\u{202e}",
        &"0".repeat(100_000),
    ] {
        let get = pb::GetUserRequest { id: id.to_owned() };
        refused(service.users().get_user(as_user(&staff.access, get)).await).is(
            Code::NotFound,
            "NOT_FOUND",
            "There is no such user.",
        );
        let refused = updated(&service, &staff, update(id, pb::User::default(), &["bio"], "")).await;
        refused
            .unwrap_err()
            .is(Code::NotFound, "NOT_FOUND", "There is no such user.");
    }
}

#[tokio::test]
async fn staff_change_exactly_the_named_fields() {
    let service = Service::on_sqlite().await;
    let (ada, staff) = (service.add_user(ADA).await, service.staff(STAFF).await);
    let id = ada.id.to_string();
    let get = pb::GetUserRequest { id: id.clone() };
    let before = service
        .users()
        .get_user(as_user(&staff.access, get.clone()))
        .await
        .unwrap()
        .into_inner();
    let all = pb::User {
        first_name: "Ada".to_owned(),
        last_name: "Lovelace".to_owned(),
        is_staff: true,
        ..Default::default()
    };
    let named = updated(
        &service,
        &staff,
        update(&id, all, &["last_name", "is_staff"], &before.etag),
    )
    .await;
    let named = named.unwrap();
    let expected = pb::User {
        last_name: "Lovelace".to_owned(),
        is_staff: true,
        etag: named.etag.clone(),
        ..before
    };
    assert_eq!(named, expected);
    let read = service
        .users()
        .get_user(as_user(&staff.access, get))
        .await
        .unwrap();
    assert_eq!(read.into_inner(), named);
}

#[tokio::test]
async fn bad_fields_and_versions_are_refused() {
    let service = Service::on_sqlite().await;
    let (ada, staff) = (service.add_user(ADA).await, service.staff(STAFF).await);
    let id = ada.id.to_string();
    let bad = pb::User {
        bio: "x".repeat(2001),
        user_greeting: "x".repeat(101),
        ..Default::default()
    };
    let paths = [
        "bio",
        "user_greeting",
        "username",
        "id",
        "etag",
        "date_joined",
        "last_login",
        "password_hash",
    ];
    let read_only = "This field is read-only.";
    updated(&service, &staff, update(&id, bad, &paths, ""))
        .await
        .unwrap_err()
        .is_about(&[
            ("bio", "This field must have at most 2000 characters."),
            ("user_greeting", "This field must have at most 100 characters."),
            ("username", read_only),
            ("id", read_only),
            ("etag", read_only),
            ("date_joined", read_only),
            ("last_login", read_only),
            ("password_hash", "This field is not known."),
        ]);
    for etag in ["r0", "r2", "x", "*"] {
        let refused = updated(&service, &staff, update(&id, pb::User::default(), &["bio"], etag)).await;
        refused.unwrap_err().is(
            Code::Aborted,
            "ETAG_MISMATCH",
            "It was changed in the meantime. Read it again.",
        );
    }
    assert_eq!(service.store.user(ada.id).await.unwrap(), Some(ada));
}

#[tokio::test]
async fn the_last_active_staff_user_stays() {
    let service = Service::on_sqlite().await;
    let staff = service.staff(STAFF).await;
    for path in ["is_staff", "is_active"] {
        let refused = updated(
            &service,
            &staff,
            update(&staff.user.id, pb::User::default(), &[path], ""),
        )
        .await;
        refused.unwrap_err().is(
            Code::FailedPrecondition,
            "LAST_STAFF_USER",
            "The last active administrator cannot be demoted, deactivated or deleted.",
        );
    }
    assert!(service.knows(&staff.access).await);
}

#[tokio::test]
async fn granting_and_revoking_rights_is_told_to_the_trail() {
    let service = Service::on_sqlite().await;
    let (ada, staff) = (service.add_user(ADA).await, service.staff(STAFF).await);
    let id = ada.id.to_string();
    for is_staff in [true, true, false] {
        let user = pb::User {
            is_staff,
            ..Default::default()
        };
        updated(&service, &staff, update(&id, user, &["is_staff"], ""))
            .await
            .unwrap();
    }
    let events: Vec<(String, String, uuid::Uuid, uuid::Uuid, String)> = on!(&service.database, |pool| {
        sqlx::query_as(
            "SELECT severity, kind, actor_id, subject_id, ip_address FROM security_events \
             WHERE kind LIKE 'staff%' ORDER BY id",
        )
        .fetch_all(pool)
        .await
    })
    .unwrap();
    let by = uuid::Uuid::parse_str(&staff.user.id).unwrap();
    let told = |severity: &str, kind: &str| {
        (
            severity.to_owned(),
            kind.to_owned(),
            by,
            ada.id,
            "127.0.0.1".to_owned(),
        )
    };
    let mut events = events;
    events.sort();
    assert_eq!(
        events,
        [
            told("critical", "staff_granted"),
            told("warning", "staff_revoked")
        ]
    );
}

#[tokio::test]
async fn who_was_activated_by_staff_is_not_cleaned_away() {
    let service = Service::on_sqlite().await;
    let staff = service.staff(STAFF).await;
    service.register(ADA).await;
    let ada = service.store.user_by_username(ADA).await.unwrap().unwrap();
    let active = pb::User {
        is_active: true,
        ..Default::default()
    };
    updated(
        &service,
        &staff,
        update(&ada.id.to_string(), active, &["is_active"], ""),
    )
    .await
    .unwrap();
    let removed = service
        .store
        .remove_unverified_users(service.clock.now() + chrono::TimeDelta::days(99), 9);
    assert_eq!(removed.await.unwrap(), 0);
    service.login(ADA).await;
}
