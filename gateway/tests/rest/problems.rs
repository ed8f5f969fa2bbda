//! How the refusal of a service becomes a problem.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::{server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use service_runtime::grpc::{
    context::{login_needed, step_up_needed},
    refusal::{FieldError, Refusal},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tonic::{Code, Status};

use crate::support::Gateway;

#[tokio::test]
async fn a_problem_has_the_members_of_the_contract() {
    let gateway = Gateway::start();
    let refusal = Refusal::fields(
        "PASSWORDS_DO_NOT_MATCH",
        vec![
            FieldError::new("confirm_password", "Passwords are not matching."),
            FieldError::new("username", "Username must be a valid email"),
        ],
    );
    gateway.auth.refuse("Register", refusal);
    let request = gateway
        .request("POST", "/api/v1/auth/register")
        .header("x-request-id", "my-id");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["x-request-id"], "my-id");
    let expected = json!({
        "type": "about:blank", "title": "Bad Request", "status": 400, "detail": "Passwords are not matching.",
        "code": "INVALID_ARGUMENT", "reason": "PASSWORDS_DO_NOT_MATCH", "request_id": "my-id",
        "errors": [
            { "field": "confirm_password", "message": "Passwords are not matching." },
            { "field": "username", "message": "Username must be a valid email" },
        ],
    });
    assert_eq!(response.json::<Value>().await.unwrap(), expected);
}

#[tokio::test]
async fn a_missing_token_and_a_bad_one_are_challenged_differently() {
    let gateway = Gateway::start();
    for (reason, challenge) in [
        ("TOKEN_REQUIRED", "Bearer realm=\"onlineedu\""),
        (
            "TOKEN_INVALID",
            "Bearer realm=\"onlineedu\", error=\"invalid_token\"",
        ),
    ] {
        let refusal = Refusal::new(Code::Unauthenticated, reason, "Authentication is required.");
        gateway.auth.refuse("GetProfile", refusal);
        let response = gateway.request("GET", "/api/v1/me").send().await.unwrap();
        assert_eq!(response.status().as_u16(), 401);
        assert_eq!(response.headers()["www-authenticate"], challenge);
    }
}

#[tokio::test]
async fn an_old_login_and_an_old_factor_share_a_challenge_and_no_reason() {
    let gateway = Gateway::start();
    let age = Duration::from_secs(300);
    let mut seen = Vec::new();
    for refusal in [step_up_needed(age), login_needed(age)] {
        gateway.auth.refuse("StartTotp", refusal);
        let request = gateway.request("POST", "/api/v1/me/totp");
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 401);
        let challenge = response.headers()["www-authenticate"].to_str().unwrap();
        assert_eq!(
            challenge,
            "Bearer realm=\"onlineedu\", error=\"insufficient_user_authentication\", max_age=300"
        );
        let problem: Value = response.json().await.unwrap();
        seen.push(problem["reason"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, ["INSUFFICIENT_USER_AUTHENTICATION", "LOGIN_TOO_OLD"]);
}

#[tokio::test]
async fn a_lost_race_and_an_old_version_differ() {
    let gateway = Gateway::start();
    gateway.course.refuse(
        "UpdateCourse",
        Refusal::new(Code::Aborted, "ETAG_MISMATCH", "It changed."),
    );
    let path = "/api/v1/courses/a";
    let (status, _) = gateway.send_json("PATCH", path, "{}").await;
    assert_eq!(status, 409);
    let request = gateway.request("PATCH", path).header("if-match", "\"v1\"");
    let (status, _) = gateway.send(request).await;
    assert_eq!(status, 412);
}

#[tokio::test]
async fn a_throttled_caller_is_told_when_to_come_back() {
    let gateway = Gateway::start();
    let refusal = Refusal::new(Code::ResourceExhausted, "THROTTLED", "Too many attempts.");
    gateway
        .auth
        .refuse("Login", refusal.retry_after(Duration::from_millis(1_500)));
    let response = gateway
        .request("POST", "/api/v1/auth/login")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status().as_u16(), 429);
    assert_eq!(response.headers()["retry-after"], "2");
}

#[tokio::test]
async fn an_old_name_leads_to_the_new_one() {
    let gateway = Gateway::start();
    let refusal = Refusal::new(Code::NotFound, "SLUG_CHANGED", "It has another slug.");
    gateway
        .course
        .refuse("ListInstructors", refusal.with("canonical_slug", "//new slug"));
    let request = gateway.request("GET", "/api/v1/courses/old/instructors?page_size=5");
    let response = request.send().await.unwrap();
    assert_eq!(response.status().as_u16(), 308);
    let location = "/api/v1/courses/%2F%2Fnew%20slug/instructors?page_size=5";
    assert_eq!(response.headers()["location"], location);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["canonical_slug"], "//new slug");
    assert_eq!(problem["reason"], "SLUG_CHANGED");
    assert_eq!(problem["status"], 308);
}

