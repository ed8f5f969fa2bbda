//! Callers are remembered for as long as what is remembered is true, and not a moment longer than is known.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is not as it should be"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "what the bans protect is the product's, not a test's"
)]

mod fake_auth;

use std::time::{Duration, Instant};

use auth_client::authorize::AuthError;
use chrono::TimeDelta;
use proto::auth::v1::SecurityUpdate;
use tokio::time::sleep;
use uuid::Uuid;

use crate::fake_auth::{Key, LIFE, PATIENCE, World, user_of};

const SESSION: Uuid = Uuid::from_u128(5);

fn ended(session_id: Uuid) -> SecurityUpdate {
    SecurityUpdate {
        ended_sessions: vec![session_id.to_string()],
        ..SecurityUpdate::default()
    }
}

fn changed(user_id: Uuid) -> SecurityUpdate {
    SecurityUpdate {
        changed_users: vec![user_id.to_string()],
        ..SecurityUpdate::default()
    }
}

/// Waits until it is so.
async fn becomes(mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "it does not become so");
        sleep(Duration::from_millis(5)).await;
    }
}

fn is_refused<T>(answer: &Result<T, AuthError>) -> bool {
    matches!(answer, Err(AuthError::InvalidToken))
}

#[tokio::test]
async fn a_reader_is_asked_about_once_and_a_writer_each_time() {
    let world = World::followed().await;
    let token = world.token(SESSION, &world.key);
    let before = world.asked();
    for _ in 0..5 {
        assert_eq!(world.read(&token).await.unwrap().session_id, SESSION);
    }
    assert_eq!(world.asked(), before + 1);
    for _ in 0..5 {
        world.write(&token).await.unwrap();
    }
    assert_eq!(world.asked(), before + 6);
    // Another token of the same session is another one.
    world.clock.turn(TimeDelta::seconds(1));
    world.read(&world.token(SESSION, &world.key)).await.unwrap();
    assert_eq!(world.asked(), before + 7);
}

#[tokio::test]
async fn a_session_that_has_ended_is_refused_without_asking() {
    let world = World::followed().await;
    let (token, other) = (
        world.token(SESSION, &world.key),
        world.token(Uuid::from_u128(6), &world.key),
    );
    for token in [&token, &other] {
        world.read(token).await.unwrap();
    }
    let before = world.asked();
    world.tell(ended(SESSION));
    becomes(async || is_refused(&world.read(&token).await)).await;
    assert!(is_refused(&world.write(&token).await));
    assert!(world.read(&other).await.is_ok());
    assert_eq!(world.asked(), before, "nobody was asked");
}

#[tokio::test]
async fn a_user_who_has_changed_is_asked_about_anew() {
    let world = World::followed().await;
    let token = world.token(SESSION, &world.key);
    assert!(!world.read(&token).await.unwrap().is_staff);
    world.staff(true);
    assert!(!world.read(&token).await.unwrap().is_staff, "nothing was told");
    world.tell(changed(user_of(SESSION)));
    becomes(async || world.read(&token).await.unwrap().is_staff).await;
    let before = world.asked();
    assert!(world.read(&token).await.unwrap().is_staff);
    assert_eq!(world.asked(), before, "the new answer is remembered");
}

#[tokio::test]
async fn an_answer_from_before_a_change_is_not_remembered_after_it() {
    let world = World::followed().await;
    let (token, witness) = (
        world.token(SESSION, &world.key),
        world.token(Uuid::from_u128(6), &world.key),
    );
    world.read(&witness).await.unwrap();
    let (release, before) = (world.hold(), world.asked());
    let asking = world.read(&token);
    let changing = async {
        // The answer is made, and on its way when the change is told.
        becomes(async || world.asked() > before).await;
        sleep(Duration::from_millis(100)).await;
        world.staff(true);
        world.tell(SecurityUpdate {
            changed_users: vec![user_of(SESSION).to_string()],
            ended_sessions: vec![Uuid::from_u128(6).to_string()],
            ..SecurityUpdate::default()
        });
        becomes(async || is_refused(&world.read(&witness).await)).await;
        release.send(()).unwrap();
    };
    let (answer, ()) = tokio::join!(asking, changing);
    assert!(!answer.unwrap().is_staff, "the answer of before");
    assert!(world.read(&token).await.unwrap().is_staff);
}

