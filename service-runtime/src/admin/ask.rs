//! Asking the process that runs with the same settings whether it is ready, as the health check of a container does.

use std::{
    error::Error,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use http::{Request, StatusCode, header::HOST};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

use crate::{
    settings::{Faults, Reader, Setting, Values, from_str},
    tls::{Connector, Tls},
};

/// How long a process that runs may take to say whether it is ready.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most that it may say, in bytes.
const LONGEST_ANSWER: usize = 16 * 1024;

type BoxError = Box<dyn Error + Send + Sync>;

/// Why a process is not ready.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// The settings do not say where to ask.
    #[error(transparent)]
    Settings(#[from] Faults),
    /// Nobody answers.
    #[error("nobody answers at {0}")]
    Silent(SocketAddr, #[source] BoxError),
    /// What it waits for.
    #[error("{0}")]
    Waiting(String),
}

/// Asks the process that runs with these settings whether it is ready.
///
/// # Errors
/// [`NotReady`].
pub async fn ask(values: &Values, settings: &[Setting]) -> Result<(), NotReady> {
    let mut reader = Reader::new(values, settings);
    let address: Option<SocketAddr> = reader.read("ADMIN_LISTEN", from_str);
    let tls = Tls::of_services(&mut reader);
    let (mut address, tls) = reader.finish(address.zip(tls))?;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    let asked = timeout(PATIENCE, answer(address, tls.for_itself()))
        .await
        .unwrap_or_else(|late| Err(late.into()));
    match asked.map_err(|error| NotReady::Silent(address, error))? {
        (StatusCode::OK, _) => Ok(()),
        (_, why) => Err(NotReady::Waiting(why.trim().to_owned())),
    }
}

/// What `/readyz` says there.
async fn answer(address: SocketAddr, tls: Option<Connector>) -> Result<(StatusCode, String), BoxError> {
    let stream = TcpStream::connect(address).await?;
    match tls {
        Some(tls) => get(tls.connect(&address.ip().to_string(), stream).await?).await,
        None => get(stream).await,
    }
}

async fn get(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<(StatusCode, String), BoxError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let asking = async {
        let request = Request::get("/readyz").header(HOST, "localhost");
        let response = sender.send_request(request.body(Empty::<&[u8]>::new())?).await?;
        let (head, body) = response.into_parts();
        let said = Limited::new(body, LONGEST_ANSWER).collect().await?.to_bytes();
        Ok((head.status, String::from_utf8_lossy(&said).into_owned()))
    };
    tokio::select! {
        answered = asking => answered,
        // The answer itself ends the asking; that the connection ended says why there was none.
        Err(lost) = connection => Err(lost.into()),
    }
}
