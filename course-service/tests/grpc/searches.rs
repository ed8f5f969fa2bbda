//! Searches that take long hold up other searches, and nothing else.

use std::time::{Duration, Instant};

use proto::course::v1::ListCoursesRequest;
use service_runtime::{database::Database, on};
use tokio::task::JoinSet;
use tonic::Code;

use crate::{
    support::{Place, on_both},
    world::World,
};

on_both![other_reads_are_served_while_searches_are_stuck];

/// From now on, whoever looks into `search_text` counts for many seconds first.
const SLOW: [&str; 2] = [
    "ALTER TABLE courses RENAME TO real_courses",
    "CREATE VIEW courses AS SELECT id, title, title_key, title_order, subtitle, slug, description, price, \
     currency, state, instructors, student_count, created_at, updated_at, deleted_at, revision, \
     (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000) \
     SELECT MAX(i) FROM n) || search_text AS search_text FROM real_courses",
];

fn search() -> ListCoursesRequest {
    ListCoursesRequest {
        search: "rust".to_owned(),
        ..ListCoursesRequest::default()
    }
}

async fn other_reads_are_served_while_searches_are_stuck(place: &Place) {
    let world = World::at(place).await;
    let (ann, anyone) = (world.staff("ann"), world.anyone());
    ann.create("Rust").await.unwrap();
    ann.publish("rust").await.unwrap();
    assert_eq!(anyone.titles(search()).await.unwrap(), ["Rust"]);
    let database = Database::connect(&place.url, "course").await.unwrap();
    for statement in SLOW {
        on!(&database, |pool| sqlx::query(statement)
            .execute(pool)
            .await
            .map(drop))
        .unwrap();
    }
    let mut searches = JoinSet::new();
    for _ in 0..40 {
        let mut impatient = anyone.request(search());
        // The caller stops waiting long before the database has done its work.
        impatient.set_timeout(Duration::from_secs(5));
        let mut client = anyone.client.clone();
        searches.spawn(async move { client.list_courses(impatient).await.map(drop) });
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        // Whoever had to wait for a connection of a search would be told so after a second.
        anyone.get("rust").await.unwrap();
        let all = anyone.titles(ListCoursesRequest::default()).await.unwrap();
        assert_eq!(all, ["Rust"]);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Nobody was found, and who did not even get to look is told to come back.
    let mut shed = 0;
    while let Some(answer) = searches.join_next().await {
        let refused: crate::caller::Refused = answer.unwrap().unwrap_err().into();
        if refused.what() == (Code::ResourceExhausted, "TOO_MANY_SEARCHES") {
            assert!(refused.retry_after.is_some_and(|after| after > Duration::ZERO));
            shed += 1;
        }
    }
    assert!(shed > 20, "{shed}");
}
