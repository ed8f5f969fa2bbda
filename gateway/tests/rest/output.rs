//! How the answer of a service becomes the answer of the gateway.

use prost_types::Timestamp;
use proto::{
    auth::v1::Profile,
    course::v1::{Course, Enrollment, Instructor, ListCoursesResponse},
};
use serde_json::{Value, json};

use crate::support::Gateway;

fn course() -> Course {
    Course {
        id: "0192".to_owned(),
        title: "Rust".to_owned(),
        slug: "rust".to_owned(),
        price: "10.99".to_owned(),
        instructors: vec![Instructor::default()],
        created_at: Some(Timestamp {
            seconds: 1_795_292_495,
            nanos: 120_000_000,
        }),
        etag: "v1".to_owned(),
        ..Course::default()
    }
}

#[tokio::test]
async fn every_field_is_written_out() {
    let gateway = Gateway::start();
    gateway.course.reply("GetCourse", &course());
    let (status, body) = gateway.get("/api/v1/courses/rust").await;
    assert_eq!(status, 200);
    let expected = json!({
        "id": "0192", "title": "Rust", "subtitle": null, "slug": "rust", "description": "", "price": "10.99",
        "currency": "", "is_free": false, "is_draft": false, "is_published": false, "is_archived": false,
        "instructors": [{ "id": "", "username": "", "first_name": "", "last_name": "" }],
        "student_count": 0, "lecture_count": 0,
        "created_at": "2026-11-21T20:21:35.120000Z", "updated_at": null, "etag": "v1",
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn what_was_there_already_is_not_told_as_created() {
    let gateway = Gateway::start();
    let enrollment = Enrollment {
        id: "0192".to_owned(),
        ..Enrollment::default()
    };
    let enroll = async || {
        let (status, body) = gateway
            .send_json("POST", "/api/v1/courses/rust/enrollment", "{}")
            .await;
        assert_eq!(body["id"], "0192");
        status
    };
    gateway.course.reply("Enroll", &enrollment);
    assert_eq!(enroll().await, 201);
    gateway.course.reply_existing("Enroll", &enrollment);
    assert_eq!(enroll().await, 200);
    // Of a method that has no word for that in the contract nothing is made of it.
    gateway.course.reply_existing("CreateCourse", &course());
    let (status, _) = gateway.send_json("POST", "/api/v1/courses", "{}").await;
    assert_eq!(status, 201);
}

#[tokio::test]
async fn a_version_is_told_and_compared() {
    let gateway = Gateway::start();
    gateway.course.reply("GetCourse", &course());
    let response = gateway
        .request("GET", "/api/v1/courses/rust")
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["etag"], "\"v1\"");
    assert_eq!(response.headers()["cache-control"], "no-cache");
    for (value, status) in [
        ("\"v1\"", 304),
        ("W/\"v1\"", 304),
        ("\"v0\", \"v1\"", 304),
        ("*", 304),
        ("\"v2\"", 200),
    ] {
        let request = gateway
            .request("GET", "/api/v1/courses/rust")
            .header("if-none-match", value);
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{value}");
        assert_eq!(response.headers()["etag"], "\"v1\"");
        assert_eq!(response.bytes().await.unwrap().is_empty(), status == 304);
    }
    gateway.course.reply("UpdateCourse", &course());
    let request = gateway
        .request("PATCH", "/api/v1/courses/rust")
        .header("if-none-match", "*");
    let response = request
        .header("content-type", "application/json")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status().as_u16(), 200);
}

#[tokio::test]
async fn what_is_one_persons_is_kept_nowhere() {
    let gateway = Gateway::start();
    gateway.auth.reply("GetProfile", &Profile::default());
    let caching = async |request: reqwest::RequestBuilder| {
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["vary"], "authorization, origin");
        response.headers()["cache-control"].to_str().unwrap().to_owned()
    };
    assert_eq!(
        caching(gateway.request("GET", "/api/v1/courses")).await,
        "no-cache"
    );
    assert_eq!(
        caching(gateway.request("GET", "/.well-known/jwks.json")).await,
        "public, max-age=300"
    );
    let with_token = gateway.request("GET", "/api/v1/courses").bearer_auth("t");
    assert_eq!(caching(with_token).await, "no-store");
    assert_eq!(
        caching(gateway.request("POST", "/api/v1/auth/login")).await,
        "no-store"
    );
}

#[tokio::test]
async fn a_new_resource_says_where_it_is() {
    let gateway = Gateway::start();
    let slug = "a/b ü";
    gateway.course.reply(
        "CreateCourse",
        &Course {
            slug: slug.to_owned(),
            ..course()
        },
    );
    let request = gateway
        .request("POST", "/api/v1/courses")
        .header("content-type", "application/json");
    let response = request.body("{}").send().await.unwrap();
    assert_eq!(response.status().as_u16(), 201);
    assert_eq!(response.headers()["location"], "/api/v1/courses/a%2Fb%20%C3%BC");
}

#[tokio::test]
async fn a_message_without_fields_has_no_body() {
    let gateway = Gateway::start();
    for (path, status) in [
        ("logout", 204),
        ("request-password-reset", 202),
        ("resend-verification", 202),
    ] {
        let request = gateway.request("POST", &format!("/api/v1/auth/{path}"));
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert!(!response.headers().contains_key("content-type"));
        assert!(response.bytes().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_long_list_arrives_whole() {
    let gateway = Gateway::start();
    let long = Course {
        description: "ж".repeat(30_000),
        ..course()
    };
    gateway.course.reply(
        "ListCourses",
        &ListCoursesResponse {
            courses: vec![long; 100],
            next_page_token: "t".to_owned(),
        },
    );
    let (status, body) = gateway.get("/api/v1/courses?page_size=100").await;
    assert_eq!(status, 200);
    assert_eq!(body["courses"].as_array().unwrap().len(), 100);
    assert_eq!(body["next_page_token"], "t");
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let gateway = Gateway::start_with(|values| {
        values
            .with("ENVIRONMENT", "production")
            .with("ALLOWED_HOSTS", "127.0.0.1")
    });
    for path in [
        "/api/v1/courses",
        "/nowhere",
        "/docs",
        "/openapi.json",
        "/verify-email?token=t",
        "/assets/page.css",
    ] {
        let response = gateway.request("GET", path).send().await.unwrap();
        let headers = response.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(headers["x-frame-options"], "DENY", "{path}");
        assert_eq!(headers["cross-origin-resource-policy"], "same-origin", "{path}");
        assert!(
            headers["strict-transport-security"]
                .to_str()
                .unwrap()
                .contains("max-age=31536000")
        );
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(headers["content-type"].to_str().is_ok(), "{path}");
    }
    let developed = Gateway::start();
    let response = developed.request("GET", "/api/v1/courses").send().await.unwrap();
    assert!(!response.headers().contains_key("strict-transport-security"));
}

#[tokio::test]
async fn an_answer_without_json_is_our_bug_and_not_the_callers() {
    let gateway = Gateway::start();
    let impossible = Timestamp {
        seconds: i64::MAX,
        nanos: 0,
    };
    gateway.course.reply(
        "GetCourse",
        &Course {
            created_at: Some(impossible),
            ..course()
        },
    );
    let (status, problem) = gateway.get("/api/v1/courses/rust").await;
    assert_eq!(status, 500);
    let id = problem["request_id"].as_str().unwrap();
    assert_eq!(
        problem["detail"],
        Value::from(format!("Something went wrong. Request id: {id}"))
    );
}
