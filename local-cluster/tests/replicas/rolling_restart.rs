//! Two replicas of each service are restarted one after the other, ten times, while people work: nobody notices.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::json;

use crate::fleet::{
    Fleet, Ground,
    people::{Answer, Person},
};

/// How often everything is restarted.
const ROUNDS: usize = 10;
/// How many people work meanwhile.
const PEOPLE: usize = 8;

pub async fn run(ground: Ground) {
    let mut fleet = Fleet::start(ground, 2).await;
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let failures: Arc<Mutex<Vec<String>>> = Arc::default();
    let mut work = tokio::task::JoinSet::new();
    for number in 0..PEOPLE {
        let person = Person::staff(&fleet.gateways, number).await;
        let (stop, asked, failures) = (Arc::clone(&stop), Arc::clone(&asked), Arc::clone(&failures));
        work.spawn(async move { works(person, number, &stop, &asked, &failures).await });
    }
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        for replica in &mut fleet.replicas {
            let ended = replica.stop().await;
            assert!(ended.success(), "{} ended with {ended}", replica.part);
            replica.start();
            replica.becomes_ready().await;
            // Time for the others to find it before the next one goes: what an orchestrator's probes give.
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
    let took = begun.elapsed();
    stop.store(true, Ordering::SeqCst);
    while let Some(ended) = work.join_next().await {
        ended.unwrap();
    }
    let failures = failures.lock().unwrap();
    let asked = asked.load(Ordering::SeqCst);
    println!(
        "rolling restart: {} restarts in {:.0} s under {:.0} requests/s, {} of {asked} requests failed",
        ROUNDS * fleet.replicas.len(),
        took.as_secs_f64(),
        asked as f64 / took.as_secs_f64(),
        failures.len(),
    );
    assert!(
        failures.is_empty(),
        "{:#?}{}",
        &failures[..failures.len().min(10)],
        fleet.complaints()
    );
    assert!(asked > 1000, "people hardly worked: {asked}");
}

/// One person's work: read, create, change, go on with the session, again and again.
async fn works(
    mut person: Person,
    number: usize,
    stop: &AtomicBool,
    asked: &AtomicUsize,
    failures: &Mutex<Vec<String>>,
) {
    let note = |what: &str, expected: u16, answer: Result<Answer, reqwest::Error>| {
        asked.fetch_add(1, Ordering::Relaxed);
        match answer {
            Ok(answer) if answer.status == expected => Some(answer),
            Ok(answer) => {
                let told = format!("{what}: {} {}", answer.status, answer.body);
                failures.lock().unwrap().push(told);
                None
            }
            Err(error) => {
                failures.lock().unwrap().push(format!("{what}: {error:?}"));
                None
            }
        }
    };
    for turn in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let course = json!({"title": format!("Course {number} {turn}"), "description": "d", "price": "1.50"});
        let made = note(
            "create",
            201,
            person.send(Method::POST, "/courses", Some(course), &[]).await,
        );
        if let Some(made) = made {
            let path = format!("/courses/{}", made.json()["slug"].as_str().unwrap());
            let change = json!({"subtitle": format!("Subtitle {turn}")});
            let changed = person
                .send(Method::PATCH, &path, Some(change), &[("if-match", &made.etag)])
                .await;
            note("change", 200, changed);
            note("read", 200, person.send(Method::GET, &path, None, &[]).await);
        }
        note(
            "list",
            200,
            person.send(Method::GET, "/courses?page_size=5", None, &[]).await,
        );
        note("me", 200, person.send(Method::GET, "/me", None, &[]).await);
        let refreshed = person.send(Method::POST, "/auth/refresh", Some(person.refreshing()), &[]);
        let refreshed = refreshed.await;
        if let Some(refreshed) = note("refresh", 200, refreshed) {
            person.take(&refreshed);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
