//! Whatever auth-service does, an answer is waited for two seconds in all, and an operator learns that it did not
//! come.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is not as it should be"
)]

use std::{
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use auth_client::authorize::{AuthClient, AuthError};
use service_runtime::{
    grpc::{
        channel::Channel,
        context::{KnownCaller, RequestContext},
    },
    secret::Secret,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// SETTINGS without any.
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
/// HEADERS of the first request's answer: `:status: 200`, `content-type: application/grpc`.
const HEAD: [u8; 28] = *b"\0\0\x13\x01\x04\0\0\0\x01\x88\x5f\x10application/grpc";
/// The type of a HEADERS frame.
const HEADERS: u8 = 1;

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// The answer begins and never ends.
    Unfinished,
    /// After this long, the connection is closed.
    Dropped(Duration),
}

/// A client of an auth-service on which every request has this fate.
async fn client(fate: Fate, tasks: &mut JoinSet<()>) -> AuthClient {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(serve(stream, fate));
        }
    });
    let channel = Channel::to(&format!("http://{address}")).unwrap();
    AuthClient::new(channel, &Secret::new("service-token".to_owned())).unwrap()
}

async fn serve(mut stream: TcpStream, fate: Fate) {
    stream.write_all(&SETTINGS).await.unwrap();
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.unwrap();
    loop {
        let mut frame = [0; 9];
        stream.read_exact(&mut frame).await.unwrap();
        let length = usize::from(frame[1]) << 8 | usize::from(frame[2]);
        stream.read_exact(&mut vec![0; length]).await.unwrap();
        if frame[3] == HEADERS {
            break;
        }
    }
    match fate {
        Fate::Unfinished => {
            stream.write_all(&HEAD).await.unwrap();
            std::future::pending().await
        }
        Fate::Dropped(after) => tokio::time::sleep(after).await,
    }
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn context(time_left: Duration) -> RequestContext {
    RequestContext {
        request_id: "id-1".into(),
        method: "test".into(),
        deadline: Instant::now() + time_left,
        traceparent: None,
        peer: None,
        caller: KnownCaller::default(),
    }
}

/// How long it takes until auth-service counts as unavailable, and what is logged about the request.
async fn refused(fate: Fate, time_left: Duration) -> (Duration, Vec<String>) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let mut tasks = JoinSet::new();
    let client = client(fate, &mut tasks).await;
    let begun = Instant::now();
    let context = context(time_left);
    let asking = client.authorize(&context, "token");
    let answer = tokio::time::timeout(Duration::from_secs(10), asking).await;
    let waited = begun.elapsed();
    let error = answer.expect("an end").unwrap_err();
    assert!(matches!(error, AuthError::Unavailable(_)), "{error:?}");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines = log.lines().filter(|line| line.contains("id-1"));
    (waited, lines.map(str::to_owned).collect())
}

fn between(waited: Duration, least: u64, most: u64) {
    let range = Duration::from_millis(least)..Duration::from_millis(most);
    assert!(range.contains(&waited), "{waited:?}");
}

#[tokio::test]
async fn an_answer_that_never_ends_is_not_waited_for() {
    let (waited, _) = refused(Fate::Unfinished, Duration::from_secs(30)).await;
    between(waited, 1_900, 2_900);
}

#[tokio::test]
async fn a_second_attempt_gets_what_the_first_has_left() {
    let fate = Fate::Dropped(Duration::from_millis(1_500));
    let (waited, _) = refused(fate, Duration::from_secs(30)).await;
    between(waited, 1_900, 2_900);
}

#[tokio::test]
async fn the_callers_deadline_counts_when_it_is_sooner() {
    let (waited, _) = refused(Fate::Unfinished, Duration::from_millis(500)).await;
    between(waited, 400, 1_400);
}

#[tokio::test]
async fn an_operator_reads_one_line_about_each_refused_request() {
    let (_, lines) = refused(Fate::Dropped(Duration::ZERO), Duration::from_secs(30)).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("WARN") && lines[0].contains("Unavailable"),
        "{lines:?}"
    );
}
