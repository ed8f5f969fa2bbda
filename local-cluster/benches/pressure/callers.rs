//! Callers that each ask, wait for the answer, and ask again.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// What is asked.
pub struct Request {
    /// Its path.
    pub path: String,
    bytes: Arc<[u8]>,
}

impl Request {
    /// A GET of a path.
    pub fn get(path: &str) -> Self {
        let bytes = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        Self {
            path: path.to_owned(),
            bytes: bytes.into_bytes().into(),
        }
    }

    /// A POST of JSON.
    pub fn post(path: &str, body: &str) -> Self {
        let length = body.len();
        let bytes = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        Self {
            path: path.to_owned(),
            bytes: bytes.into_bytes().into(),
        }
    }
}

/// What the callers saw.
#[derive(Default)]
pub struct Seen {
    answered: Vec<Duration>,
    /// How long it took to be refused, by 429 or 503.
    pub refused: Vec<Duration>,
    /// Other answers.
    pub others: usize,
    broken: usize,
}

impl Seen {
    /// The figures as cells of a table.
    pub fn row(&self, took: Duration) -> String {
        let per_second = |times: &[Duration]| times.len() as f64 / took.as_secs_f64();
        format!(
            "{:.0} | {} | {} | {:.0} | {} | {}",
            per_second(&self.answered),
            at(&self.answered, 50),
            at(&self.answered, 99),
            per_second(&self.refused),
            at(&self.refused, 99),
            self.broken,
        )
    }
}

fn at(times: &[Duration], share: usize) -> String {
    let mut times = times.to_vec();
    times.sort_unstable();
    match times.get(times.len().saturating_sub(1) * share / 100) {
        Some(time) => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        None => "-".to_owned(),
    }
}

/// Lets as many callers ask for as long as that.
pub async fn ask(gateway: SocketAddr, request: &Request, callers: usize, during: Duration) -> Seen {
    let mut running = JoinSet::new();
    let end = Instant::now() + during;
    for _ in 0..callers {
        running.spawn(call(gateway, Arc::clone(&request.bytes), end));
    }
    let mut all = Seen::default();
    for seen in running.join_all().await {
        all.answered.extend(seen.answered);
        all.refused.extend(seen.refused);
        all.others += seen.others;
        all.broken += seen.broken;
    }
    all
}

async fn call(gateway: SocketAddr, request: Arc<[u8]>, end: Instant) -> Seen {
    let (mut seen, mut buffer, mut stream) = (Seen::default(), Vec::with_capacity(4096), None);
    while Instant::now() < end {
        let asked = Instant::now();
        match once(gateway, &request, &mut stream, &mut buffer).await {
            Ok(200) => seen.answered.push(asked.elapsed()),
            Ok(429 | 503) => {
                seen.refused.push(asked.elapsed());
                // Nobody waits for the second that Retry-After says; but nobody asks again within the same instant.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(_) => seen.others += 1,
            Err(_broken) => {
                seen.broken += 1;
                stream = None;
            }
        }
    }
    seen
}

async fn once(
    gateway: SocketAddr,
    request: &[u8],
    connection: &mut Option<TcpStream>,
    buffer: &mut Vec<u8>,
) -> io::Result<u16> {
    let stream = match connection {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(gateway).await?;
            stream.set_nodelay(true)?;
            connection.insert(stream)
        }
    };
    stream.write_all(request).await?;
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some((status, length)) = head(buffer)
            && buffer.len() >= length
        {
            return Ok(status);
        }
    }
}

/// The status, and the length of head and body, once the head is there.
fn head(bytes: &[u8]) -> Option<(u16, usize)> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).ok()?;
    let status = text.get(9..12)?.parse().ok()?;
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    Some((
        status,
        head + length.map_or(Some(0), |length| length.parse().ok())?,
    ))
}
