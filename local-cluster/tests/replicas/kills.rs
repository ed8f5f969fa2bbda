//! Processes are killed at any moment while people write. Whoever was told that something happened finds it again;
//! whoever was told nothing asks again with the same key, and it happens once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};
use service_runtime::entropy::Entropy;

use crate::{
    fleet::{Fleet, Ground},
    people::{Answer, Person},
};

/// How many people write.
const PEOPLE: usize = 6;
/// How often somebody asks again before giving up.
const MOST_ATTEMPTS: usize = 200;

/// What one person was told.
#[derive(Default)]
struct Told {
    /// The titles of courses that were made, each with the last change that was acknowledged.
    courses: Vec<(String, String, u64)>,
    writes: usize,
    retries: usize,
}

pub async fn run(database: &str, ground: Ground) {
    let kills: usize = std::env::var("KILLS")
        .ok()
        .map_or(40, |kills| kills.parse().unwrap());
    let mut fleet = Fleet::start(ground, 1).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut work = tokio::task::JoinSet::new();
    for number in 0..PEOPLE {
        let person = Person::staff(&fleet.gateways, 0).await;
        let stop = Arc::clone(&stop);
        work.spawn(async move { writes(person, number, &stop).await });
    }
    let entropy = Entropy::default();
    let mut ready = Vec::new();
    for kill in 0..kills {
        let [chance, which] = entropy.bytes::<2>().unwrap();
        tokio::time::sleep(Duration::from_millis(50 + u64::from(chance))).await;
        // The gateway keeps nothing; the two with data take most of the blows.
        let victim = match which % 5 {
            0 | 1 => 0,
            2 | 3 => 1,
            _ => 2,
        };
        let replica = &mut fleet.replicas[victim];
        replica.kill();
        replica.start();
        ready.push(replica.becomes_ready().await);
        if kill + 1 == kills {
            stop.store(true, Ordering::SeqCst);
        }
    }
    let mut all = Vec::new();
    while let Some(told) = work.join_next().await {
        all.push(told.unwrap());
    }
    let reader = Person::staff(&fleet.gateways, 0).await;
    let (mut lost, mut twice, mut half) = (Vec::new(), Vec::new(), Vec::new());
    let listed = titles(&reader).await;
    for (title, slug, change) in all.iter().flat_map(|told| &told.courses) {
        let answer = read(&reader, &format!("/courses/{slug}")).await;
        let course = answer.json();
        if answer.status != 200 || course["title"] != *title {
            lost.push(title.clone());
        }
        let written: u64 = course["subtitle"]
            .as_str()
            .unwrap_or_default()
            .parse()
            .unwrap_or(0);
        if written < *change {
            lost.push(format!("{title}: change {change}, found {written}"));
        }
        // A change writes both; one without the other would be half a write.
        if course["description"] != format!("change {written}") {
            half.push(course.to_string());
        }
        if listed.iter().filter(|other| *other == title).count() != 1 {
            twice.push(title.clone());
        }
    }
    ready.sort();
    let (writes, retries) = all.iter().fold((0, 0), |(writes, retries), told| {
        (writes + told.writes, retries + told.retries)
    });
    println!(
        "{database}: {kills} kills, {writes} acknowledged writes, {retries} asked again; lost {}, twice {}, half \
         {}; ready again after {:?} (median), {:?} (longest)",
        lost.len(),
        twice.len(),
        half.len(),
        ready[ready.len() / 2],
        ready[ready.len() - 1],
    );
    let complaints = || fleet.complaints();
    assert!(lost.is_empty(), "lost: {lost:#?}{}", complaints());
    assert!(twice.is_empty(), "made twice: {twice:#?}");
    assert!(half.is_empty(), "half written: {half:#?}");
    assert!(writes > kills, "people hardly wrote: {writes}");
}

/// Makes courses and changes them, and goes on with the session, until told to stop.
async fn writes(mut person: Person, number: usize, stop: &AtomicBool) -> Told {
    let mut told = Told::default();
    let mut turn = 0;
    while !stop.load(Ordering::SeqCst) {
        turn += 1;
        let title = format!("Course {number} {turn}");
        let key = format!("key-{number}-{turn}");
        let course = json!({"title": title, "subtitle": "0", "description": "change 0", "price": "1.50"});
        let headers = [("idempotency-key", key.as_str())];
        let made = again(&mut told, &person, Method::POST, "/courses", &course, &headers).await;
        assert_eq!(made.status, 201, "{made:?}");
        let slug = made.json()["slug"].as_str().unwrap().to_owned();
        let path = format!("/courses/{slug}");
        let place = told.courses.len();
        told.courses.push((title, slug, 0));
        for change in 1..4_u64 {
            let body = json!({"subtitle": change.to_string(), "description": format!("change {change}")});
            let changed = again(&mut told, &person, Method::PATCH, &path, &body, &[]).await;
            assert_eq!(changed.status, 200, "{changed:?}");
            told.courses[place].2 = change;
        }
        // A refresh whose answer was lost is asked again with the same token and goes on with the same session.
        let mut refreshing = person.clone();
        let refreshed = loop {
            match refreshing.refreshed().await {
                Ok(answer) if answer.status < 500 => break answer,
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
            told.retries += 1;
        };
        assert_eq!(refreshed.status, 200, "the session is lost: {refreshed:?}");
        told.writes += 1;
        person = refreshing;
    }
    told
}

/// Asks until there is an answer that is none of a service which is away.
async fn again(
    told: &mut Told,
    person: &Person,
    method: Method,
    path: &str,
    body: &Value,
    headers: &[(&str, &str)],
) -> Answer {
    let begun = Instant::now();
    for _ in 0..MOST_ATTEMPTS {
        let asked = person.send(method.clone(), path, Some(body.clone()), headers);
        match asked.await {
            Ok(answer) if answer.status < 500 => {
                told.writes += 1;
                return answer;
            }
            Ok(answer) => {
                assert!(
                    [502, 503, 504].contains(&answer.status),
                    "no fault is a bug: {answer:?}"
                );
            }
            Err(_lost) => {}
        }
        told.retries += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nobody answers for {:?}", begun.elapsed());
}

async fn read(reader: &Person, path: &str) -> Answer {
    reader.send(Method::GET, path, None, &[]).await.unwrap()
}

/// The titles of every course.
async fn titles(reader: &Person) -> Vec<String> {
    let (mut titles, mut token) = (Vec::new(), String::new());
    loop {
        let page = read(reader, &format!("/courses?page_size=100&page_token={token}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        let found = page["courses"].as_array().unwrap();
        titles.extend(
            found
                .iter()
                .map(|course| course["title"].as_str().unwrap().to_owned()),
        );
        token = page["next_page_token"].as_str().unwrap().to_owned();
        if token.is_empty() {
            return titles;
        }
    }
}
