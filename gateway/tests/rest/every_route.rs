//! What holds for every route of the contract, so that a new RPC is covered without a new test.

use gateway::transcode::table;
use proto::rest::{Body, Route};

use crate::support::Gateway;

fn with_body() -> impl Iterator<Item = &'static Route> {
    table().into_iter().filter(|route| route.body != Body::None)
}

/// The path with something in place of its fields.
fn path(route: &Route) -> String {
    let filled = route
        .path
        .split('/')
        .map(|segment| match segment.starts_with('{') {
            true => "some-thing",
            false => segment,
        });
    filled.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn each_calls_its_rpc_and_answers_its_status() {
    let gateway = Gateway::start();
    for route in table() {
        let mut request = gateway.request(route.verb, &path(route));
        if route.body != Body::None {
            request = request.header("content-type", "application/json").body("{}");
        }
        let (status, body) = gateway.send(request).await;
        assert_eq!(status, route.success, "{route:?}: {body}");
        let service = match route.package.contains("auth") {
            true => &gateway.auth,
            false => &gateway.course,
        };
        assert_eq!(service.last().rpc, route.rpc);
    }
}

#[tokio::test]
async fn each_takes_no_body_for_an_empty_one() {
    let gateway = Gateway::start();
    for route in with_body() {
        let (status, body) = gateway.send(gateway.request(route.verb, &path(route))).await;
        assert_eq!(status, route.success, "{route:?}: {body}");
    }
}

#[tokio::test]
async fn each_refuses_what_is_not_json() {
    let gateway = Gateway::start();
    for route in with_body() {
        for media_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=utf-16",
            "application/json-patch+json",
        ] {
            let request = gateway.request(route.verb, &path(route)).body("{}");
            let (status, body) = gateway.send(request.header("content-type", media_type)).await;
            assert_eq!(
                (status, &body["status"]),
                (415, &415.into()),
                "{route:?} {media_type}"
            );
        }
        let (status, _) = gateway
            .send(gateway.request(route.verb, &path(route)).body("{}"))
            .await;
        assert_eq!(status, 415, "{route:?} without a media type");
    }
    assert!(gateway.auth.calls().is_empty() && gateway.course.calls().is_empty());
}

#[tokio::test]
async fn each_names_unknown_and_repeated_keys() {
    let gateway = Gateway::start();
    for route in with_body() {
        let body = r#"{"no_such_key":1,"request_id":"x","update_mask":"x","no_such_key":{"a":1,"a":2}}"#;
        let (status, problem) = gateway.send_json(route.verb, &path(route), body).await;
        assert_eq!(status, 400, "{route:?}");
        let errors: Vec<_> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| {
                (
                    error["field"].as_str().unwrap(),
                    error["message"].as_str().unwrap(),
                )
            })
            .collect();
        for expected in [
            ("no_such_key", "This field is given twice."),
            ("no_such_key.a", "This field is given twice."),
            ("no_such_key", "This field is not known."),
            ("request_id", "This field is not known."),
            ("update_mask", "This field is not known."),
        ] {
            assert!(
                errors.contains(&expected),
                "{route:?}: {expected:?} in {errors:?}"
            );
        }
    }
}

#[tokio::test]
async fn each_names_every_key_of_a_wrong_type() {
    let gateway = Gateway::start();
    for route in with_body() {
        let body_fields = route.body_fields.iter();
        let takes = |name: &str| name != "request_id" && !route.path.contains(&format!("{{{name}}}"));
        let fields: Vec<_> = body_fields
            .map(|field| field.name)
            .filter(|name| takes(name))
            .collect();
        // No field is a list of lists.
        let body: serde_json::Map<_, _> = fields
            .iter()
            .map(|name| ((*name).to_owned(), serde_json::json!([[1.5]])))
            .collect();
        let (status, problem) = gateway
            .send_json(
                route.verb,
                &path(route),
                serde_json::Value::from(body).to_string(),
            )
            .await;
        assert_eq!(
            status,
            if fields.is_empty() { route.success } else { 400 },
            "{route:?}"
        );
        for name in fields {
            let errors = problem["errors"].as_array().unwrap();
            assert!(
                errors.iter().any(|error| error["field"] == name),
                "{route:?}: {name}"
            );
        }
    }
}

#[tokio::test]
async fn each_names_unknown_and_repeated_parameters() {
    let gateway = Gateway::start();
    for route in table() {
        let query = "?no_such=1&no_such=2&request_id=1&update_mask=1&etag=1";
        let mut request = gateway.request(route.verb, &format!("{}{query}", path(route)));
        if route.body != Body::None {
            request = request.header("content-type", "application/json").body("{}");
        }
        let (status, problem) = gateway.send(request).await;
        assert_eq!(status, 400, "{route:?}");
        let fields: Vec<_> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["field"].as_str().unwrap())
            .collect();
        assert_eq!(
            fields,
            ["no_such", "no_such", "request_id", "update_mask", "etag"],
            "{route:?}"
        );
    }
}

#[tokio::test]
async fn each_path_says_which_methods_it_has() {
    let gateway = Gateway::start();
    for route in table() {
        for method in [
            "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW",
        ] {
            if table()
                .iter()
                .any(|other| path(other) == path(route) && other.verb == method)
            {
                continue;
            }
            let response = gateway.request(method, &path(route)).send().await.unwrap();
            assert_eq!(response.status().as_u16(), 405, "{method} {}", route.path);
            let allow = response.headers()["allow"].to_str().unwrap().to_owned();
            assert!(allow.split(',').any(|one| one == route.verb), "{allow}");
            let problem: serde_json::Value = response.json().await.unwrap();
            assert_eq!(problem["reason"], "METHOD_NOT_ALLOWED");
        }
    }
}

#[tokio::test]
async fn each_refuses_to_answer_anything_but_json() {
    let gateway = Gateway::start();
    for route in table() {
        let request = gateway
            .request(route.verb, &path(route))
            .header("accept", "text/html");
        let (status, problem) = gateway.send(request).await;
        assert_eq!(
            (status, &problem["reason"]),
            (406, &"NOT_ACCEPTABLE".into()),
            "{route:?}"
        );
    }
}

#[tokio::test]
async fn each_reading_route_answers_head() {
    let gateway = Gateway::start();
    for route in table().into_iter().filter(|route| route.verb == "GET") {
        let response = gateway.request("HEAD", &path(route)).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert_ne!(response.headers()["content-length"], "0");
        assert!(response.bytes().await.unwrap().is_empty());
    }
}
