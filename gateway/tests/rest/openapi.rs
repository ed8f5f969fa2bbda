//! The OpenAPI document and the page that reads it.

use serde_json::{Value, json};

use crate::support::Gateway;

async fn document() -> Value {
    let gateway = Gateway::start();
    let response = gateway.request("GET", "/openapi.json").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    response.json().await.unwrap()
}

#[tokio::test]
async fn these_are_the_operations() {
    let document = document().await;
    assert_eq!(document["openapi"], "3.1.1");
    let mut lines = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let answers: Vec<_> = operation["responses"]
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            let method = method.to_uppercase();
            lines.push(format!(
                "{method} {path} {} {}",
                operation["operationId"],
                answers.join(",")
            ));
        }
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[tokio::test]
async fn a_delete_needs_no_body() {
    let document = document().await;
    let body = &document["paths"]["/api/v1/me"]["delete"]["requestBody"];
    assert_eq!(body["required"], false);
    let password = &body["content"]["application/json"]["schema"]["properties"]["password"];
    assert_eq!(password["type"], "string");
}

#[tokio::test]
async fn a_creating_operation_says_all_there_is_to_say() {
    let document = document().await;
    insta::assert_json_snapshot!(document["paths"]["/api/v1/courses"]["post"]);
    insta::assert_json_snapshot!(document["paths"]["/api/v1/courses/{slug}"]["get"]);
}

#[tokio::test]
async fn schemas_say_what_may_be_null() {
    let document = document().await;
    let user = &document["components"]["schemas"]["auth.v1.User"];
    assert_eq!(
        user["properties"]["dashboard_first_date"]["type"],
        json!(["string", "null"])
    );
    assert_eq!(
        user["properties"]["color_mode"]["enum"],
        json!(["light", "dark", null])
    );
    assert_eq!(user["properties"]["last_login"]["format"], "date-time");
    assert_eq!(user["properties"]["username"]["type"], "string");
    let patch =
        &document["paths"]["/api/v1/me"]["patch"]["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(patch["additionalProperties"], false);
    assert_eq!(
        patch["properties"]["color_mode"]["enum"],
        json!(["light", "dark"])
    );
    assert_eq!(patch["properties"]["etag"]["readOnly"], true);
}

#[tokio::test]
async fn a_body_that_is_read_is_required() {
    let document = document().await;
    let operation = |path: &str, verb: &str| document["paths"][path][verb]["requestBody"].clone();
    assert_eq!(operation("/api/v1/auth/register", "post")["required"], true);
    assert_eq!(operation("/api/v1/me", "patch")["required"], true);
    // One that holds nothing may be left out.
    assert_eq!(operation("/api/v1/auth/logout-all", "post")["required"], false);
    assert_eq!(operation("/api/v1/courses", "get"), Value::Null);
}

#[tokio::test]
async fn a_version_that_must_be_named_is_required() {
    let document = document().await;
    let mut required = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().unwrap();
            let if_match = parameters.iter().find(|one| one["name"] == "If-Match");
            let must_be_named = if_match.is_some_and(|one| one["required"] == true);
            let told = &operation["responses"]["428"];
            assert_eq!(!told.is_null(), must_be_named, "{method} {path}: {told}");
            if must_be_named {
                assert!(told["content"]["application/problem+json"].is_object(), "{told}");
                required.push(format!("{method} {path}"));
            }
        }
    }
    assert_eq!(
        required,
        [
            "delete /api/v1/courses/{slug}",
            "post /api/v1/courses/{slug}/undelete"
        ]
    );
}

#[tokio::test]
async fn what_may_have_moved_says_so() {
    let document = document().await;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let moved = &operation["responses"]["308"];
            let what = format!("{method} {path}: {moved}");
            assert_eq!(!moved.is_null(), path.contains("{slug}"), "{what}");
            if !moved.is_null() {
                assert!(moved["headers"]["Location"].is_object(), "{what}");
                assert!(moved["content"]["application/problem+json"].is_object(), "{what}");
            }
        }
    }
    let problem = &document["components"]["schemas"]["Problem"];
    assert_eq!(problem["properties"]["canonical_slug"]["type"], "string");
    let required = problem["required"].as_array().unwrap();
    assert!(!required.contains(&"canonical_slug".into()));
}

#[tokio::test]
async fn what_a_service_refuses_to_change_is_shown_read_only() {
    let document = document().await;
    for (path, expected) in [
        (
            "/api/v1/users/{id}",
            &["date_joined", "etag", "id", "last_login", "username"][..],
        ),
        (
            "/api/v1/me",
            &[
                "date_joined",
                "etag",
                "has_totp",
                "id",
                "is_active",
                "is_staff",
                "last_login",
                "pending_username",
            ],
        ),
        (
            "/api/v1/courses/{slug}",
            &[
                "created_at",
                "currency",
                "etag",
                "id",
                "instructors",
                "lecture_count",
                "student_count",
                "updated_at",
            ],
        ),
    ] {
        let body = &document["paths"][path]["patch"]["requestBody"]["content"]["application/json"];
        let properties = body["schema"]["properties"].as_object().unwrap();
        let mut read_only: Vec<_> = properties
            .iter()
            .filter(|(_, schema)| schema["readOnly"] == true)
            .map(|(name, _)| name.as_str())
            .collect();
        read_only.sort_unstable();
        assert_eq!(read_only, expected, "{path}");
    }
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let gateway = Gateway::start();
    let response = gateway.request("GET", "/").send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (303, &"/docs".parse().unwrap())
    );
    let response = gateway.request("GET", "/docs").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("script-src 'self'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let page = response.text().await.unwrap();
    assert!(!page.contains("//"), "{page}");
    for (path, media_type) in [
        ("/docs/docs.js", "text/javascript"),
        ("/docs/docs.css", "text/css"),
    ] {
        assert!(page.contains(path));
        let response = gateway.request("GET", path).send().await.unwrap();
        assert!(
            response.headers()["content-type"]
                .to_str()
                .unwrap()
                .starts_with(media_type)
        );
        let text = response.text().await.unwrap();
        assert!(!text.contains("innerHTML") && !text.contains("http:"), "{path}");
    }
}
