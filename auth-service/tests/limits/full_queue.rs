//! More passwords than can be hashed in time.

use std::time::Duration;

use futures::future::join_all;
use proto::auth::v1 as pb;
use tonic::{Code, Request};

use crate::support::{PASSWORD, Service, as_service, as_user};

/// The queue is full before and after each of the others is asked: who is in a hurry is told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_hash_queue_is_full_everything_else_is_served() {
    let service = Service::on_sqlite().await;
    let ada = service.staff("ada@example.org").await;
    let login = async |patience: Duration| {
        let mut request = Request::new(pb::LoginRequest {
            username: "nobody@example.org".to_owned(),
            password: PASSWORD.to_owned(),
            code: String::new(),
        });
        request.set_timeout(patience);
        service.sessions().login(request).await.unwrap_err().code()
    };
    let is_full = async || while login(Duration::from_millis(100)).await != Code::ResourceExhausted {};
    let storm = join_all((0..64).map(|_| async {
        loop {
            login(Duration::from_secs(30)).await;
        }
    }));
    let others = async {
        let mut session = ada.clone();
        for round in 0..4 {
            is_full().await;
            session = service.refresh(&session.refresh).await.expect("refreshing");
            is_full().await;
            let profile = service.profile(&session.access).await.expect("the profile");
            assert_eq!(profile.username, "ada@example.org");
            is_full().await;
            let identity = as_service(pb::AuthorizeRequest {
                access_token: session.access.clone(),
            });
            let identity = service.tokens().authorize(identity).await.expect("who it is");
            assert!(identity.into_inner().is_staff);
            is_full().await;
            let users = as_user(&session.access, pb::ListUsersRequest::default());
            let users = service.users().list_users(users).await.expect("the users");
            assert_eq!(users.into_inner().users.len(), 1);
            is_full().await;
            let mail = pb::RequestPasswordResetRequest {
                username: format!("nobody{round}@example.org"),
            };
            service
                .accounts()
                .request_password_reset(mail)
                .await
                .expect("a mail");
            is_full().await;
        }
    };
    tokio::select! {
        _ = storm => {}
        () = others => {}
    }
}
