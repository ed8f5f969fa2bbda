//! What browsers see when the gateway has a certificate of its own.

use std::{fs, net::SocketAddr};

use http::{Request, Version};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tempfile::TempDir;
use test_support::certificate::Authority;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{client::TlsStream, rustls::pki_types::ServerName};

use crate::support::{Gateway, exchange, request};

/// A gateway whose public certificate is for `edu.test`, and whose certificate among services is of somebody else.
fn gateway(public: &Authority) -> (Gateway, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let certificate = public.certificate(&["edu.test"]);
    let (certificate, key) = (
        put("public.pem", certificate.pem()),
        put("public.key", certificate.key_pem()),
    );
    let internal = Authority::default().certificate(&["gateway"]);
    let (internal_certificate, internal_key) =
        (put("own.pem", internal.pem()), put("own.key", internal.key_pem()));
    let gateway = Gateway::start_with(|values| {
        values
            .with("ALLOWED_HOSTS", "edu.test")
            .with("GATEWAY_TLS_CERT", certificate)
            .with("GATEWAY_TLS_KEY", key)
            .with("TLS_CERT", internal_certificate)
            .with("TLS_KEY", internal_key)
    });
    (gateway, folder)
}

async fn connect(address: SocketAddr, authority: &Authority, protocols: &[&str]) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("edu.test").unwrap();
    authority
        .connector(protocols)
        .connect(name, stream)
        .await
        .unwrap()
}

#[tokio::test]
async fn browsers_choose_http_2_or_http_1_and_see_the_public_certificate() {
    let public = Authority::default();
    let (gateway, _files) = gateway(&public);

    let stream = connect(gateway.address, &public, &["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let asking = async {
        let request = Request::get("https://edu.test/api/v1/courses").body(String::new());
        let response = client.send_request(request.unwrap()).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.version()),
            (200, Version::HTTP_2)
        );
        drop(client);
    };
    let (ended, ()) = tokio::join!(connection, asking);
    ended.unwrap();

    let mut stream = connect(gateway.address, &public, &["http/1.1"]).await;
    stream
        .write_all(b"GET /api/v1/courses HTTP/1.1\r\nhost: edu.test\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn nothing_is_said_in_the_clear() {
    let (gateway, _files) = gateway(&Authority::default());
    let answer = exchange(gateway.address, &request("GET", "/api/v1/courses", "", b"")).await;
    assert!(!answer.text.contains("HTTP"), "{}", answer.text);
}
