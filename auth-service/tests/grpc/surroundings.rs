//! What surrounds every call: request ids, deadlines, limits, health, reflection.

use std::time::Duration;

use futures::{StreamExt, future::join_all};
use proto::auth::v1 as pb;
use tonic::{Code, Request};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::support::{PASSWORD, Refused, Service, registration};

const SERVICES: [&str; 5] = [
    "onlineedu.auth.v1.AccountService",
    "onlineedu.auth.v1.SessionService",
    "onlineedu.auth.v1.TokenService",
    "onlineedu.auth.v1.FactorService",
    "onlineedu.auth.v1.UserService",
];

fn with_id<T>(id: Option<&str>, message: T) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(id) = id {
        request.metadata_mut().insert("x-request-id", id.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn a_sane_request_id_comes_back_and_any_other_is_replaced() {
    let service = Service::on_sqlite().await;
    let long = "x".repeat(129);
    for given in [
        Some("abc-123_~.X"),
        None,
        Some("a b"),
        Some("a\"b"),
        Some(&long),
        Some(""),
    ] {
        let good = service
            .tokens()
            .get_jwks(with_id(given, pb::GetJwksRequest {}))
            .await
            .unwrap();
        let bad = service
            .accounts()
            .get_profile(with_id(given, pb::GetProfileRequest {}))
            .await
            .unwrap_err();
        for metadata in [good.metadata(), bad.metadata()] {
            let id = metadata
                .get("x-request-id")
                .expect("there is an id")
                .to_str()
                .unwrap();
            if given == Some("abc-123_~.X") {
                assert_eq!(id, "abc-123_~.X");
            } else {
                assert!(
                    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
                    "{id}"
                );
            }
        }
    }
}

#[tokio::test]
async fn who_waits_no_longer_is_told_so_and_nothing_is_left_behind() {
    let service = Service::on_sqlite().await;
    service.add_user("ada@example.org").await;
    let mut request = Request::new(pb::LoginRequest {
        username: "ada@example.org".to_owned(),
        password: PASSWORD.to_owned(),
        code: String::new(),
    });
    request.set_timeout(Duration::from_micros(1));
    let code = service.sessions().login(request).await.unwrap_err().code();
    // The client's own clock says CANCELLED, the service's says DEADLINE_EXCEEDED; either may be first.
    assert!(
        matches!(code, Code::DeadlineExceeded | Code::Cancelled),
        "{code:?}"
    );
    service.login("ada@example.org").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_logins_is_shed_and_the_rest_is_served() {
    let service = Service::on_sqlite().await;
    service.add_user("ada@example.org").await;
    let storm = (0..120).map(|_| {
        let mut request = Request::new(pb::LoginRequest {
            username: "ada@example.org".to_owned(),
            password: PASSWORD.to_owned(),
            code: String::new(),
        });
        request.set_timeout(Duration::from_millis(1500));
        let mut sessions = service.sessions();
        async move { sessions.login(request).await }
    });
    let (storm, bystander) = futures::join!(join_all(storm), async {
        service.tokens().get_jwks(pb::GetJwksRequest {}).await
    });
    bystander.expect("a storm of logins delays nothing else");
    let (mut served, mut shed) = (0, 0);
    for answer in storm {
        match answer {
            Ok(_) => served += 1,
            Err(status) if status.code() == Code::ResourceExhausted => {
                let refused = Refused::from(status);
                refused.is(
                    Code::ResourceExhausted,
                    "BUSY",
                    "Too many people at once. Please try again.",
                );
                assert!(refused.retry, "it says when to try again");
                shed += 1;
            }
            // Admitted, but the machine was slower than it had been.
            Err(status) => assert!(
                matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled),
                "{status:?}"
            ),
        }
    }
    assert!(served > 0 && shed > 0, "{served} served, {shed} shed");
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused_and_the_connection_lives() {
    let service = Service::on_sqlite().await;
    let huge = pb::RegisterRequest {
        bio: "x".repeat(1024 * 1024),
        ..registration("ada@example.org")
    };
    let refused = service.accounts().register(huge).await.unwrap_err();
    let refused = Refused::from(refused);
    assert_eq!(
        (refused.code, &*refused.reason),
        (Code::OutOfRange, "MESSAGE_TOO_LARGE")
    );
    service
        .accounts()
        .register(registration("ada@example.org"))
        .await
        .unwrap();
}

#[tokio::test]
async fn health_is_told_for_every_service() {
    let service = Service::on_sqlite().await;
    let mut health = HealthClient::new(service.channel());
    for name in SERVICES.into_iter().chain([""]) {
        let request = HealthCheckRequest {
            service: name.to_owned(),
        };
        let status = health.check(request).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{name:?}");
    }
    let unknown = HealthCheckRequest {
        service: "nothing".to_owned(),
    };
    assert_eq!(health.check(unknown).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn reflection_lists_every_service() {
    let service = Service::on_sqlite().await;
    let mut reflection = ServerReflectionClient::new(service.channel());
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = reflection
        .server_reflection_info(futures::stream::iter([request]))
        .await
        .unwrap()
        .into_inner()
        .collect::<Vec<_>>()
        .await;
    let answer = answers.into_iter().next().unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else {
        panic!("{answer:?}")
    };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for name in SERVICES.into_iter().chain(["grpc.health.v1.Health"]) {
        assert!(names.contains(&name.to_owned()), "{name} in {names:?}");
    }
}
