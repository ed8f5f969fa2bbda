//! The connection breaks while a transaction commits: nobody knows whether it did. Whoever asks again with the same
//! key is told what came of it, and it happened once.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use test_support::postgres::Cluster;
use tokio::time::sleep;
use uuid::Uuid;

use super::{
    PATIENCE, QUICK,
    cutter::{Cut, Cutter},
};
use crate::fleet::{Fleet, Ground, millis, people::Person, row};

/// How many of each account and each course, by default; the variable `COMMITS` says otherwise.
const COMMITS: usize = 30;

/// Accounts with this address, one for each mail; courses with this title, one for each slug.
const FIND_USER: &str = "SELECT users.id FROM auth.users JOIN auth.mail_tokens ON user_id = users.id \
                         WHERE username_key = $1";
const FIND_COURSE: &str = "SELECT courses.id FROM course.courses JOIN course.course_slugs ON course_id = courses.id \
                           WHERE title = $1";

pub async fn run(cluster: &Cluster) {
    let commits = std::env::var("COMMITS").map_or(COMMITS, |commits| commits.parse().unwrap());
    let ground = Ground::on(cluster).await;
    let cutter = Cutter::before(cluster.port()).await;
    let (near, far) = (format!(":{}/", cluster.port()), format!(":{}/", cutter.port()));
    let straight = ground.database_url().unwrap().to_owned();
    let mut database = PgConnection::connect(&straight).await.unwrap();
    let mut fleet = Fleet::start_with(ground, 1, &[("DATABASE_URL", straight.replace(&near, &far))]).await;
    let staff = Person::staff(&fleet.gateways, 0).await;
    let stranger = Person::stranger(&fleet.gateways, 0);
    let (mut was_there, mut longest, mut again) = (0, Duration::ZERO, 0);
    for number in 0..2 * commits {
        let name = format!("doubt-{number}@example.org");
        let (person, path, body, find) = if number % 2 == 0 {
            let account = json!({
                "username": name,
                "password": "gravel lantern octopus", "confirm_password": "gravel lantern octopus",
            });
            (&stranger, "/auth/register", account, FIND_USER)
        } else {
            let course = json!({"title": name, "description": "d", "price": "1.50"});
            (&staff, "/courses", course, FIND_COURSE)
        };
        let key = format!("key-{name}");
        let headers = [("idempotency-key", key.as_str())];
        let ask = || person.send(Method::POST, path, Some(body.clone()), &headers);
        let how = [Cut::Before, Cut::AtOnce, Cut::After][number / 2 % 3];
        cutter.cut(&key, how);
        let begun = Instant::now();
        let first = ask().await.unwrap();
        longest = longest.max(begun.elapsed());
        assert!(first.is_outage(), "{how:?}: {first:?}{}", fleet.complaints());
        let there = found(&mut database, find, &name).await;
        match how {
            Cut::Before => assert!(there.is_empty(), "{there:?}"),
            Cut::AtOnce => {}
            Cut::After => assert_eq!(there.len(), 1, "{there:?}"),
        }
        was_there += there.len();
        let second = loop {
            again += 1;
            let answer = ask().await.unwrap();
            if !answer.is_outage() {
                break answer;
            }
            assert!(begun.elapsed() < PATIENCE, "{answer:?}{}", fleet.complaints());
            sleep(Duration::from_millis(50)).await;
        };
        assert_eq!(second.status, 201, "{how:?}: {second:?}{}", fleet.complaints());
        // One account with one mail, one course with one slug; the one that the answer tells of.
        let now = found(&mut database, find, &name).await;
        assert_eq!(now.len(), 1, "{how:?}: {now:?}");
        assert_eq!(second.json()["id"], now[0].to_string(), "{how:?}");
        assert!(
            there.is_empty() || there == now,
            "{how:?}: {there:?}, then {now:?}"
        );
    }
    fleet.is_whole();
    database.close().await.unwrap();
    let all = 2 * commits;
    row(
        &format!(
            "the connection to PostgreSQL is cut {all} times while a registration or a new course commits"
        ),
        "503 at once; the same key again: exactly one effect, and the answer tells of it",
        &format!(
            "{all} refused, longest {}, {was_there} of them had committed; {again} asked again; lost 0, twice 0",
            millis(longest)
        ),
    );
    assert!(longest < QUICK, "{longest:?}");
}

/// The ids that a query finds for a name.
async fn found(database: &mut PgConnection, find: &'static str, name: &str) -> Vec<Uuid> {
    let found = sqlx::query_scalar(find).bind(name);
    found.fetch_all(database).await.unwrap()
}