#[tokio::test]
async fn who_hears_nothing_asks() {
    let world = World::followed().await;
    let token = world.token(SESSION, &world.key);
    world.read(&token).await.unwrap();
    world.silent(true);
    let begun = Instant::now();
    // A right that is taken away while nothing is heard.
    world.staff(true);
    becomes(async || world.read(&token).await.unwrap().is_staff).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let before = world.asked();
    world.read(&token).await.unwrap();
    world.read(&token).await.unwrap();
    assert_eq!(world.asked(), before + 2, "nothing is remembered in silence");
    world.silent(false);
    world.is_remembered().await;
}

#[tokio::test]
async fn nobody_is_let_in_when_nobody_answers() {
    let world = World::followed().await;
    let token = world.token(SESSION, &world.key);
    world.read(&token).await.unwrap();
    let opened = world.opened().len();
    world.away(true);
    assert!(matches!(
        world.write(&token).await,
        Err(AuthError::Unavailable(_))
    ));
    becomes(async || matches!(world.read(&token).await, Err(AuthError::Unavailable(_)))).await;
    world.away(false);
    world.is_remembered().await;
    let opened = world.opened().split_off(opened);
    assert!(
        !opened.is_empty() && opened.iter().all(|after| *after == 7),
        "{opened:?}"
    );
}

#[tokio::test]
async fn what_is_no_token_is_refused_without_asking() {
    let world = World::followed().await;
    let good = world.token(SESSION, &world.key);
    let foreign = Key::made_at(world.clock.now() - TimeDelta::days(1));
    let (head, signature) = good.rsplit_once('.').unwrap();
    let another = world.token(Uuid::from_u128(6), &world.key);
    let (_, other) = another.rsplit_once('.').unwrap();
    let before = world.asked();
    for bad in [
        String::new(),
        "a.b.c".to_owned(),
        format!("{head}.{other}"),
        format!("{head}.{signature}="),
        world.token(SESSION, &foreign),
    ] {
        assert!(is_refused(&world.read(&bad).await), "{bad}");
        assert!(is_refused(&world.write(&bad).await), "{bad}");
    }
    assert_eq!(world.asked(), before);
}

#[tokio::test]
async fn what_the_time_makes_of_a_token_is_for_its_issuer_to_say() {
    let world = World::followed().await;
    let token = world.token(SESSION, &world.key);
    world.read(&token).await.unwrap();
    world.clock.turn(LIFE - TimeDelta::seconds(1));
    let before = world.asked();
    world.read(&token).await.unwrap();
    assert_eq!(world.asked(), before);
    // It has expired, or our clock is wrong.
    world.clock.turn(TimeDelta::seconds(1));
    is_asked_about_each_time(&world, &token).await;
    // The clock of its issuer is ahead of ours.
    let of_the_future = world.token(SESSION, &world.key);
    world.clock.turn(TimeDelta::minutes(-1));
    is_asked_about_each_time(&world, &of_the_future).await;
}

async fn is_asked_about_each_time(world: &World, token: &str) {
    let before = world.asked();
    world.read(token).await.unwrap();
    world.read(token).await.unwrap();
    assert_eq!(world.asked(), before + 2);
}

#[tokio::test]
async fn a_key_is_known_before_its_tokens_and_forgotten_with_them() {
    let world = World::followed().await;
    let old = world.token(SESSION, &world.key);
    world.read(&old).await.unwrap();
    // Made just now, and not told yet: auth-service knows.
    let key = Key::made_at(world.clock.now());
    let new = world.token(SESSION, &key);
    let before = world.asked();
    world.read(&new).await.unwrap();
    world.read(&new).await.unwrap();
    assert_eq!(
        world.asked(),
        before + 2,
        "what cannot be verified is not remembered"
    );

    world.keys(&[&key, &world.key]);
    becomes(async || {
        world.read(&new).await.unwrap();
        let before = world.asked();
        world.read(&new).await.unwrap();
        world.asked() == before
    })
    .await;
    assert!(world.read(&old).await.is_ok());
    // The old one is revoked.
    world.keys(&[&key]);
    becomes(async || is_refused(&world.read(&old).await)).await;
    assert!(world.read(&new).await.is_ok());
}

#[tokio::test]
async fn after_a_restore_nothing_of_before_is_true() {
    let world = World::followed().await;
    let token = world.token(SESSION, &world.key);
    world.read(&token).await.unwrap();
    world.staff(true);
    world.restored();
    becomes(async || world.read(&token).await.unwrap().is_staff).await;
    world.is_remembered().await;
}
