//! The network before auth-service comes and goes every second: each time every connection is reset.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::own::packets;
use crate::{
    asking::People,
    fleet::{Fleet, Probe, millis, row},
};

/// How long it is there, and how long it is away.
const PHASE: Duration = Duration::from_secs(1);
/// How long a request may take, on a busy machine.
const SOON: Duration = Duration::from_secs(8);
/// What auth-service counts of writes, of profiles and of logins: each asks it this once.
const ARRIVED: [&str; 3] = [
    "grpc_server_requests_total{method=\"onlineedu.auth.v1.TokenService/Authorize\"",
    "grpc_server_requests_total{method=\"onlineedu.auth.v1.AccountService/GetProfile\"",
    "grpc_server_requests_total{method=\"onlineedu.auth.v1.SessionService/Login\"",
];
/// How many requests may arrive for each that somebody sent.
const AMPLIFICATION: f64 = 1.2;

pub async fn run() {
    // More of them by a variable.
    let flaps = std::env::var("FLAPS").map_or(6, |flaps| flaps.parse().unwrap());
    let mut people = People::come().await;
    let memory = |fleet: &mut Fleet| ["gateway", "course-service"].map(|part| fleet.part(part).memory());
    let before = memory(&mut people.fleet);
    let port = people.fleet.part("auth-service").address.port();
    let arrived_before = arrived(&mut people.fleet).await;
    let from = Instant::now();
    let mut up = Vec::new();
    for _ in 0..flaps {
        packets(&[format!("tcp dport {port} reject with tcp reset")]);
        sleep(PHASE).await;
        packets(&[]);
        let begun = Instant::now();
        sleep(PHASE).await;
        up.push(begun..Instant::now());
    }
    let to = Instant::now();
    let again = people.are_served(to).await;
    let seen = people.between(from, to).await;
    let arrived = arrived(&mut people.fleet).await;
    // Those too that were sent after it ended, as they are among those that arrived.
    let sent = people.between(from, Instant::now()).await;
    let sent = [sent.writes, sent.profiles, sent.logins];
    let mut amplification = [0.0; 3];
    for (kind, ratio) in amplification.iter_mut().enumerate() {
        *ratio = (arrived[kind] - arrived_before[kind]) / sent[kind].count() as f64;
    }
    let shares = shares(&people.profiles, &up).await;
    let after = memory(&mut people.fleet);
    people.fleet.is_whole();
    let [first, last] = [&shares[..shares.len() / 2], &shares[shares.len() / 2..]]
        .map(|half| 100.0 * half.iter().sum::<f64>() / half.len() as f64);
    row(
        &format!("auth-service's connections are reset and refused every other second, {flaps} times"),
        "who does not need it is served as ever; who does is served while it is there, else 503; no more than 1.2 \
         requests arrive at it for each that was sent, and it gets no worse with time; recovery within 1 s",
        &format!(
            "{seen}; profiles served of those asked for while it was there: {first:.0} % in the first half, {last:.0} \
             % in the second; for each write, profile and login \
             {amplification:.2?} requests arrived; memory of gateway and course-service \
             {before:.0?} MiB, then {after:.0?}; all served {} after",
            millis(again),
        ),
    );
    seen.reads.is_served_as_ever();
    for seen in [&seen.writes, &seen.profiles, &seen.logins] {
        seen.is_served_or_refused_within(SOON);
        assert!(seen.served > 0 && seen.refused > 0, "{seen:?}");
    }
    assert!(
        amplification.iter().all(|ratio| *ratio < AMPLIFICATION),
        "{amplification:?}"
    );
    assert!(last > first / 3.0, "{shares:?}");
}

/// How many requests of each kind arrived at auth-service.
async fn arrived(fleet: &mut Fleet) -> [f64; 3] {
    let mut arrived = [0.0; 3];
    for (total, kind) in arrived.iter_mut().zip(ARRIVED) {
        *total = fleet.part("auth-service").total(kind).await;
    }
    arrived
}

/// Which part of those who asked in each of these times was served.
async fn shares(probe: &Probe, times: &[Range<Instant>]) -> Vec<f64> {
    let mut shares = Vec::new();
    for time in times {
        let seen = probe.between(time.start, time.end).await;
        shares.push(seen.served as f64 / seen.count() as f64);
    }
    shares
}
