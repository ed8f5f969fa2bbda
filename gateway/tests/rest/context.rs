//! What travels to a service beside the message, and what never does.

use crate::support::{Gateway, SERVICE_TOKEN};

#[tokio::test]
async fn a_request_id_is_taken_over_if_sane_and_else_made() {
    let gateway = Gateway::start();
    for (sent, kept) in [("abc-1.2_3~x", true), ("a b", false), ("", false), ("é", false)] {
        let request = gateway
            .request("GET", "/api/v1/courses")
            .header("x-request-id", sent);
        let response = request.send().await.unwrap();
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(id == sent, kept, "{sent}");
        assert!(!id.is_empty());
        assert_eq!(gateway.course.last().metadata("x-request-id"), Some(id.as_str()));
    }
}

#[tokio::test]
async fn a_service_learns_who_calls_through_whom() {
    let gateway = Gateway::start();
    let request = gateway.request("GET", "/api/v1/me").bearer_auth("token");
    request.header("user-agent", "test/1").send().await.unwrap();
    let call = gateway.auth.last();
    assert_eq!(call.metadata("authorization"), Some("Bearer token"));
    assert_eq!(call.metadata("x-client-address"), Some("127.0.0.1"));
    assert_eq!(call.metadata("x-client-user-agent"), Some("test/1"));
    assert_eq!(call.metadata("x-service-token"), Some(SERVICE_TOKEN));
    assert!(call.metadata("grpc-timeout").is_some());
}

#[tokio::test]
async fn no_header_of_the_client_speaks_for_the_gateway() {
    let gateway = Gateway::start();
    let mut request = gateway.request("GET", "/api/v1/me");
    for (name, value) in [
        ("x-service-token", "forged"),
        ("x-client-address", "10.0.0.1"),
        ("x-client-user-agent", "forged"),
        ("x-forwarded-for", "10.0.0.1"),
        ("forwarded", "for=10.0.0.1"),
        ("grpc-timeout", "1H"),
        ("grpc-encoding", "gzip"),
        ("authorization-bin", "forged"),
        ("cookie", "a=b"),
    ] {
        request = request.header(name, value);
    }
    request.send().await.unwrap();
    let call = gateway.auth.last();
    for value in call.metadata.iter().filter_map(|pair| match pair {
        tonic::metadata::KeyAndValueRef::Ascii(_, value) => value.to_str().ok(),
        tonic::metadata::KeyAndValueRef::Binary(..) => Some("binary"),
    }) {
        for forged in ["forged", "10.0.0.1", "1H", "a=b", "binary"] {
            assert!(!value.contains(forged), "{value}");
        }
    }
    assert_eq!(call.metadata("x-service-token"), Some(SERVICE_TOKEN));
    assert_eq!(call.metadata("x-client-address"), Some("127.0.0.1"));
}

#[tokio::test]
async fn only_a_trusted_proxy_says_for_whom_it_calls() {
    for (trusted, header, client) in [
        ("127.0.0.0/8", "X-Forwarded-For", "203.0.113.7"),
        ("127.0.0.0/8", "Forwarded", "198.51.100.7"),
        ("10.0.0.0/8", "X-Forwarded-For", "127.0.0.1"),
    ] {
        let gateway = Gateway::start_with(|values| {
            let values = values.with("TRUSTED_PROXIES", trusted);
            values.with("TRUSTED_PROXY_HEADER", header)
        });
        let request = gateway.request("GET", "/api/v1/me");
        let request = request.header("x-forwarded-for", "192.0.2.9, 203.0.113.7");
        let request = request.header("forwarded", "for=192.0.2.9, for=198.51.100.7");
        request.send().await.unwrap();
        assert_eq!(gateway.auth.last().metadata("x-client-address"), Some(client));
    }
}

#[tokio::test]
async fn two_authorizations_both_reach_the_service_to_be_refused_there() {
    let gateway = Gateway::start();
    let request = gateway.request("GET", "/api/v1/me");
    request
        .header("authorization", "Bearer a")
        .header("authorization", "Bearer b")
        .send()
        .await
        .unwrap();
    let call = gateway.auth.last();
    let sent: Vec<_> = call.metadata.get_all("authorization").iter().collect();
    assert_eq!(sent, ["Bearer a", "Bearer b"]);
}

#[tokio::test]
async fn a_sound_trace_is_carried_along() {
    let gateway = Gateway::start();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for (sent, carried) in [(trace, Some(trace)), ("nonsense", None)] {
        let request = gateway
            .request("GET", "/api/v1/courses")
            .header("traceparent", sent);
        request.send().await.unwrap();
        assert_eq!(gateway.course.last().metadata("traceparent"), carried);
    }
}
