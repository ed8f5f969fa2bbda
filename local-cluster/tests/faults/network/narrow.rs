//! Little passes through the network: a megabit a second for everything between the parts and to those who use them.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::time::sleep;

use super::own::rate;
use crate::{
    asking::{PATIENCE, gets},
    fleet::{Fleet, Ground, millis, people::Person, row},
};

/// How long it goes on.
const LASTS: Duration = Duration::from_secs(10);
/// The longest description that a course can have, in characters: 120 kB, which take a second each time that they
/// pass.
const DESCRIPTION: usize = 30_000;
/// How often it is asked for: in ten seconds that is 24 MB, of which one can pass.
const BIG: Duration = Duration::from_millis(50);
/// How much more memory a process may hold then, in MiB.
const MORE: f64 = 32.0;
/// How long a request may take, on a busy machine: what the gateway waits for an answer, and what its client then
/// waits for that.
const LONGEST: Duration = Duration::from_secs(15);

pub async fn run() {
    let mut fleet = Fleet::start(Ground::sqlite(), 1).await;
    let staff = Person::staff(&fleet.gateways, 0).await;
    let description = "📚".repeat(DESCRIPTION);
    let course = json!({"title": "Big", "description": description, "price": "1.50"});
    let made = staff.send(Method::POST, "/courses", Some(course), &[]).await;
    assert_eq!(made.unwrap().status, 201);
    let profiles = gets(&staff, "/me", Duration::from_millis(250));
    profiles.served_again(Instant::now(), PATIENCE).await;
    // A client, and so a connection, of their own.
    let reader = Person::staff(&fleet.gateways, 0).await;
    let before = memory(&mut fleet);
    rate(Some("1mbit"));
    let from = Instant::now();
    let courses = gets(&reader, "/courses/big", BIG);
    sleep(LASTS).await;
    let most = memory(&mut fleet);
    let to = Instant::now();
    rate(None);
    let again = profiles.served_again(to, PATIENCE).await;
    let courses_again = courses.served_again(to, PATIENCE).await;
    let (profile, course) = (profiles.between(from, to).await, courses.between(from, to).await);
    fleet.is_whole();
    row(
        "1 Mbit/s for everything (`tc tbf`), for 10 s, while a course of 120 kB is asked for 20 times a second",
        "nothing piles up in memory; what is small is served, late; what is big is late or refused; recovery once \
         what was asked for meanwhile has passed",
        &format!(
            "profiles: {profile}, half of them within {}; such courses: {course}; memory {before:.0?} MiB, then {most:.0?}; \
             profiles served again {} after, courses {} after",
            millis(profile.median),
            millis(again),
            millis(courses_again),
        ),
    );
    assert!(profile.served * 2 > profile.count(), "{profile:?}");
    assert!(
        course.served < course.count(),
        "there was room for all: {course:?}"
    );
    for (before, most) in before.iter().zip(most) {
        assert!(most < before + MORE, "{before} MiB, then {most}");
    }
    assert!(
        profile.longest.max(course.longest) < LONGEST,
        "{profile:?} {course:?}"
    );
    for other in profile.others.iter().chain(&course.others) {
        let answer = other.answer.as_ref().unwrap();
        assert!(answer.status == 504 && answer.is_problem(), "{answer:?}");
    }
}

/// How much memory the three processes hold.
fn memory(fleet: &mut Fleet) -> [f64; 3] {
    ["gateway", "course-service", "auth-service"].map(|part| fleet.part(part).memory())
}
