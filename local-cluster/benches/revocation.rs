//! How long it takes from the end of a session until the last of twenty services that remember its caller refuses the
//! token, while others work: on SQLite, and on PostgreSQL with two auth-services.
//!
//! `cargo bench -p local-cluster --bench revocation`. Every service is a process of its own; the twenty that remember
//! are in the process that measures, and ask themselves once a millisecond. `REVOCATIONS` says how many (1000).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark that cannot go on has nothing to say"
)]

#[path = "../tests/fleet/mod.rs"]
mod fleet;

use std::{
    net::SocketAddr,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use auth_client::{
    authorize::{AuthClient, AuthError},
    callers::{Callers, Freshness},
};
use fleet::{Fleet, Ground, STAFF, millis, people::Person, percent};
use proto::auth::v1::{LogoutRequest, session_service_client::SessionServiceClient};
use reqwest::Method;
use serde_json::json;
use service_runtime::{
    clock::Clock,
    grpc::{
        channel::Channel,
        context::{KnownCaller, RequestContext},
    },
    lifecycle::Tasks,
    secret::Secret,
};
use tokio::task::JoinSet;

/// Services that remember callers.
const WATCHERS: usize = 20;
/// People who read while sessions end.
const READERS: usize = 8;
/// Sessions that are opened at once.
const BATCH: usize = 50;
/// What the services of a fleet show each other.
const SERVICE_TOKEN: &str = "a-service-token-of-the-tests-0123456789";

fn main() -> ExitCode {
    fleet::run(async |_filter| {
        let count = std::env::var("REVOCATIONS").map_or(1000, |count| count.parse().unwrap());
        println!(
            "| {count} sessions ended, {WATCHERS} services that remember, {READERS} readers | p50 | p99 | longest | \
             p50 after the answer | p99 | longest | reads/s meanwhile |\n|---|---|---|---|---|---|---|---|"
        );
        measure("SQLite", Fleet::start(Ground::sqlite(), 1).await, count).await;
        if let Some(ground) = Ground::postgres().await {
            measure(
                "PostgreSQL, two auth-services",
                Fleet::start(ground, 2).await,
                count,
            )
            .await;
        }
    })
}

async fn measure(name: &str, fleet: Fleet, count: usize) {
    let auths: Vec<SocketAddr> = fleet
        .replicas
        .iter()
        .filter(|replica| replica.part == "auth-service")
        .map(|replica| replica.address)
        .collect();
    let urls: Vec<String> = auths.iter().map(|address| format!("http://{address}")).collect();
    let tasks = Tasks::default();
    let watchers: Vec<Callers> = (0..WATCHERS)
        .map(|_| {
            let channel = Channel::to(&urls.join(",")).unwrap();
            let auth = AuthClient::new(channel, &Secret::new(SERVICE_TOKEN.to_owned())).unwrap();
            Callers::start(auth, Clock::system(), &tasks)
        })
        .collect();
    let mut ways = Vec::new();
    for url in urls {
        ways.push(SessionServiceClient::connect(url).await.unwrap());
    }
    let (mut readers, reads) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
    for turn in 0..READERS {
        let (reader, reads) = (Person::staff(&fleet.gateways, turn).await, Arc::clone(&reads));
        readers.spawn(async move {
            loop {
                let answer = reader.send(Method::GET, "/courses?page_size=5", None, &[]).await;
                assert_eq!(answer.unwrap().status, 200);
                reads.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let (mut in_all, mut after_answer, mut measured) = (Vec::new(), Vec::new(), Duration::ZERO);
    let before = reads.load(Ordering::Relaxed);
    let mut read = 0;
    while in_all.len() < count {
        let sessions = logged_in(&fleet, BATCH.min(count - in_all.len())).await;
        let (begun, reads_before) = (Instant::now(), reads.load(Ordering::Relaxed));
        for session in sessions {
            for watcher in &watchers {
                watcher
                    .caller(&context(), &session.access, Freshness::Remembered)
                    .await
                    .unwrap();
            }
            let mut refusing = JoinSet::new();
            for watcher in &watchers {
                let (watcher, access) = (watcher.clone(), session.access.clone());
                refusing.spawn(async move {
                    loop {
                        let known = watcher.caller(&context(), &access, Freshness::Remembered).await;
                        match known {
                            Err(AuthError::InvalidToken) => return Instant::now(),
                            Err(error) => panic!("{error:?}"),
                            Ok(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                        }
                    }
                });
            }
            let way = in_all.len() % ways.len();
            let ended = Instant::now();
            let refresh = session.refresh;
            ways[way].logout(LogoutRequest { refresh }).await.unwrap();
            let answered = Instant::now();
            let last = refusing.join_all().await.into_iter().max().unwrap();
            in_all.push(last - ended);
            after_answer.push(last.saturating_duration_since(answered));
        }
        measured += begun.elapsed();
        read += reads.load(Ordering::Relaxed) - reads_before;
    }
    assert!(reads.load(Ordering::Relaxed) > before);
    tasks.stop();
    let figures = |all: &Vec<Duration>| {
        [50, 99, 100]
            .map(|part| millis(percent(part, all.clone())))
            .join(" | ")
    };
    println!(
        "| {name} | {} | {} | {:.0} |",
        figures(&in_all),
        figures(&after_answer),
        read as f64 / measured.as_secs_f64()
    );
}

/// Opens sessions.
async fn logged_in(fleet: &Fleet, count: usize) -> Vec<Person> {
    let stranger = Person::stranger(&fleet.gateways, 0);
    let mut opening = JoinSet::new();
    for _ in 0..count {
        let mut person = stranger.clone();
        opening.spawn(async move {
            let login = json!({"username": STAFF.0, "password": STAFF.1});
            loop {
                let answer = person
                    .send(Method::POST, "/auth/login", Some(login.clone()), &[])
                    .await;
                let answer = answer.unwrap();
                // Too many at once is refused, and worth another try.
                if answer.status == 200 {
                    person.take(&answer);
                    return person;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }
    opening.join_all().await
}

fn context() -> RequestContext {
    RequestContext {
        request_id: "bench".into(),
        method: "test".into(),
        deadline: Instant::now() + Duration::from_secs(10),
        traceparent: None,
        peer: None,
        caller: KnownCaller::default(),
    }
}
