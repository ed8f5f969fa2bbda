//! Unknown, wrong, inactive and throttled logins take the same time. A binary of its own, so that no other test is
//! measured along.
//!
//! The kinds take turns, so that whatever else the machine does falls on all of them alike, and are compared by rank, so
//! that a few slow ones decide nothing. Told apart counts as: different by more than a tenth of the time, surely
//! (z > 4). What skips the hash is different by nine tenths.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test should stop where its ground is missing"
)]

mod support;

use std::time::Instant;

use proto::auth::v1 as pb;
use support::{PASSWORD, Service, as_service};

/// How often each kind is measured.
const ROUNDS: usize = 60;
/// From where an account is throttled.
const THROTTLED: &str = "192.0.2.1";
/// By which share of the time of a login two kinds may differ.
const TOLERANCE: f64 = 0.1;
/// From which score on a difference is no chance.
const SURE: f64 = 4.0;

on_both_databases!(no_failed_login_is_told_from_another_by_its_time);

async fn no_failed_login_is_told_from_another_by_its_time(service: Service) {
    for username in ["wrong@example.org", "throttled@example.org"] {
        service.add_user(username).await;
    }
    let inactive = |user| auth_service::model::user::User {
        is_active: false,
        ..user
    };
    service.add("inactive@example.org", inactive).await;
    // The last one has the right password, which must not show.
    let kinds = [
        ("a wrong password", "wrong@example.org", "a guess"),
        ("nobody", "nobody@example.org", PASSWORD),
        ("no address", "nobody", PASSWORD),
        ("an inactive account", "inactive@example.org", PASSWORD),
        ("a throttled guess", "throttled@example.org", "a guess"),
        ("a throttled right password", "throttled@example.org", PASSWORD),
    ];
    for _ in 0..10 {
        failed(&service, "throttled@example.org", "a guess", THROTTLED).await;
    }
    let mut times = vec![Vec::new(); kinds.len()];
    for round in 0..=ROUNDS {
        for step in 0..kinds.len() {
            let kind = (round + step) % kinds.len();
            let (name, username, password) = kinds[kind];
            // Each round is another client, so that only what shall be throttled is.
            let client = match name.starts_with("a throttled") {
                true => THROTTLED.to_owned(),
                false => format!("198.51.100.{round}"),
            };
            let took = failed(&service, username, password, &client).await;
            // The first round opens connections and lanes.
            if round > 0 {
                times[kind].push(took);
            }
        }
    }
    for (kind, name) in kinds.iter().map(|(name, ..)| name).enumerate().skip(1) {
        let (own, other) = (&times[kind], &times[0]);
        let tolerance = median(other) * TOLERANCE;
        let (faster, slower) = (score(own, other, tolerance), score(other, own, tolerance));
        assert!(
            faster < SURE && slower < SURE,
            "{name}: {:.2} ms, {}: {:.2} ms; faster {faster:.1}, slower {slower:.1}",
            median(own),
            kinds[0].0,
            median(other)
        );
    }
}

/// The time of a login that fails, in milliseconds.
async fn failed(service: &Service, username: &str, password: &str, client: &str) -> f64 {
    let mut request = as_service(pb::LoginRequest {
        username: username.to_owned(),
        password: password.to_owned(),
        code: String::new(),
    });
    request
        .metadata_mut()
        .insert("x-client-address", client.parse().unwrap());
    let begun = Instant::now();
    let answer = service.sessions().login(request).await;
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    assert!(answer.is_err(), "{username}");
    took
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// How surely `one` is smaller than `other` by more than `by`: the standard score of Mann and Whitney's U.
fn score(one: &[f64], other: &[f64], by: f64) -> f64 {
    let smaller = |time: &f64| other.iter().filter(|other| time + by < **other).count();
    let count = one.iter().map(smaller).sum::<usize>();
    let (n, m) = (one.len() as f64, other.len() as f64);
    (count as f64 - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}
