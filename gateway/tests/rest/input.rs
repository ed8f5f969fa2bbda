//! How path, query, body and headers become the request message.

use proto::{
    auth::v1::{ColorMode, RegisterRequest, UpdateProfileRequest},
    course::v1::{
        AddInstructorRequest, CreateCourseRequest, GetCourseRequest, ListCoursesRequest,
        RemoveInstructorRequest, UpdateCourseRequest,
    },
};
use serde_json::{Value, json};
use service_runtime::grpc::refusal::Refusal;
use tonic::Code;

use crate::support::Gateway;

fn errors(problem: &Value) -> Vec<(&str, &str)> {
    let errors = problem["errors"].as_array().unwrap().iter();
    errors
        .map(|error| {
            (
                error["field"].as_str().unwrap(),
                error["message"].as_str().unwrap(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_path_is_decoded() {
    let gateway = Gateway::start();
    gateway.get("/api/v1/courses/%D0%BF%20%2F..%2f+x").await;
    assert_eq!(
        gateway.course.last().message::<GetCourseRequest>().slug,
        "п /../+x"
    );
    gateway
        .send(gateway.request("DELETE", "/api/v1/courses/a/instructors/b"))
        .await;
    let message: RemoveInstructorRequest = gateway.course.last().message();
    assert_eq!((&*message.slug, &*message.user_id), ("a", "b"));
}

#[tokio::test]
async fn a_query_is_read_by_the_types_of_the_fields() {
    let gateway = Gateway::start();
    let query = "search=a+b%20c&order_by=price%20desc&is_free=false&page_size=5&page_token=t";
    gateway.get(&format!("/api/v1/courses?{query}")).await;
    let expected = ListCoursesRequest {
        search: "a b c".to_owned(),
        order_by: "price desc".to_owned(),
        is_free: Some(false),
        instructor: String::new(),
        page_size: 5,
        page_token: "t".to_owned(),
    };
    assert_eq!(gateway.course.last().message::<ListCoursesRequest>(), expected);
}

#[tokio::test]
async fn a_wrong_query_is_told_whole() {
    let gateway = Gateway::start();
    let (status, problem) = gateway
        .get("/api/v1/courses?is_free=yes&page_size=ten&page_size=1&nonsense=1&search=%00")
        .await;
    assert_eq!(status, 400);
    let expected = [
        ("is_free", "This field must be true or false."),
        ("page_size", "This field must be a whole number."),
        ("page_size", "This parameter is given twice."),
        ("nonsense", "This parameter is not known."),
        ("search", "This field must not hold the character NUL."),
    ];
    assert_eq!(errors(&problem), expected);
    assert_eq!(problem["detail"], expected[0].1);
    assert!(gateway.course.calls().is_empty());
}

#[tokio::test]
async fn a_whole_body_is_the_message() {
    let gateway = Gateway::start();
    let body = json!({
        "title": "Rust 🦀", "subtitle": null, "description": "d", "price": "10.99", "is_free": false, "is_draft": true,
    });
    let (status, _) = gateway
        .send_json("POST", "/api/v1/courses", body.to_string())
        .await;
    assert_eq!(status, 201);
    let message: CreateCourseRequest = gateway.course.last().message();
    assert_eq!(message.title, "Rust 🦀");
    assert_eq!(message.subtitle, None);
    assert_eq!(message.is_draft, Some(true));
    assert_eq!(message.is_published, None);
}

#[tokio::test]
async fn words_are_enumerations() {
    let gateway = Gateway::start();
    gateway
        .send_json("POST", "/api/v1/auth/register", r#"{"color_mode":"dark"}"#)
        .await;
    let message: RegisterRequest = gateway.auth.last().message();
    assert_eq!(message.color_mode(), ColorMode::Dark);
    for bad in [r#""DARK""#, r#""COLOR_MODE_DARK""#, r#""""#, "2"] {
        let body = format!(r#"{{"color_mode":{bad}}}"#);
        let (status, problem) = gateway.send_json("POST", "/api/v1/auth/register", body).await;
        assert_eq!(status, 400);
        let expected = [("color_mode", "This field must be one of: light, dark.")];
        assert_eq!(errors(&problem), expected);
    }
}

#[tokio::test]
async fn every_wrong_field_of_a_body_is_named_at_once() {
    let gateway = Gateway::start();
    let body = json!({ "username": 1, "password": null, "bio": ["x"], "first_name": "a\0b", "nonsense": {}, "token": 1 });
    let (status, problem) = gateway
        .send_json("POST", "/api/v1/auth/register", body.to_string())
        .await;
    assert_eq!(status, 400);
    let errors = errors(&problem);
    assert_eq!(errors.len(), 5, "{errors:?}");
    assert!(errors.contains(&("username", "This field must be a string.")));
    assert!(errors.contains(&("first_name", "This field must not hold the character NUL.")));
    assert_eq!(problem["reason"], "INVALID_REQUEST");
    assert_eq!(problem["code"], "INVALID_ARGUMENT");
}

#[tokio::test]
async fn a_field_of_the_path_is_no_key_of_the_body() {
    let gateway = Gateway::start();
    let path = "/api/v1/courses/a/instructors";
    let (status, problem) = gateway
        .send_json("POST", path, r#"{"slug":"b","user_id":"u"}"#)
        .await;
    assert_eq!(status, 400);
    assert_eq!(errors(&problem), [("slug", "This field is not known.")]);
    let (status, _) = gateway.send_json("POST", path, r#"{"user_id":"u"}"#).await;
    assert_eq!(status, 201);
    let message: AddInstructorRequest = gateway.course.last().message();
    assert_eq!((&*message.slug, &*message.user_id), ("a", "u"));
}

#[tokio::test]
async fn the_keys_of_a_patch_are_its_mask() {
    let gateway = Gateway::start();
    let body = r#"{"bio":"b","dashboard_first_date":null,"color_mode":"light"}"#;
    let (status, _) = gateway.send_json("PATCH", "/api/v1/me", body).await;
    assert_eq!(status, 200);
    let message: UpdateProfileRequest = gateway.auth.last().message();
    let profile = message.profile.unwrap();
    assert_eq!((&*profile.bio, profile.dashboard_first_date), ("b", None));
    let mut mask = message.update_mask.unwrap().paths;
    mask.sort();
    assert_eq!(mask, ["bio", "color_mode", "dashboard_first_date"]);

    gateway.send_json("PATCH", "/api/v1/me", "{}").await;
    let message: UpdateProfileRequest = gateway.auth.last().message();
    assert_eq!(message.update_mask.unwrap().paths, Vec::<String>::new());
}

#[tokio::test]
async fn a_patch_clears_only_what_may_be_absent() {
    let gateway = Gateway::start();
    let (status, problem) = gateway
        .send_json(
            "PATCH",
            "/api/v1/courses/a",
            r#"{"title":null,"price":10.99,"subtitle":null}"#,
        )
        .await;
    assert_eq!(status, 400);
    let expected = [
        ("price", "This field must be a string."),
        ("title", "This field must not be null."),
    ];
    assert_eq!(errors(&problem), expected);
}

#[tokio::test]
async fn a_wrong_field_of_a_nested_message_is_named_with_its_path() {
    let gateway = Gateway::start();
    for (instructor, message) in [
        (json!({ "id": 1 }), "This field does not have the right type."),
        (json!({ "nonsense": 1 }), "This field is not known."),
    ] {
        let body = json!({ "instructors": [instructor] }).to_string();
        let (status, problem) = gateway.send_json("PATCH", "/api/v1/courses/a", body).await;
        assert_eq!(status, 400);
        let field = errors(&problem)[0];
        assert!(field.0.starts_with("instructors[0]"), "{field:?}");
        assert_eq!(field.1, message);
    }
}

#[tokio::test]
async fn a_read_only_key_of_a_patch_reaches_the_service_to_be_refused_there() {
    let gateway = Gateway::start();
    gateway
        .send_json(
            "PATCH",
            "/api/v1/courses/a",
            r#"{"id":"x","created_at":"2026-01-31T12:00:00Z"}"#,
        )
        .await;
    let message: UpdateCourseRequest = gateway.course.last().message();
    let mut mask = message.update_mask.unwrap().paths;
    mask.sort();
    assert_eq!(mask, ["created_at", "id"]);
}

#[tokio::test]
async fn an_idempotency_key_is_the_request_id_of_what_creates() {
    let gateway = Gateway::start();
    let send = async |method: &str, path: &str, key: &str| {
        let request = gateway.request(method, path).header("idempotency-key", key);
        let request = request.header("content-type", "application/json").body("{}");
        gateway.send(request).await
    };
    let (status, _) = send("POST", "/api/v1/courses", "key-1").await;
    assert_eq!(status, 201);
    assert_eq!(
        gateway.course.last().message::<CreateCourseRequest>().request_id,
        "key-1"
    );
    for bad in ["", "two words", "é", &"x".repeat(256)] {
        let (status, problem) = send("POST", "/api/v1/courses", bad).await;
        assert_eq!((status, errors(&problem)[0].0), (400, "Idempotency-Key"), "{bad}");
    }
    // What creates nothing has no use for a key.
    let (status, _) = send("PATCH", "/api/v1/courses/a", "two words").await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn if_match_is_the_etag_of_the_request() {
    let gateway = Gateway::start();
    let send = async |value: &str| {
        let request = gateway
            .request("PATCH", "/api/v1/courses/a")
            .header("if-match", value);
        let request = request.header("content-type", "application/json").body("{}");
        gateway.send(request).await
    };
    // What no version can be travels as it came: only the service knows whether something else comes first.
    for (value, etag) in [
        ("\"v1\"", "v1"),
        ("v1", "v1"),
        ("*", ""),
        ("W/\"v1\"", "W/\"v1\""),
        ("\"\"", "\"\""),
    ] {
        assert_eq!(send(value).await.0, 200, "{value}");
        assert_eq!(gateway.course.last().message::<UpdateCourseRequest>().etag, etag);
    }
    let before = gateway.course.calls().len();
    let (status, problem) = send("\"v1\", \"v2\"").await;
    assert_eq!((status, &problem["reason"]), (400, &"INVALID_REQUEST".into()));
    assert_eq!(gateway.course.calls().len(), before);
}

#[tokio::test]
async fn a_version_that_none_can_be_is_refused_in_the_order_of_the_service() {
    let gateway = Gateway::start();
    for (code, reason, status) in [
        (Code::Unauthenticated, "TOKEN_REQUIRED", 401),
        (Code::NotFound, "COURSE_NOT_FOUND", 404),
        (Code::PermissionDenied, "INSTRUCTOR_REQUIRED", 403),
        (Code::Aborted, "ETAG_MISMATCH", 412),
    ] {
        let refusal = Refusal::new(code, reason, "A sentence.");
        gateway.course.refuse("UpdateCourse", refusal);
        for value in ["W/\"v1\"", "\"\""] {
            let request = gateway.request("PATCH", "/api/v1/courses/a");
            let (answered, problem) = gateway.send(request.header("if-match", value)).await;
            assert_eq!(
                (answered, &problem["reason"]),
                (status, &reason.into()),
                "{value}"
            );
        }
    }
}

#[tokio::test]
async fn an_empty_body_is_an_empty_object_and_a_body_that_is_not_asked_for_is_ignored() {
    let gateway = Gateway::start();
    let (status, _) = gateway
        .send(gateway.request("POST", "/api/v1/auth/logout-all"))
        .await;
    assert_eq!(status, 204);
    let request = gateway.request("GET", "/api/v1/courses").body("not json");
    assert_eq!(gateway.send(request).await.0, 200);
}
