//! `GetJwks`, `Authorize`, `BatchGetUsers`: what other services ask.

use proto::auth::v1 as pb;
use tonic::{Code, Request};

use crate::support::{Ground, Service, as_service, as_user, refused};

const ADA: &str = "ada@example.org";
const SERVICES_ONLY: &str = "Only services with the service token may call this.";

fn authorize(access_token: &str) -> pb::AuthorizeRequest {
    pb::AuthorizeRequest {
        access_token: access_token.to_owned(),
    }
}

fn batch(ids: Vec<String>) -> Request<pb::BatchGetUsersRequest> {
    as_service(pb::BatchGetUsersRequest { user_ids: ids })
}

#[tokio::test]
async fn keys_are_published_as_rfc_8037_says() {
    let service = Service::on_sqlite().await;
    let jwks = service
        .tokens()
        .get_jwks(pb::GetJwksRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        jwks.keys.len(),
        2,
        "the one that signs and the next one: {jwks:?}"
    );
    for key in jwks.keys {
        assert_eq!(
            [&key.kty, &key.crv, &key.r#use, &key.alg],
            ["OKP", "Ed25519", "sig", "EdDSA"]
        );
        assert_eq!(key.x.len(), 43, "32 bytes in base64url");
        assert!(!key.kid.is_empty());
    }
}

#[tokio::test]
async fn authorize_is_the_current_answer() {
    let service = Service::on_sqlite().await;
    let staff = service.staff("staff@example.org").await;
    let ada = service.user(ADA).await;
    let ask = || {
        let (mut tokens, request) = (service.tokens(), as_service(authorize(&ada.access)));
        async move { tokens.authorize(request).await }
    };
    let answer = ask().await.unwrap().into_inner();
    assert_eq!(
        (answer.user_id.as_str(), answer.username.as_str()),
        (ada.user.id.as_str(), ADA)
    );
    assert_eq!((answer.is_active, answer.is_staff), (true, false));
    assert_eq!(answer.factors, ["pwd"]);
    assert_eq!(answer.auth_time.unwrap().seconds, service.clock.now().timestamp());
    assert_eq!(
        uuid::Uuid::parse_str(&answer.session_id)
            .unwrap()
            .get_version_num(),
        7
    );

    let promote = |is_staff, is_active| {
        let user = pb::User {
            is_staff,
            is_active,
            ..Default::default()
        };
        let request = pb::UpdateUserRequest {
            id: ada.user.id.clone(),
            user: Some(user),
            update_mask: crate::support::mask(&["is_staff", "is_active"]),
            etag: String::new(),
        };
        let (mut users, request) = (service.users(), as_user(&staff.access, request));
        async move { users.update_user(request).await.unwrap() }
    };
    promote(true, true).await;
    assert!(
        ask().await.unwrap().into_inner().is_staff,
        "at once, with the same token"
    );
    promote(false, false).await;
    refused(ask().await).is(
        Code::Unauthenticated,
        "TOKEN_INVALID",
        "The access token is not valid.",
    );
    promote(false, true).await;
    refused(ask().await).is(
        Code::Unauthenticated,
        "TOKEN_INVALID",
        "The access token is not valid.",
    );
}

#[tokio::test]
async fn internal_calls_need_the_service_token() {
    let service = Service::on_sqlite().await;
    let ada = service.user(ADA).await;
    for shown in [
        None,
        Some(""),
        Some("x"),
        Some("a-service-token-of-the-tests-012345678"),
        Some(&ada.access),
    ] {
        let mut one = as_user(&ada.access, authorize(&ada.access));
        let mut two = as_user(&ada.access, pb::BatchGetUsersRequest::default());
        if let Some(shown) = shown {
            one.metadata_mut()
                .insert("x-service-token", shown.parse().unwrap());
            two.metadata_mut()
                .insert("x-service-token", shown.parse().unwrap());
        }
        refused(service.tokens().authorize(one).await).is(
            Code::PermissionDenied,
            "SERVICE_TOKEN_REQUIRED",
            SERVICES_ONLY,
        );
        refused(service.tokens().batch_get_users(two).await).is(
            Code::PermissionDenied,
            "SERVICE_TOKEN_REQUIRED",
            SERVICES_ONLY,
        );
    }
}

#[tokio::test]
async fn a_service_token_can_be_changed_without_a_gap() {
    let new = "another-service-token-0123456789abcdef";
    let both = format!("{new},{}", crate::support::SERVICE_TOKEN);
    let set = |values: service_runtime::settings::Values| values.with("SERVICE_TOKEN", both);
    let service = Service::with(Ground::sqlite(), set).await.unwrap();
    let mut request = Request::new(pb::BatchGetUsersRequest::default());
    request
        .metadata_mut()
        .insert("x-service-token", new.parse().unwrap());
    service.tokens().batch_get_users(request).await.unwrap();
    service.tokens().batch_get_users(batch(vec![])).await.unwrap();
}

#[tokio::test]
async fn a_bad_access_token_is_refused_by_authorize() {
    let service = Service::on_sqlite().await;
    let ada = service.user(ADA).await;
    for bad in [
        "",
        "x",
        "..",
        &ada.access[1..],
        &format!("{}\0", ada.access),
        &"x.".repeat(100_000),
    ] {
        refused(service.tokens().authorize(as_service(authorize(bad))).await).is(
            Code::Unauthenticated,
            "TOKEN_INVALID",
            "The access token is not valid.",
        );
    }
}

#[tokio::test]
async fn users_are_read_in_the_order_of_their_ids() {
    let service = Service::on_sqlite().await;
    let (ada, bob) = (
        service.add_user(ADA).await,
        service.add_staff("bob@example.org").await,
    );
    let absent = uuid::Uuid::nil().to_string();
    let ids = vec![bob.id.to_string(), absent, ada.id.to_string(), bob.id.to_string()];
    let users = service
        .tokens()
        .batch_get_users(batch(ids))
        .await
        .unwrap()
        .into_inner()
        .users;
    let mut expected = [
        (ada.id.to_string(), ADA, false),
        (bob.id.to_string(), "bob@example.org", true),
    ];
    expected.sort();
    let got: Vec<_> = users
        .iter()
        .map(|user| (user.id.clone(), user.username.as_str(), user.is_staff))
        .collect();
    assert_eq!(got, expected);
}

#[tokio::test]
async fn too_many_or_bad_ids_are_refused() {
    let service = Service::on_sqlite().await;
    let many = vec![uuid::Uuid::nil().to_string(); 501];
    service
        .tokens()
        .batch_get_users(batch(many[..500].to_vec()))
        .await
        .unwrap();
    refused(service.tokens().batch_get_users(batch(many)).await)
        .is_about(&[("user_ids", "At most 500 users can be asked for at once.")]);
    for bad in [
        "",
        "x",
        "\0",
        "'; DROP TABLE users",
        "00000000-0000-0000-0000-00000000000g",
    ] {
        let ids = vec![uuid::Uuid::nil().to_string(), bad.to_owned()];
        refused(service.tokens().batch_get_users(batch(ids)).await)
            .is_about(&[("user_ids", "An id is a UUID.")]);
    }
}