#[tokio::test]
async fn a_bug_tells_nothing_but_the_request_id() {
    let gateway = Gateway::start();
    let refusal = Refusal::new(
        Code::Internal,
        "INTERNAL",
        "SELECT * FROM users at 10.0.0.1 /srv/app",
    );
    gateway.auth.refuse("GetProfile", refusal);
    let (status, problem) = gateway.get("/api/v1/me").await;
    assert_eq!(status, 500);
    let id = problem["request_id"].as_str().unwrap();
    assert_eq!(
        problem["detail"],
        format!("Something went wrong. Request id: {id}")
    );
    assert!(!problem.to_string().contains("SELECT"));
}

#[tokio::test]
async fn text_of_libraries_is_not_passed_on() {
    let gateway = Gateway::start();
    for code in [
        Code::Unavailable,
        Code::NotFound,
        Code::PermissionDenied,
        Code::Unknown,
    ] {
        gateway
            .auth
            .refuse("GetProfile", Status::new(code, "dns error: auth.internal"));
        let (_, problem) = gateway.get("/api/v1/me").await;
        assert!(!problem.to_string().contains("auth.internal"), "{problem}");
        assert_ne!(problem["detail"], "");
    }
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_unavailable_and_not_named() {
    let closed = service_runtime::listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let gateway = Gateway::start_with(|values| values.with("COURSE_URL", format!("http://{address}")));
    let response = gateway.request("GET", "/api/v1/courses").send().await.unwrap();
    assert_eq!(response.status().as_u16(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    let body = response.text().await.unwrap();
    assert!(!body.contains("127.0.0.1") && !body.contains("connect"), "{body}");
    let (status, _) = gateway.get("/api/v1/me").await;
    assert_eq!(status, 200, "the other service is not affected");
}

/// A service that begins each answer and never ends it: its connection is closed in the middle.
#[allow(clippy::disallowed_methods, reason = "ends with the test's runtime")]
async fn breaks_off() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(begin_an_answer(stream));
        }
    });
    address
}

async fn begin_an_answer(stream: TcpStream) {
    let begun = Arc::new(Notify::new());
    let answered = Arc::clone(&begun);
    let service = service_fn(move |_request| {
        let answered = Arc::clone(&answered);
        let body = stream::once(async move {
            answered.notify_one();
            // A message of 100 bytes, of which one comes.
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"\0\0\0\0\x64x")))
        });
        let body = StreamBody::new(body.chain(stream::pending()));
        let answer = http::Response::builder().header("content-type", "application/grpc");
        async move { Ok::<_, Infallible>(answer.body(body).unwrap()) }
    });
    let connection =
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ended = connection => {}
        () = async {
            begun.notified().await;
            // Time for the beginning to leave.
            tokio::time::sleep(Duration::from_millis(100)).await;
        } => {}
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_service_that_is_not_available() {
    let address = breaks_off().await;
    let gateway = Gateway::start_with(|values| values.with("COURSE_URL", format!("http://{address}")));
    let response = gateway.request("GET", "/api/v1/courses").send().await.unwrap();
    assert_eq!(response.status().as_u16(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["reason"], "UNAVAILABLE");
    assert_eq!(problem["code"], "UNAVAILABLE");
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_a_timeout() {
    let gateway = Gateway::start();
    gateway.course.delay(Duration::from_secs(20));
    let (status, problem) = gateway.get("/api/v1/courses").await;
    assert_eq!((status, &problem["code"]), (504, &"DEADLINE_EXCEEDED".into()));
    let timeout = gateway.course.last();
    assert!(timeout.metadata("grpc-timeout").is_some());
}

#[tokio::test]
async fn an_address_where_nothing_is_is_a_problem_too() {
    let gateway = Gateway::start();
    for path in [
        "/nowhere",
        "/api/v1",
        "/api/v1/courses/",
        "/api/v1//courses",
        "/API/v1/courses",
        "/api/v1/courses/a/b",
    ] {
        let (status, problem) = gateway.get(path).await;
        assert_eq!(
            (status, &problem["reason"]),
            (404, &"ROUTE_NOT_FOUND".into()),
            "{path}"
        );
    }
}
