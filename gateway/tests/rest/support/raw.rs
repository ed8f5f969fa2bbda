//! HTTP/1.1 by hand, for what no client would send.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

/// What came back before the connection was closed.
#[derive(Debug)]
pub struct Answer {
    /// The status; 0 when the connection was closed without an answer.
    pub status: u16,
    /// Everything, as text.
    pub text: String,
}

/// A request with its head put together; the body is as given, its length said.
pub fn request(method: &str, target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Sends bytes and reads until the other side closes; it is an error if it does not.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> Answer {
    exchange_slowly(address, &[bytes], Duration::ZERO).await
}

/// The same, with a pause after each piece.
pub async fn exchange_slowly(address: SocketAddr, pieces: &[&[u8]], pause: Duration) -> Answer {
    let talking = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut reading, mut writing) = stream.into_split();
        let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
        let write = async {
            for piece in pieces {
                if writing.write_all(&piece).await.is_err() {
                    break;
                }
                sleep(pause).await;
            }
            // Held open: only the gateway may end the talk.
            std::future::pending::<()>().await;
        };
        let mut read = Vec::new();
        tokio::select! {
            // A reset after the answer is an end too.
            _ended = reading.read_to_end(&mut read) => {}
            () = write => {}
        }
        read
    };
    let read = timeout(Duration::from_secs(25), talking)
        .await
        .expect("an end of the talk");
    let text = String::from_utf8_lossy(&read).into_owned();
    let status = text
        .get(9..12)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    Answer { status, text }
}
