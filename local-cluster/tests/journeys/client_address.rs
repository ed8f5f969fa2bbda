//! Where somebody calls from: told by proxies that are named in `TRUSTED_PROXIES`, seen in the list of sessions and in
//! the trail, and what limits go by. Nobody else is believed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_support::ground::Ground;

use crate::support::{Answer, Caller, PASSWORD, STAFF, World};

/// The proxy, which is on this machine, was spoken to by this one.
const HOME: &str = "203.0.113.7";
const ATTACKER: &str = "198.51.100.66";
/// What callers say of themselves.
const SPOOF: &str = "192.0.2.9";
const SESSIONS: &str = "/api/v1/me/sessions";

async fn behind_a_proxy(ground: Ground) -> World {
    World::with(ground, |values| values.with("TRUSTED_PROXIES", "127.0.0.1")).await
}

/// A login that came over a proxy with these addresses, which everybody may have made up but the last.
async fn login(world: &World, hops: &str, username: &str, password: &str) -> Answer {
    let login = json!({"username": username, "password": password});
    let call = world.anonymous().post("/api/v1/auth/login", login);
    // A caller's own, which proxies that write the first one let pass.
    call.header("x-forwarded-for", hops)
        .header("forwarded", "for=192.0.2.9")
        .header("x-client-address", SPOOF)
        .await
}

async fn addresses(person: &Caller) -> Vec<Value> {
    let sessions = person.get(SESSIONS).await.is(200).json();
    let sessions = sessions["sessions"].as_array().unwrap();
    sessions
        .iter()
        .map(|session| session["ip_address"].clone())
        .collect()
}

#[tokio::test]
async fn without_named_proxies_the_peer_of_the_connection_counts() {
    let world = World::on_sqlite().await;
    let answer = login(&world, HOME, STAFF, PASSWORD).await.is(200);
    let staff = world.anonymous().with(&answer);
    assert_eq!(addresses(&staff).await, ["127.0.0.1"]);
}

#[tokio::test]
async fn a_named_proxy_is_believed_and_who_it_speaks_for_is_not() {
    let world = behind_a_proxy(Ground::sqlite()).await;
    // What stands before the last address came from the caller.
    let answer = login(&world, &format!("{ATTACKER}, 10.0.0.1, {HOME}"), STAFF, PASSWORD).await;
    let staff = world.anonymous().with(&answer.is(200));
    assert_eq!(addresses(&staff).await, [HOME]);
    assert_eq!(trail(&staff, "login_succeeded").await, [HOME]);
    login(&world, HOME, "nobody@example.org", PASSWORD).await.is(401);
    assert_eq!(trail(&staff, "login_failed").await, [HOME]);
}

#[tokio::test]
async fn limits_go_by_the_address_that_the_proxy_tells_on_sqlite() {
    limits_go_by_the_address_that_the_proxy_tells(Ground::sqlite()).await;
}

#[tokio::test]
async fn limits_go_by_the_address_that_the_proxy_tells_on_postgres() {
    if let Some(ground) = Ground::postgres().await {
        limits_go_by_the_address_that_the_proxy_tells(ground).await;
    }
}

async fn limits_go_by_the_address_that_the_proxy_tells(ground: Ground) {
    let world = behind_a_proxy(ground).await;
    for made_up in 0..10 {
        let hops = format!("192.0.2.{made_up}, {ATTACKER}");
        login(&world, &hops, STAFF, "a guess").await.is(401);
    }
    let hops = format!("{HOME}, {ATTACKER}");
    let throttled = login(&world, &hops, STAFF, PASSWORD).await;
    throttled.refused(401, "INVALID_CREDENTIALS", "Invalid username/password");
    let answer = login(&world, HOME, STAFF, PASSWORD).await.is(200);
    let staff = world.anonymous().with(&answer);
    assert_eq!(trail(&staff, "login_throttled").await, [ATTACKER]);
}

/// The addresses of the events of a kind, once there is one.
async fn trail(staff: &Caller, kind: &str) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let page = staff.get(&format!("/api/v1/security-events?kind={kind}")).await;
        let page = page.is(200).json();
        let events = page["security_events"].as_array().unwrap();
        if !events.is_empty() {
            return events.iter().map(|event| event["ip_address"].clone()).collect();
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{page}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
