//! HTTP/1.1 and HTTP/2 on one port, and requests that follow each other.

use http::{Request, Response, Version};
use http_body_util::BodyExt;
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::Gateway;

#[tokio::test]
async fn http_2_is_spoken_to_who_speaks_it() {
    let gateway = Gateway::start();
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let asking = async {
        let uri = |host: &str| format!("http://{host}/api/v1/courses");
        for (host, status) in [("localhost", 200), ("localhost:80", 200), ("evil.test", 400)] {
            let request = Request::get(uri(host)).body(String::new()).unwrap();
            let response = client.send_request(request).await.unwrap();
            assert_eq!(response.status().as_u16(), status, "{host}");
            assert_eq!(response.version(), Version::HTTP_2);
        }
        drop(client);
    };
    let (ended, ()) = tokio::join!(connection, asking);
    ended.unwrap();
}

/// What a HEAD request over HTTP/2 brings, head and body.
async fn head(client: &mut SendRequest<String>, path: &str) -> (Response<()>, usize) {
    let request = Request::head(format!("http://localhost{path}")).body(String::new());
    let response = client.send_request(request.unwrap()).await.unwrap();
    let (parts, body): (_, Incoming) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(parts, ()), body.len())
}

#[tokio::test]
async fn head_over_http_2_has_no_body_whatever_is_answered() {
    let gateway = Gateway::start();
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let asking = async {
        for (path, status, media_type) in [
            ("/api/v1/courses", 200, "application/json"),
            ("/docs", 200, "text/html; charset=utf-8"),
            ("/api/v1/courses?nonsense=1", 400, "application/problem+json"),
            ("/nowhere", 404, "application/problem+json"),
            ("/api/v1/auth/login", 405, "application/problem+json"),
        ] {
            let (response, body) = head(&mut client, path).await;
            assert_eq!(response.status().as_u16(), status, "{path}");
            assert_eq!(response.headers()["content-type"], media_type, "{path}");
            assert_eq!(body, 0, "{path}");
            let length = response.headers()["content-length"].to_str().unwrap();
            assert_ne!(length, "0", "{path}");
            // The length is the one that GET would have.
            if status != 405 {
                let whole = gateway.request("GET", path).header("x-request-id", "my-id");
                let whole = whole.send().await.unwrap().bytes().await.unwrap().len();
                let given = response.headers()["x-request-id"].len() - "my-id".len();
                let ids = usize::from(status >= 400);
                assert_eq!(length, (whole + ids * given).to_string(), "{path}");
            }
        }
        drop(client);
    };
    let (ended, ()) = tokio::join!(connection, asking);
    ended.unwrap();
}

#[tokio::test]
async fn requests_follow_each_other_on_one_connection() {
    let gateway = Gateway::start();
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let get = "GET /api/v1/courses?nonsense=1 HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let last = "GET /api/v1/courses HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream
        .write_all(format!("{get}{get}{last}").as_bytes())
        .await
        .unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 400").count(), 2);
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 1);
}
