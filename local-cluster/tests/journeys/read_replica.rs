//! Lists come from the read replica while it answers, everything else from the database that takes the writes, and
//! nobody notices when the replica goes.

use std::time::Duration;

use serde_json::Value;
use test_support::postgres::Cluster;
use tokio::time::Instant;

use crate::{
    course::published,
    support::{Caller, Ground, World},
};

/// How long the replica may take to follow, to be missed, and to be found again.
const PATIENCE: Duration = Duration::from_secs(30);
/// The lists, each with the list in it and what tells its items apart.
const LISTS: [(&str, &str, &str); 3] = [
    ("/api/v1/courses", "courses", "title"),
    ("/api/v1/courses?search=course", "courses", "title"),
    ("/api/v1/users?order_by=username", "users", "username"),
];

/// What each list has, in its order.
async fn lists(staff: &Caller) -> Vec<Vec<Value>> {
    let mut all = Vec::new();
    for (path, list, name) in LISTS {
        let answer = staff.get(path).await.is(200).json();
        let items = answer[list].as_array().unwrap();
        all.push(items.iter().map(|item| item[name].clone()).collect());
    }
    all
}

/// Waits until every list has so many items.
async fn wait_for(staff: &Caller, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let lists = lists(staff).await;
        if lists.iter().all(|list| list.len() == count) {
            return;
        }
        assert!(Instant::now() < deadline, "not {count} in {lists:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the numbers say of both services whether their replica answers.
async fn wait_for_number(world: &World, up: u8) {
    let metrics = format!("http://{}/metrics", world.cluster.as_local().admin);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = world.anonymous().get(&metrics).await.is(200).body;
        let says = |database| {
            let line = format!("database_replica_up{{database=\"{database}\"}} {up}");
            told.lines().any(|told| told == line)
        };
        if says("auth") && says("course") {
            return;
        }
        assert!(Instant::now() < deadline, "not {up} in {told}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_come_from_the_replica_while_it_answers() {
    // Servers of its own: it stops one of them.
    let Some(primary) = Cluster::start().await else {
        return;
    };
    let database = primary.database().await;
    let replica = primary.replica().await;
    let read_url = replica.url(database.name());
    let world = World::with(Ground::on(database), |values| {
        values.with("READ_DATABASE_URL", read_url)
    })
    .await;
    let staff = world.staff().await;
    // As many of each as the staff account makes one.
    published(&staff, "Course 1").await;
    wait_for(&staff, 1).await;

    replica.execute("SELECT pg_wal_replay_pause()").await;
    let slug = published(&staff, "Course 2").await;
    world.register("ada@example.org").await;
    let course = format!("/api/v1/courses/{slug}");
    staff.get(&course).await.is(200);
    // The replica knows of nothing new. On a busy machine it may be missed for a moment.
    wait_for(&staff, 1).await;
    replica.execute("SELECT pg_wal_replay_resume()").await;
    wait_for(&staff, 2).await;

    // Gone: not one list fails, and each is as fresh as can be.
    replica.stop().await;
    published(&staff, "Course 3").await;
    world.register("bob@example.org").await;
    for _ in 0..3 {
        for list in lists(&staff).await {
            assert_eq!(list.len(), 3, "{list:?}");
        }
    }

    wait_for_number(&world, 0).await;

    // Back: lists come from it again, which shows when it stands still.
    replica.start_again().await;
    replica.execute("SELECT pg_wal_replay_pause()").await;
    published(&staff, "Course 4").await;
    world.register("eve@example.org").await;
    let deadline = Instant::now() + PATIENCE;
    while lists(&staff).await.iter().any(|list| list.len() == 4) {
        assert!(Instant::now() < deadline, "the replica is not found again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    staff.get("/api/v1/courses/course-4").await.is(200);
    wait_for_number(&world, 1).await;
    assert!(world.cluster.stop().await, "everything ends well");
}
