//! HTTP/1.1 and HTTP/2 on one port, and requests that follow each other.

use http::{Request, Version};
use hyper::client::conn::http2;
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
