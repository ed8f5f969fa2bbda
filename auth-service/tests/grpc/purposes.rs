//! What was made for one purpose is worth nothing for another: six kinds of tokens at six doors, 36 cells, of which
//! the six of the diagonal open.

use proto::auth::v1 as pb;
use tonic::Code;

use crate::support::{Refused, Service, as_service, as_user};

const ADA: &str = "ada@example.org";
const NEW: &str = "new@example.org";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Verification,
    Reset,
    Confirmation,
    Access,
    Refresh,
    Page,
}

const KINDS: [Kind; 6] = [
    Kind::Verification,
    Kind::Reset,
    Kind::Confirmation,
    Kind::Access,
    Kind::Refresh,
    Kind::Page,
];

/// Offers a token where one of this kind belongs.
async fn offer(service: &Service, access: &str, door: Kind, token: &str) -> Result<(), tonic::Status> {
    let token = token.to_owned();
    match door {
        Kind::Verification => {
            let request = pb::VerifyEmailRequest { token };
            service.accounts().verify_email(request).await.map(drop)
        }
        Kind::Reset => {
            let request = pb::ResetPasswordRequest {
                token,
                password: "gravel lantern octopus".to_owned(),
                confirm_password: "gravel lantern octopus".to_owned(),
            };
            service.accounts().reset_password(request).await.map(drop)
        }
        Kind::Confirmation => {
            let request = pb::ConfirmUsernameRequest { token };
            service.accounts().confirm_username(request).await.map(drop)
        }
        Kind::Access => {
            let request = pb::AuthorizeRequest {
                access_token: token.clone(),
            };
            let asked = service.tokens().authorize(as_service(request)).await.map(drop);
            let used = service.profile(&token).await.map(drop);
            assert_eq!(asked.is_ok(), used.is_ok());
            used
        }
        Kind::Refresh => {
            let refreshed = service.refresh(&token).await.map(drop);
            if refreshed.is_err() {
                let request = pb::LogoutRequest { refresh: token };
                service
                    .sessions()
                    .logout(request)
                    .await
                    .expect_err("no refresh token");
            }
            refreshed
        }
        Kind::Page => {
            let request = pb::ListSessionsRequest {
                page_size: 1,
                page_token: token,
            };
            service
                .sessions()
                .list_sessions(as_user(access, request))
                .await
                .map(drop)
        }
    }
}

#[tokio::test]
async fn a_token_opens_its_own_door_only() {
    let service = Service::on_sqlite().await;
    let verification = service.register("unverified@example.org").await;
    service.add_user(ADA).await;
    let (ada, _other) = (service.login(ADA).await, service.login(ADA).await);
    // A reset takes back a change of address that waits, so the two belong to different accounts.
    let bob = service.user("bob@example.org").await;
    let list = pb::ListSessionsRequest {
        page_size: 1,
        page_token: String::new(),
    };
    let listed = service
        .sessions()
        .list_sessions(as_user(&ada.access, list))
        .await
        .unwrap();
    let tokens = [
        verification,
        service.reset_token(ADA).await,
        service.confirm_token(&bob.access, NEW).await,
        ada.access.clone(),
        ada.refresh.clone(),
        listed.into_inner().next_page_token,
    ];
    let mut refused = 0;
    for (kind, token) in KINDS.into_iter().zip(&tokens) {
        assert!(!token.is_empty(), "{kind:?}");
        for door in KINDS.into_iter().filter(|door| *door != kind) {
            let answer = offer(&service, &ada.access, door, token).await;
            let answer = Refused::from(answer.expect_err("a foreign token"));
            let (code, reason) = match door {
                Kind::Verification | Kind::Reset | Kind::Confirmation => {
                    (Code::InvalidArgument, "TOKEN_INVALID")
                }
                Kind::Access => (Code::Unauthenticated, "TOKEN_INVALID"),
                Kind::Refresh => (Code::Unauthenticated, "REFRESH_FAILED"),
                Kind::Page => (Code::InvalidArgument, "INVALID_FIELDS"),
            };
            assert_eq!(
                (answer.code, answer.reason.as_str()),
                (code, reason),
                "{kind:?} at {door:?}"
            );
            refused += 1;
        }
    }
    assert_eq!(refused, 30);
    // None of that has done anything: each token still opens its own door. Resetting ends the session, so it comes
    // after those that need one.
    for kind in [
        Kind::Verification,
        Kind::Page,
        Kind::Access,
        Kind::Refresh,
        Kind::Reset,
        Kind::Confirmation,
    ] {
        let token = &tokens[KINDS.iter().position(|other| *other == kind).unwrap()];
        let opened = offer(&service, &ada.access, kind, token).await;
        assert!(opened.is_ok(), "{kind:?}: {opened:?}");
    }
}
