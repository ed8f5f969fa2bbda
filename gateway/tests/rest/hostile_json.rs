//! Bodies that no honest client sends: each is refused with a 4xx problem, and the gateway still serves.

use crate::support::Gateway;

const REGISTER: &str = "/api/v1/auth/register";

/// Sends a body to a POST and a PATCH; each must be refused with this status.
async fn refused(gateway: &Gateway, body: impl Into<Vec<u8>>, status: u16) {
    let body = body.into();
    for (method, path) in [("POST", REGISTER), ("PATCH", "/api/v1/me")] {
        let request = gateway
            .request(method, path)
            .header("content-type", "application/json");
        let (answered, problem) = gateway.send(request.body(body.clone())).await;
        let start = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        assert_eq!(
            (answered, &problem["status"]),
            (status, &status.into()),
            "{start}: {problem}"
        );
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty()),
            "{start}"
        );
    }
}

#[tokio::test]
async fn malformed_and_truncated_bodies() {
    let gateway = Gateway::start();
    let whole = r#"{"username":"a@example.com","bio":"b\u0041","color_mode":"dark"}"#;
    for end in 1..whole.len() {
        refused(&gateway, &whole[..end], 400).await;
    }
    for body in [
        "{]",
        "{\"bio\"}",
        "{\"bio\":}",
        "{bio:1}",
        "{'bio':''}",
        "{\"bio\":\"\"}}",
        "{\"bio\":\"\"}{}",
        "{,}",
        "{\"bio\":\"\",}",
        "// {}",
        "{}/**/",
        "nul",
        "NaN",
        "{\"bio\":NaN}",
        "{\"bio\":+1}",
        "{\"bio\":01}",
        "{\"bio\":.5}",
        "{\"bio\":0x1}",
        "{\"bio\":1e}",
        "\u{feff}{}",
        "\0",
        "{}\0",
        "[]",
        "\"{}\"",
        "true",
        "0",
    ] {
        refused(&gateway, body, 400).await;
    }
    gateway.assert_serves().await;
}

#[tokio::test]
async fn odd_unicode() {
    let gateway = Gateway::start();
    for body in [
        &br#"{"bio":"\ud800"}"#[..],
        br#"{"bio":"\udc00\ud800"}"#,
        br#"{"bio":"\ud800\u0041"}"#,
        br#"{"\ud800":"x"}"#,
        br#"{"bio":"\u00"}"#,
        br#"{"bio":"\x41"}"#,
        b"{\"bio\":\"\xff\"}",
        b"{\"bio\":\"\xc0\xaf\"}",
        b"{\"bio\":\"\xed\xa0\x80\"}",
        b"{\"bio\":\"\xf4\x90\x80\x80\"}",
        b"{\"bio\":\"\x01\"}",
        b"{\"bio\":\"\n\"}",
        br#"{"bio":"a\u0000b"}"#,
        br#"{"bio\u0000":"b"}"#,
        b"\xff\xfe{\0}\0",
        b"{\0}\0",
    ] {
        refused(&gateway, body, 400).await;
    }
    for fine in [
        r#"{"bio":"\ud83e\udd80"}"#,
        "{\"bio\":\"\u{202e}\u{200b}\u{fdfa}\u{fb00}\"}",
        "{\"bio\":\"\u{ffff}\"}",
    ] {
        assert_eq!(gateway.send_json("POST", REGISTER, fine).await.0, 201, "{fine}");
    }
}

#[tokio::test]
async fn deep_nesting() {
    let gateway = Gateway::start();
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"bio\":", "}]")] {
        for depth in [200, 20_000] {
            refused(&gateway, format!("{{\"bio\":{}", open.repeat(depth)), 400).await;
            refused(&gateway, open.repeat(depth), 400).await;
            let whole = format!("{{\"bio\":{}0{}}}", open.repeat(depth), close.repeat(depth));
            refused(&gateway, whole, 400).await;
        }
    }
    refused(&gateway, "[".repeat(100_000), 400).await;
    gateway.assert_serves().await;
}

#[tokio::test]
async fn numbers_that_are_none() {
    let gateway = Gateway::start();
    let path = "/api/v1/courses/a";
    for number in [
        "1e999",
        "-1e999",
        "1.5",
        "1e1",
        "99999999999999999999",
        "2147483648",
        "-0",
        "1.0",
        "\"1\"",
        "true",
    ] {
        let body = format!("{{\"student_count\":{number}}}");
        let (status, problem) = gateway.send_json("PATCH", path, body).await;
        assert_eq!(
            (status, &problem["errors"][0]["field"]),
            (400, &"student_count".into()),
            "{number}"
        );
    }
    let digits = format!("{{\"student_count\":{}}}", "9".repeat(200_000));
    assert_eq!(gateway.send_json("PATCH", path, digits).await.0, 400);
}

#[tokio::test]
async fn a_flood_of_mistakes_is_answered_in_brief() {
    let gateway = Gateway::start();
    let keys: Vec<String> = (0..20_000).map(|key| format!("\"{key}\":0")).collect();
    for body in [keys.join(","), vec!["\"a\":0"; 40_000].join(",")] {
        let (status, problem) = gateway.send_json("POST", REGISTER, format!("{{{body}}}")).await;
        assert_eq!(status, 400);
        assert!(problem["errors"].as_array().unwrap().len() <= 100);
    }
    let long = format!("{{\"{}\":0}}", "k".repeat(200_000));
    let (_, problem) = gateway.send_json("POST", REGISTER, long).await;
    assert!(problem.to_string().len() < 1_000);
}
