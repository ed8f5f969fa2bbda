//! What pages of other origins may do.

use reqwest::header::HeaderMap;

use crate::support::Gateway;

async fn preflight(gateway: &Gateway, origin: &str) -> (u16, HeaderMap) {
    let request = gateway
        .request("OPTIONS", "/api/v1/courses")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.headers().clone())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_listed_origin_may_call() {
    let gateway = Gateway::start();
    let (status, headers) = preflight(&gateway, "http://localhost:3000").await;
    assert_eq!(status, 200);
    assert_eq!(
        text(&headers, "access-control-allow-origin"),
        Some("http://localhost:3000")
    );
    assert_eq!(text(&headers, "access-control-allow-credentials"), None);
    assert_eq!(text(&headers, "access-control-max-age"), Some("600"));
    let mut allowed: Vec<_> = text(&headers, "access-control-allow-headers")
        .unwrap()
        .split(',')
        .collect();
    allowed.sort_unstable();
    let expected = [
        "authorization",
        "content-type",
        "idempotency-key",
        "if-match",
        "x-refresh-token",
        "x-request-id",
    ];
    assert_eq!(allowed, expected);
    assert!(text(&headers, "x-request-id").is_some());

    let request = gateway
        .request("GET", "/api/v1/courses/x")
        .header("origin", "http://localhost:3000");
    let response = request.send().await.unwrap();
    assert_eq!(
        response.headers()["access-control-allow-origin"],
        "http://localhost:3000"
    );
    let exposed = response.headers()["access-control-expose-headers"]
        .to_str()
        .unwrap();
    assert_eq!(exposed, "etag,location,retry-after,x-request-id,www-authenticate");
}

#[tokio::test]
async fn a_problem_can_be_read_by_a_listed_origin() {
    let gateway = Gateway::start();
    let request = gateway
        .request("GET", "/api/v1/courses?nonsense=1")
        .header("origin", "http://localhost:3000");
    let response = request.send().await.unwrap();
    assert_eq!(response.status().as_u16(), 400);
    assert_eq!(
        response.headers()["access-control-allow-origin"],
        "http://localhost:3000"
    );
    assert_eq!(response.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn a_refusal_before_routing_can_be_read_by_a_listed_origin() {
    let gateway = Gateway::start();
    let long = format!("/api/v1/courses/{}", "x".repeat(9_000));
    for (path, header, status) in [
        (&*long, ("x-padding", "x".repeat(10)), 414),
        ("/api/v1/courses", ("x-padding", "x".repeat(17_000)), 431),
        ("/api/v1/courses", ("host", "evil.test".to_owned()), 400),
        ("/api/v1/courses/%", ("x-padding", "x".repeat(10)), 400),
    ] {
        for (origin, allowed) in [
            ("http://localhost:3000", Some("http://localhost:3000")),
            ("http://evil.test", None),
        ] {
            let request = gateway.request("GET", path).header(header.0, &header.1);
            let response = request.header("origin", origin).send().await.unwrap();
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(
                text(response.headers(), "access-control-allow-origin"),
                allowed,
                "{status}"
            );
        }
    }
}

#[tokio::test]
async fn no_other_origin_is_allowed() {
    let gateway = Gateway::start();
    for origin in [
        "http://evil.test",
        "null",
        "http://localhost:3000.evil.test",
        "https://localhost:3000",
        "http://localhost",
    ] {
        let (_, headers) = preflight(&gateway, origin).await;
        assert_eq!(text(&headers, "access-control-allow-origin"), None, "{origin}");
    }
}

#[tokio::test]
async fn every_origin_or_credentials_are_a_choice_of_the_operator() {
    let open = Gateway::start_with(|values| values.with("CORS_ORIGIN_ALLOW_ALL", "true"));
    let (_, headers) = preflight(&open, "http://anyone.test").await;
    assert_eq!(text(&headers, "access-control-allow-origin"), Some("*"));
    let trusting = Gateway::start_with(|values| values.with("CORS_ALLOW_CREDENTIALS", "true"));
    let (_, headers) = preflight(&trusting, "http://localhost:3000").await;
    assert_eq!(text(&headers, "access-control-allow-credentials"), Some("true"));
}

#[tokio::test]
async fn options_that_are_no_preflight_are_a_method_like_others() {
    let gateway = Gateway::start();
    for origin in [None, Some("http://localhost:3000")] {
        let mut request = gateway.request("OPTIONS", "/api/v1/courses");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 405);
        assert_eq!(response.headers()["allow"], "GET,HEAD,POST");
    }
}
