//! Sessions: their list, their end, and tokens that come back.

use chrono::TimeDelta;
use serde_json::json;

use crate::support::{PASSWORD, World, shape};

crate::on_every_ground!(
    sessions_are_listed_and_ended_one_by_one_or_all,
    a_retried_refresh_gets_the_same_successor_and_a_replay_ends_the_session,
);

async fn sessions_are_listed_and_ended_one_by_one_or_all(world: &World) {
    let here = world.user("ada").await;
    let path = "/api/v1/auth/login";
    let body = json!({"username": "ada@example.org", "password": PASSWORD});
    let phone = world
        .anonymous()
        .post(path, body)
        .header("user-agent", "A phone")
        .await;
    let phone = here.with(&phone.is(200));
    let other = world.user("bob").await;

    let list = here.get("/api/v1/me/sessions").await.is(200).json();
    let sessions = shape::assert_page(&list, "sessions", &shape::SESSION);
    assert_eq!(sessions.len(), 2);
    for session in &sessions {
        shape::assert_id(&session["id"]);
        shape::assert_time(&session["created_at"]);
        shape::assert_time(&session["last_used_at"]);
        assert_eq!(session["ip_address"], "127.0.0.1");
    }
    let current: Vec<_> = sessions
        .iter()
        .filter(|session| session["is_current"] == true)
        .collect();
    assert_eq!(current.len(), 1);
    let of_phone = sessions
        .iter()
        .find(|session| session["user_agent"] == "A phone")
        .unwrap();
    assert_eq!(of_phone["is_current"], false);

    let page = here.get("/api/v1/me/sessions?page_size=1").await.is(200).json();
    assert_eq!(page["sessions"].as_array().unwrap().len(), 1);
    let next = page["next_page_token"].as_str().unwrap();
    let next = format!("/api/v1/me/sessions?page_size=1&page_token={next}");
    let last = here.get(&next).await.is(200).json();
    assert_eq!(last["next_page_token"], "");
    assert_ne!(last["sessions"][0]["id"], page["sessions"][0]["id"]);
    // A page token is one person's.
    other
        .get(&next)
        .await
        .about(&[("page_token", "The page token is not valid for this list.")]);

    let path = format!("/api/v1/me/sessions/{}", of_phone["id"].as_str().unwrap());
    other
        .delete(&path)
        .await
        .refused(404, "NOT_FOUND", "There is no such session.");
    here.delete(&path).await.is(204).is_empty();
    here.delete(&path)
        .await
        .refused(404, "NOT_FOUND", "There is no such session.");
    assert!(!phone.is_known().await);
    phone.try_refresh().await.is(401);

    let again = here.login("ada@example.org", PASSWORD).await;
    again
        .post("/api/v1/auth/logout-all", json!({}))
        .await
        .is(204)
        .is_empty();
    for session in [&here, &again] {
        assert!(!session.is_known().await);
    }
    assert!(other.is_known().await, "somebody else's sessions go on");
}

async fn a_retried_refresh_gets_the_same_successor_and_a_replay_ends_the_session(world: &World) {
    let first = world.user("ada").await;
    let second = first.refreshed().await;
    assert_ne!(first.refresh(), second.refresh());
    // The answer was lost; the retry gets the same successor, and nobody notices.
    let retried = first.refreshed().await;
    assert_eq!(second.refresh(), retried.refresh());
    assert!(first.is_known().await, "the access token lives its time");

    let third = second.refreshed().await;
    // Now the first token is one too old: two parties hold it, so the session ends.
    let sentence = "Token refresh failed. Please log in again.";
    first.try_refresh().await.refused(401, "REFRESH_FAILED", sentence);
    third.try_refresh().await.refused(401, "REFRESH_FAILED", sentence);
    assert!(!third.is_known().await);
}

#[tokio::test]
async fn tokens_end_with_their_time() {
    let world = World::on_sqlite().await;
    let ada = world.user("ada").await;
    world.clock.turn(TimeDelta::minutes(16));
    let answer = ada.get("/api/v1/me").await;
    answer.refused(401, "TOKEN_INVALID", "The access token is not valid.");
    let ada = ada.refreshed().await;
    assert!(ada.is_known().await);
    world.clock.turn(TimeDelta::days(1) + TimeDelta::seconds(1));
    ada.try_refresh().await.is(401);
}

#[tokio::test]
async fn what_is_no_token_is_refused_everywhere_alike() {
    let world = World::on_sqlite().await;
    let ada = world.user("ada").await;
    let (header, rest) = ada.access().split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    // A header that says `"alg":"none"`, and one that says `HS256`.
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";
    let hs256 = "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9";
    let bad = [
        "x".to_owned(),
        "a.b.c".to_owned(),
        ada.refresh().to_owned(),
        format!("{none}.{claims}."),
        format!("{hs256}.{claims}.{signature}"),
        format!("{header}.{claims}"),
        format!("{header}.{claims}.{signature}.{signature}"),
        format!("{header}.{claims}.{}", "A".repeat(86)),
        format!("{header}.{}.{signature}", "A".repeat(9000)),
    ];
    for token in &bad {
        let eve = ada.with_access(token);
        for path in [
            "/api/v1/me",
            "/api/v1/users",
            "/api/v1/courses",
            "/api/v1/courses/none",
        ] {
            let answer = eve.get(path).await;
            answer.refused(401, "TOKEN_INVALID", "The access token is not valid.");
        }
        let create = eve.post("/api/v1/courses", json!({})).await;
        create.refused(401, "TOKEN_INVALID", "The access token is not valid.");
    }
    assert!(ada.is_known().await);
}
