//! Requests byte by byte, as no well-behaved client sends them.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came back: the status, and everything after the headers.
#[derive(Debug)]
pub struct RawAnswer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// A connection.
pub struct Raw(TcpStream);

impl Raw {
    pub async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.expect("the gateway listens"))
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.expect("the gateway reads");
    }

    /// Reads up to the end of a head.
    pub async fn head(&mut self) -> String {
        let read = async {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(self.0.read_u8().await.expect("more of an answer"));
            }
            String::from_utf8(head).unwrap()
        };
        timeout(PATIENCE, read).await.expect("an answer in time")
    }

    /// Reads the final answer, after which the connection closes.
    pub async fn answer(mut self) -> RawAnswer {
        let mut head = self.head().await;
        while head.starts_with("HTTP/1.1 1") {
            head = self.head().await;
        }
        let mut body = Vec::new();
        timeout(PATIENCE, self.0.read_to_end(&mut body))
            .await
            .expect("an answer in time")
            .expect("a whole answer");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        RawAnswer {
            status: status.unwrap_or_else(|| panic!("no status in {head:?}")),
            head,
            body: String::from_utf8(body).expect("text"),
        }
    }
}

/// Sends one request whose path is taken as it is.
pub async fn request(address: SocketAddr, verb: &str, path: &str, access: &str, body: &str) -> RawAnswer {
    let mut connection = Raw::connect(address).await;
    let length = body.len();
    let head = format!(
        "{verb} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {access}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    connection.send(head).await;
    connection.answer().await
}
