//! `Login`, `Refresh`, `Logout`, `LogoutAll`, `ListSessions`, `RevokeSession`.

use proto::auth::v1 as pb;
use tonic::{Code, Request};

use crate::support::{PASSWORD, Service, as_service, as_user, refused};

const ADA: &str = "ada@example.org";
const FAILED: &str = "Token refresh failed. Please log in again.";

async fn list(service: &Service, access: &str, page_size: i32, page_token: &str) -> pb::ListSessionsResponse {
    let request = pb::ListSessionsRequest {
        page_size,
        page_token: page_token.to_owned(),
    };
    let answer = service.sessions().list_sessions(as_user(access, request)).await;
    answer.unwrap().into_inner()
}

fn revoke(access: &str, id: &str) -> Request<pb::RevokeSessionRequest> {
    as_user(access, pb::RevokeSessionRequest { id: id.to_owned() })
}

#[tokio::test]
async fn a_login_says_all_that_is_needed() {
    let service = Service::on_sqlite().await;
    let ada = service.add_user(ADA).await;
    let request = pb::LoginRequest {
        username: ADA.to_owned(),
        password: PASSWORD.to_owned(),
        code: String::new(),
    };
    let pair = service.sessions().login(request).await.unwrap().into_inner();
    assert_eq!((pair.token_type.as_str(), pair.expires_in), ("Bearer", 900));
    assert!(pair.refresh.starts_with("oer_"), "opaque and prefixed");
    assert_eq!(pair.access.split('.').count(), 3);
    assert!(!pair.access.contains(ADA) && !pair.refresh.contains(ADA));
    let user = pair.user.unwrap();
    assert_eq!(user.id, ada.id.to_string());
    assert_eq!(user.last_login.unwrap().seconds, service.clock.now().timestamp());
}

