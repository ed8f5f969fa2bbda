//! The server ends a transaction because of another one: a deadlock, or no order in which both could have happened.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use test_support::postgres::Cluster;
use tokio::time::sleep;
use uuid::Uuid;

use super::{PATIENCE, QUICK};
use crate::fleet::{Fleet, Ground, Sample, Summary, Writers, people::Person, row};

/// How often a deadlock is made.
const DEADLOCKS: usize = 3;
/// How long transactions lose for no fault of theirs.
const LASTS: Duration = Duration::from_secs(4);

/// A tenth of all changes lose, half of them by one code and half by the other, and half of them when they happen and
/// half when they are committed.
const LOSE: &str = "
    CREATE FUNCTION loses() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF random() < 0.05 THEN RAISE 'lost a race' USING ERRCODE = '40001'; END IF;
        IF random() < 0.05 THEN RAISE 'lost a race' USING ERRCODE = '40P01'; END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER loses BEFORE UPDATE ON course.courses FOR EACH ROW EXECUTE FUNCTION loses();
    CREATE TRIGGER loses BEFORE UPDATE ON auth.sessions FOR EACH ROW EXECUTE FUNCTION loses();
    CREATE CONSTRAINT TRIGGER loses_late AFTER INSERT OR UPDATE ON course.courses
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION loses();
    CREATE CONSTRAINT TRIGGER loses_late AFTER INSERT OR UPDATE ON auth.sessions
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION loses();";

pub async fn deadlocks(cluster: &Cluster) {
    let ground = Ground::on(cluster).await;
    let mut rival = PgConnection::connect(ground.database_url().unwrap())
        .await
        .unwrap();
    let mut fleet = Fleet::start(ground, 1).await;
    let staff = Person::staff(&fleet.gateways, 0).await;
    let course = json!({"title": "Fought over", "description": "d", "price": "1.50"});
    let made = staff
        .send(Method::POST, "/courses", Some(course), &[])
        .await
        .unwrap();
    assert_eq!(made.status, 201, "{made:?}");
    let mut course = made.json();
    // Whoever looks for a deadlock first loses: that is to be the service.
    run(&mut rival, "SET deadlock_timeout = '1min'").await;
    let mut refused = Vec::new();
    for number in 1..=DEADLOCKS {
        let id: Uuid = course["id"].as_str().unwrap().parse().unwrap();
        let slug = format!("fought-over-{number}");
        let mut other = rival.begin().await.unwrap();
        let take = sqlx::query("INSERT INTO course.course_slugs (slug, course_id) VALUES ($1, $2)");
        take.bind(&slug).bind(id).execute(&mut *other).await.unwrap();
        // The service locks the course and waits for the slug; the other one has the slug and wants the course.
        let asking = change(&staff, &course, &slug);
        let fighting = async {
            let begun = Instant::now();
            while !waits(&mut other).await {
                assert!(begun.elapsed() < PATIENCE, "nobody waits");
                sleep(Duration::from_millis(10)).await;
            }
            let lock = sqlx::query("UPDATE course.courses SET revision = revision WHERE id = $1");
            lock.bind(id).execute(&mut *other).await.unwrap();
            other.rollback().await.unwrap();
        };
        let (first, ()) = tokio::join!(asking, fighting);
        assert!(first.is_outage(), "{first:?}{}", fleet.complaints());
        refused.push(first);
        let second = change(&staff, &course, &slug).await;
        let answer = second.answer.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}{}", fleet.complaints());
        course = answer.json();
        assert_eq!(course["slug"], *slug);
    }
    fleet.is_whole();
    let log = cluster.log();
    assert!(log.matches("deadlock detected").count() >= DEADLOCKS, "{log}");
    let refused = Summary::of(&refused);
    row(
        &format!("{DEADLOCKS} changes end in a deadlock with another session"),
        "503 after the second that PostgreSQL takes to notice; asked again with the same etag it is done",
        &format!("{refused}; asked again: {DEADLOCKS} served"),
    );
    refused.is_served_or_refused_within(QUICK);
}

pub async fn serialization(cluster: &Cluster) {
    let ground = Ground::on(cluster).await;
    let mut operator = PgConnection::connect(ground.database_url().unwrap())
        .await
        .unwrap();
    let mut fleet = Fleet::start(ground, 1).await;
    let writers = Writers::start(&fleet.gateways, 4).await;
    run(&mut operator, LOSE).await;
    sleep(LASTS).await;
    run(&mut operator, "DROP FUNCTION loses CASCADE").await;
    let up = Instant::now();
    sleep(Duration::from_millis(500)).await;
    let found = writers.finish().await;
    fleet.is_whole();
    let failures = Summary::of(&found.failures);
    let late = found.failures.iter().filter(|failure| failure.begun > up).count();
    row(
        "a tenth of the changes of courses and sessions lose against another transaction (40001, 40P01) for 4 s",
        "503 at once, asked again it is done; nothing lost, twice or half",
        &format!("writes: {failures}, after it {late}; {}", found.told()),
    );
    found.is_whole(&fleet);
    failures.is_served_or_refused_within(QUICK);
    assert!(failures.refused > 20, "{failures}");
    assert_eq!(late, 0, "{:?}", found.failures.last());
}

/// Gives a course, as it was last seen, another slug.
async fn change(staff: &Person, course: &Value, slug: &str) -> Sample {
    let path = format!("/courses/{}", course["slug"].as_str().unwrap());
    let begun = Instant::now();
    let headers = [("if-match", course["etag"].as_str().unwrap())];
    let asked = staff.send(Method::PATCH, &path, Some(json!({"slug": slug})), &headers);
    let answer = asked.await.map(Into::into).map_err(|error| format!("{error:?}"));
    Sample {
        begun,
        took: begun.elapsed(),
        answer,
    }
}

/// Whether another session waits for a lock.
async fn waits(connection: &mut PgConnection) -> bool {
    let waits = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)");
    waits.fetch_one(connection).await.unwrap()
}

async fn run(connection: &mut PgConnection, statements: &'static str) {
    sqlx::raw_sql(statements).execute(connection).await.unwrap();
}
