//! The names of services lead elsewhere, as those of containers do that were started anew at another place. Whoever
//! calls them goes there, and misses nobody at the old place when that is stopped.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::own::Names;
use crate::{
    asking::People,
    fleet::{Fleet, Ground, Replica, millis, row},
};

const OLD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const NEW: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// The services that move, their names, and the settings that tell where they are.
const MOVING: [(&str, &str, &str); 2] = [
    ("auth-service", "auth.test", "AUTH_URL"),
    ("course-service", "course.test", "COURSE_URL"),
];
/// By when the new place must be asked, on a busy machine.
const MOVED: Duration = Duration::from_secs(10);
/// How long it takes until everybody has looked names up again.
const LOOKED_UP: Duration = Duration::from_secs(4);
/// How long the old place is watched when it is not asked any more, and the new one when it is alone.
const WATCHED: Duration = Duration::from_secs(2);
/// What a service counts.
const REQUESTS: &str = "grpc_server_requests_total";

pub async fn run() {
    let mut fleet = Fleet::start(Ground::sqlite(), 2).await;
    let names = Names::of(&fleet.folder().join("hosts"));
    let lead = |there| names.lead(&MOVING.map(|(_, name, _)| name), there);
    lead(OLD);
    let urls = MOVING.map(|(part, name, setting)| {
        let port = fleet.part(part).address.port();
        (setting, format!("http://{name}:{port}"))
    });
    let callers = ["course-service", "gateway"];
    for caller in &mut fleet.replicas {
        if callers.contains(&caller.part) {
            caller.restart_with(&urls).await;
        }
    }
    let mut people = People::to(fleet).await;
    let new = [
        asked(&people.fleet, "auth-service", NEW),
        asked(&people.fleet, "course-service", NEW),
    ];
    // What was asked there before the names led anywhere.
    let before = totals(&new).await;
    sleep(WATCHED).await;
    assert_eq!(totals(&new).await, before, "the new place is asked already");

    lead(NEW);
    let from = Instant::now();
    while totals(&new)
        .await
        .iter()
        .zip(before)
        .any(|(now, before)| *now == before)
    {
        assert!(from.elapsed() < MOVED, "nobody goes to the new place");
        sleep(Duration::from_millis(20)).await;
    }
    let moved = from.elapsed();
    sleep(LOOKED_UP).await;
    people.fleet.is_whole();
    let mut old = people.fleet.take_at(OLD);
    let services = MOVING.map(|(part, ..)| old.iter().find(|replica| replica.part == part).unwrap());
    let last = totals(&services).await;
    sleep(WATCHED).await;
    let more = totals(&services).await;
    // The gateway there is one of those that people use.
    for replica in old.iter_mut().filter(|replica| replica.part != "gateway") {
        assert!(replica.stop().await.success());
    }
    sleep(WATCHED).await;
    let to = Instant::now();
    let seen = people.between(from, to).await;
    people.fleet.is_whole();
    row(
        "the names of auth-service and course-service lead to another address, then the old one is stopped",
        "the new place is asked within 5 s, the old one no more; no request fails",
        &format!("{seen}; both asked at the new place {} after", millis(moved)),
    );
    assert_eq!(last, more, "the old place is still asked");
    for seen in [&seen.reads, &seen.writes, &seen.profiles, &seen.logins] {
        assert_eq!(seen.served, seen.count(), "{seen:?}");
    }
}

/// The replica of a service at an address.
fn asked<'a>(fleet: &'a Fleet, part: &str, at: Ipv4Addr) -> &'a Replica {
    let mut replicas = fleet.replicas.iter();
    let found = replicas.find(|replica| replica.part == part && replica.address.ip() == at);
    found.unwrap()
}

/// How many requests each of these was asked.
async fn totals<const N: usize>(replicas: &[&Replica; N]) -> [f64; N] {
    let mut totals = [0.0; N];
    for (total, replica) in totals.iter_mut().zip(replicas) {
        *total = replica.total(REQUESTS).await;
    }
    totals
}