#[tokio::test]
async fn missing_fields_of_a_login_are_named() {
    let service = Service::on_sqlite().await;
    refused(service.sessions().login(pb::LoginRequest::default()).await).is_about(&[
        ("username", "The username field is required"),
        ("password", "The password field is required"),
    ]);
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused() {
    let service = Service::on_sqlite().await;
    let ada = service.user(ADA).await;
    let good = ada.refresh.as_str();
    for bad in [
        "",
        "oer_",
        "x",
        &good[4..],
        &good[..good.len() - 1],
        &format!("{good}A"),
        &format!("{good}="),
        &format!(" {good}"),
        &format!("{good}\0"),
        &good.to_uppercase(),
        &"oer_A".repeat(50_000),
        "oer_\u{202e}",
    ] {
        let request = pb::RefreshRequest {
            refresh: bad.to_owned(),
        };
        refused(service.sessions().refresh(request).await).is(
            Code::Unauthenticated,
            "REFRESH_FAILED",
            FAILED,
        );
        let request = pb::LogoutRequest {
            refresh: bad.to_owned(),
        };
        refused(service.sessions().logout(request).await).is(Code::Unauthenticated, "REFRESH_FAILED", FAILED);
    }
    assert!(service.knows(&ada.access).await);
}

#[tokio::test]
async fn logging_out_everywhere_ends_own_sessions_only() {
    let service = Service::on_sqlite().await;
    let (one, bob) = (service.user(ADA).await, service.user("bob@example.org").await);
    let two = service.login(ADA).await;
    let request = as_user(&one.access, pb::LogoutAllRequest {});
    service.sessions().logout_all(request).await.unwrap();
    for ended in [&one, &two] {
        assert!(!service.knows(&ended.access).await);
        assert!(service.refresh(&ended.refresh).await.is_err());
    }
    assert!(service.knows(&bob.access).await);
}

#[tokio::test]
async fn sessions_are_listed_newest_first_with_their_devices() {
    let service = Service::on_sqlite().await;
    service.add_user(ADA).await;
    let login = pb::LoginRequest {
        username: ADA.to_owned(),
        password: PASSWORD.to_owned(),
        code: String::new(),
    };
    // Only who shows the service token is believed about the device behind it.
    let devices: [fn(pb::LoginRequest) -> Request<pb::LoginRequest>; 2] = [as_service, Request::new];
    let mut access = String::new();
    for device in devices {
        let mut request = device(login.clone());
        request
            .metadata_mut()
            .insert("x-client-address", "203.0.113.7".parse().unwrap());
        request
            .metadata_mut()
            .insert("x-client-user-agent", "Lynx/2.9".parse().unwrap());
        access = service
            .sessions()
            .login(request)
            .await
            .unwrap()
            .into_inner()
            .access;
        service.clock.turn(chrono::TimeDelta::minutes(1));
    }
    let sessions = list(&service, &access, 0, "").await.sessions;
    assert_eq!(sessions.len(), 2);
    assert_eq!((sessions[0].is_current, sessions[1].is_current), (true, false));
    assert_eq!(sessions[0].ip_address, "127.0.0.1");
    assert!(
        sessions[0].user_agent.starts_with("tonic/"),
        "{}",
        sessions[0].user_agent
    );
    assert_eq!(
        (sessions[1].ip_address.as_str(), sessions[1].user_agent.as_str()),
        ("203.0.113.7", "Lynx/2.9")
    );
    assert!(sessions[0].created_at.unwrap().seconds > sessions[1].created_at.unwrap().seconds);
}

#[tokio::test]
async fn sessions_come_in_pages_bound_to_their_owner() {
    let service = Service::on_sqlite().await;
    service.add_user(ADA).await;
    let bob = service.user("bob@example.org").await;
    let mut access = String::new();
    for _ in 0..5 {
        access = service.login(ADA).await.access;
    }
    let (mut ids, mut token, mut sizes) = (Vec::new(), String::new(), Vec::new());
    loop {
        let page = list(&service, &access, 2, &token).await;
        sizes.push(page.sessions.len());
        ids.extend(page.sessions.into_iter().map(|session| session.id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
        let foreign = pb::ListSessionsRequest {
            page_size: 2,
            page_token: token.clone(),
        };
        refused(
            service
                .sessions()
                .list_sessions(as_user(&bob.access, foreign))
                .await,
        )
        .is_about(&[("page_token", "The page token is not valid for this list.")]);
    }
    assert_eq!(sizes, [2, 2, 1]);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
    let negative = pb::ListSessionsRequest {
        page_size: -1,
        page_token: String::new(),
    };
    refused(service.sessions().list_sessions(as_user(&access, negative)).await)
        .is_about(&[("page_size", "The page size must not be negative.")]);
}

#[tokio::test]
async fn one_revokes_own_open_sessions_only() {
    let service = Service::on_sqlite().await;
    let (one, bob) = (service.user(ADA).await, service.user("bob@example.org").await);
    let two = service.login(ADA).await;
    let sessions = list(&service, &two.access, 0, "").await.sessions;
    let first = &sessions.iter().find(|session| !session.is_current).unwrap().id;
    let bobs = &list(&service, &bob.access, 0, "").await.sessions[0].id;
    let nil = uuid::Uuid::nil().to_string();
    for id in [bobs, &nil, "", "x", "\0", "../../etc", &"9".repeat(9999)] {
        refused(service.sessions().revoke_session(revoke(&two.access, id)).await).is(
            Code::NotFound,
            "NOT_FOUND",
            "There is no such session.",
        );
    }
    service
        .sessions()
        .revoke_session(revoke(&two.access, first))
        .await
        .unwrap();
    assert!(!service.knows(&one.access).await, "at once");
    assert!(service.refresh(&one.refresh).await.is_err());
    assert!(service.knows(&two.access).await && service.knows(&bob.access).await);
    refused(
        service
            .sessions()
            .revoke_session(revoke(&two.access, first))
            .await,
    )
    .is(Code::NotFound, "NOT_FOUND", "There is no such session.");
}

#[tokio::test]
async fn what_is_about_own_sessions_needs_an_access_token() {
    let service = Service::on_sqlite().await;
    let mut sessions = service.sessions();
    for answer in [
        sessions.logout_all(pb::LogoutAllRequest {}).await.map(drop),
        sessions
            .list_sessions(pb::ListSessionsRequest::default())
            .await
            .map(drop),
        sessions
            .revoke_session(pb::RevokeSessionRequest::default())
            .await
            .map(drop),
    ] {
        refused(answer.map(tonic::Response::new)).is(
            Code::Unauthenticated,
            "TOKEN_REQUIRED",
            "Authentication is required.",
        );
    }
}

#[tokio::test]
async fn only_one_clean_bearer_token_counts() {
    let service = Service::on_sqlite().await;
    let ada = service.user(ADA).await;
    let with = |values: Vec<String>| {
        let mut request = Request::new(pb::GetProfileRequest {});
        for value in values {
            request
                .metadata_mut()
                .append("authorization", value.parse().unwrap());
        }
        let mut accounts = service.accounts();
        async move { accounts.get_profile(request).await }
    };
    let token = &ada.access;
    for good in [
        format!("Bearer {token}"),
        format!("bearer {token}"),
        format!("BEARER {token}"),
    ] {
        with(vec![good]).await.unwrap();
    }
    for bad in [
        vec![token.clone()],
        vec![String::new()],
        vec!["Bearer".to_owned()],
        vec![format!("Bearer  {token}")],
        vec![format!("Bearer {token} ")],
        vec![format!("Bearer\t{token}")],
        vec![format!("Basic {token}")],
        vec![format!("Bearer \"{token}\"")],
        vec![format!("Bearer {token},Bearer {token}")],
        vec![format!("Bearer {token}"), format!("Bearer {token}")],
        vec![format!("Bearer {}", "x".repeat(8000))],
    ] {
        let shown = format!("{bad:?}");
        let refused = crate::support::Refused::from(with(bad).await.expect_err(&shown));
        refused.is(
            Code::Unauthenticated,
            "TOKEN_INVALID",
            "The access token is not valid.",
        );
    }
    let mut both = as_user(token, pb::GetProfileRequest {});
    let binary = tonic::metadata::MetadataValue::from_bytes(b"Bearer x");
    both.metadata_mut().insert_bin("authorization-bin", binary);
    assert!(service.accounts().get_profile(both).await.is_err());
}
