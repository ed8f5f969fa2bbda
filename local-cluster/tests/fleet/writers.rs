//! People write while something goes wrong. Whoever was told that something happened finds it again; whoever was
//! told nothing, or of an outage, asks again with the same key, and it happens once.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    Fleet,
    people::{Answer, Person},
    probe::Sample,
};

/// How long somebody asks again before giving up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long they wait before they ask again.
const PAUSE: Duration = Duration::from_millis(50);

/// Some people who write until they are told to stop.
pub struct Writers {
    gateways: Vec<SocketAddr>,
    stop: Arc<AtomicBool>,
    work: JoinSet<Told>,
}

/// What one person was told.
#[derive(Default)]
struct Told {
    /// The titles and slugs of courses that were made, each with the last change that was acknowledged.
    courses: Vec<(String, String, u64)>,
    writes: usize,
    /// Every request that was not served.
    failures: Vec<Sample>,
}

/// What is left of what people wrote, and what they were told meanwhile.
pub struct Found {
    /// How many writes were acknowledged.
    pub writes: usize,
    /// Every request that was not served, the earliest first.
    pub failures: Vec<Sample>,
    /// What was acknowledged and is not there.
    pub lost: Vec<String>,
    /// What was asked for once and is there more than once.
    pub twice: Vec<String>,
    /// Changes of which only a part is there.
    pub half: Vec<String>,
}

impl Writers {
    /// Some staff members, each writing one thing after the other.
    pub async fn start(gateways: &[SocketAddr], people: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut work = JoinSet::new();
        for number in 0..people {
            let person = Person::staff(gateways, 0).await;
            let stop = Arc::clone(&stop);
            work.spawn(async move { writes(person, number, &stop).await });
        }
        Self {
            gateways: gateways.to_owned(),
            stop,
            work,
        }
    }

    /// Lets them finish, and looks for what they wrote.
    pub async fn finish(mut self) -> Found {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Vec::new();
        while let Some(told) = self.work.join_next().await {
            all.push(told.unwrap());
        }
        let reader = Person::staff(&self.gateways, 0).await;
        let mut found = Found {
            writes: all.iter().map(|told| told.writes).sum(),
            failures: all.iter().flat_map(|told| told.failures.clone()).collect(),
            lost: Vec::new(),
            twice: Vec::new(),
            half: Vec::new(),
        };
        found.failures.sort_by_key(|failure| failure.begun);
        let listed = titles(&reader).await;
        for (title, slug, change) in all.iter().flat_map(|told| &told.courses) {
            let answer = read(&reader, &format!("/courses/{slug}")).await;
            let course = answer.json();
            if answer.status != 200 || course["title"] != *title {
                found.lost.push(title.clone());
            }
            let written = course["subtitle"].as_str().unwrap_or_default();
            let written: u64 = written.parse().unwrap_or(0);
            if written < *change {
                found
                    .lost
                    .push(format!("{title}: change {change}, found {written}"));
            }
            // A change writes both; one without the other would be half a write.
            if course["description"] != format!("change {written}") {
                found.half.push(course.to_string());
            }
            if listed.iter().filter(|other| *other == title).count() != 1 {
                found.twice.push(title.clone());
            }
        }
        found
    }
}

impl Found {
    /// That nothing acknowledged is lost, made twice or half done, that no fault was taken for a bug, and that people
    /// wrote at all.
    pub fn is_whole(&self, fleet: &Fleet) {
        let is_away = |failure: &&Sample| match &failure.answer {
            Ok(answer) => answer.is_later(),
            Err(_lost) => true,
        };
        let bug = self.failures.iter().find(|failure| !is_away(failure));
        assert!(bug.is_none(), "{bug:?}{}", fleet.complaints());
        assert!(self.lost.is_empty(), "lost: {:#?}", self.lost);
        assert!(self.twice.is_empty(), "made twice: {:#?}", self.twice);
        assert!(self.half.is_empty(), "half written: {:#?}", self.half);
        assert!(self.writes > 20, "people hardly wrote: {}", self.writes);
    }

    /// What is to be told of it in a row.
    pub fn told(&self) -> String {
        format!(
            "{} acknowledged writes, {} asked again; lost {}, twice {}, half {}",
            self.writes,
            self.failures.len(),
            self.lost.len(),
            self.twice.len(),
            self.half.len(),
        )
    }
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
        let made = told
            .again(&person, Method::POST, "/courses", course, &headers)
            .await;
        assert_eq!(made.status, 201, "{made:?}");
        let slug = made.json()["slug"].as_str().unwrap().to_owned();
        let path = format!("/courses/{slug}");
        let place = told.courses.len();
        told.courses.push((title, slug, 0));
        for change in 1..4_u64 {
            let body = json!({"subtitle": change.to_string(), "description": format!("change {change}")});
            let changed = told.again(&person, Method::PATCH, &path, body, &[]).await;
            assert_eq!(changed.status, 200, "{changed:?}");
            told.courses[place].2 = change;
        }
        // A refresh whose answer was lost is asked again with the same token and goes on with the same session.
        let body = person.refreshing();
        let refreshed = told
            .again(&person, Method::POST, "/auth/refresh", body, &[])
            .await;
        assert_eq!(refreshed.status, 200, "the session is lost: {refreshed:?}");
        person.take(&refreshed);
    }
    told
}

impl Told {
    /// Asks until there is an answer that is none of a service which is away or has too much to do.
    async fn again(
        &mut self,
        person: &Person,
        method: Method,
        path: &str,
        body: Value,
        headers: &[(&str, &str)],
    ) -> Arc<Answer> {
        let first = Instant::now();
        while first.elapsed() < PATIENCE {
            let begun = Instant::now();
            let asked = person.send(method.clone(), path, Some(body.clone()), headers);
            let answer = asked.await.map(Arc::new).map_err(|error| format!("{error:?}"));
            if let Ok(answer) = &answer
                && answer.status < 500
                && !answer.is_later()
            {
                self.writes += 1;
                return Arc::clone(answer);
            }
            let took = begun.elapsed();
            self.failures.push(Sample { begun, took, answer });
            tokio::time::sleep(PAUSE).await;
        }
        panic!("nobody answers for {PATIENCE:?}: {:?}", self.failures.last());
    }
}

/// Reads something; what has too much to do is asked again.
async fn read(reader: &Person, path: &str) -> Answer {
    let first = Instant::now();
    loop {
        let answer = reader.send(Method::GET, path, None, &[]).await.unwrap();
        if !answer.is_later() || first.elapsed() > PATIENCE {
            return answer;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The titles of every course.
async fn titles(reader: &Person) -> Vec<String> {
    let (mut titles, mut token) = (Vec::new(), String::new());
    loop {
        let page = read(reader, &format!("/courses?page_size=100&page_token={token}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        let page: Value = page.json();
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
