//! Input that nobody sends by accident: every answer is a clear refusal or an honest success, never a fault of
//! ours, never silence; and the cluster goes on.

mod body;
mod message;
mod path;
mod query;

use std::time::Duration;

use crate::support::{Answer, Call, World};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes a call that must be answered soon, and not by a fault of ours.
async fn answered(call: Call, what: &str) -> Answer {
    let answer = tokio::time::timeout(PATIENCE, call.try_send()).await;
    let answer = answer.unwrap_or_else(|_| panic!("{what}: no answer"));
    let answer = answer.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert!(answer.status < 500, "{what}: {answer:?}");
    if answer.status >= 400 {
        answer.assert_problem();
    }
    answer
}

/// Asserts that nothing broke.
async fn assert_goes_on(world: &World) {
    assert!(!world.cluster.has_crashed(), "a part crashed");
    let staff = world.staff().await;
    staff.get("/api/v1/me").await.is(200);
    staff.get("/api/v1/users").await.is(200);
    world.anonymous().get("/api/v1/courses").await.is(200);
}
