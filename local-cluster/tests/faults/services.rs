//! One service is down or frozen: what does not need it goes on, what does is told so soon, and it is found again.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{
    asking::{creates, logins, profiles, reads},
    fleet::{Filter, Fleet, Ground, Probe, millis, people::Person, row},
};

/// How long a recovery may take on a machine that does much else; how long it took is in the row.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a refusal may take on such a machine: less than the gateway waits, which would be a 504.
const SOON: Duration = Duration::from_secs(8);
/// How long a service is down.
const DOWN: Duration = Duration::from_secs(4);
/// How long one is frozen: longer than any deadline, and than it takes to notice that a connection is dead.
const FROZEN: Duration = Duration::from_secs(17);

pub async fn run(filter: &Filter) {
    // They mostly wait.
    tokio::join!(auth(filter), course(filter));
}

async fn auth(filter: &Filter) {
    if filter.wants("auth_service_down") {
        auth_is_down().await;
    }
    if filter.wants("auth_service_frozen") {
        auth_is_frozen().await;
    }
}

async fn course(filter: &Filter) {
    if filter.wants("course_service_down") {
        course_is_down().await;
    }
    if filter.wants("course_service_frozen") {
        course_is_frozen().await;
    }
}

/// Those who need auth-service, and those who do not.
struct People {
    fleet: Fleet,
    reads: Probe,
    writes: Probe,
    profiles: Probe,
    logins: Probe,
}

impl People {
    async fn come() -> Self {
        let fleet = Fleet::start(Ground::sqlite(), 1).await;
        let staff = Person::staff(&fleet.gateways, 0).await;
        let people = Self {
            reads: reads(&fleet.gateways),
            writes: creates(&staff, Duration::from_millis(50)),
            profiles: profiles(&staff),
            logins: logins(&fleet.gateways),
            fleet,
        };
        people.writes.served_again(Instant::now(), PATIENCE).await;
        people
    }

    /// Waits until all of them are served again; says how long the last one took.
    async fn are_served(&self, from: Instant) -> Duration {
        let mut longest = Duration::ZERO;
        for probe in [&self.reads, &self.writes, &self.profiles, &self.logins] {
            longest = longest.max(probe.served_again(from, PATIENCE).await);
        }
        longest
    }
}

async fn auth_is_down() {
    let mut people = People::come().await;
    let from = Instant::now();
    people.fleet.part("auth-service").kill();
    sleep(DOWN).await;
    let to = Instant::now();
    people.fleet.part("auth-service").start();
    let ready = people.fleet.part("auth-service").becomes_ready().await;
    let again = people.are_served(to).await;
    let (read, written) = (
        people.reads.between(from, to).await,
        people.writes.between(from, to).await,
    );
    let (profile, login) = (
        people.profiles.between(from, to).await,
        people.logins.between(from, to).await,
    );
    people.fleet.is_whole();
    row(
        "auth-service down for 4 s",
        "strangers read courses as ever; what needs it 503 in about 1 s; recovery within 1 s",
        &format!(
            "reads: {read}; writes: {written}; profiles: {profile}; logins: {login}; started in {}, all served {} \
             after its start",
            millis(ready),
            millis(again)
        ),
    );
    read.is_served_as_ever();
    for seen in [written, profile, login] {
        seen.is_served_or_refused_within(SOON);
        assert!(seen.refused > 0, "{seen:?}");
    }
}

async fn auth_is_frozen() {
    let mut people = People::come().await;
    let memory =
        |fleet: &mut Fleet| ["gateway", "course-service"].map(|part| fleet.part(part).memory().round());
    let before = memory(&mut people.fleet);
    people.fleet.part("auth-service").freeze();
    let from = Instant::now();
    sleep(FROZEN).await;
    let to = Instant::now();
    let after = memory(&mut people.fleet);
    people.fleet.part("auth-service").thaw();
    let again = people.are_served(to).await;
    let (read, written) = (
        people.reads.between(from, to).await,
        people.writes.between(from, to).await,
    );
    let (profile, login) = (
        people.profiles.between(from, to).await,
        people.logins.between(from, to).await,
    );
    people.fleet.is_whole();
    row(
        "auth-service frozen (SIGSTOP) for 17 s under 32 requests/s that need it",
        "strangers read courses as ever; course-service waits 2 s for it, the gateway 10 s (504); recovery within 1 s \
         without a restart; no memory piles up",
        &format!(
            "reads: {read}; writes: {written}; profiles: {profile}; logins: {login}; all served {} after; memory of \
             gateway and course-service {before:?} MiB, then {after:?}",
            millis(again)
        ),
    );
    read.is_served_as_ever();
    written.is_served_or_refused_within(SOON);
    assert!(written.refused > 0, "{written:?}");
    for seen in [profile, login] {
        let late = |status| status == 504 || status == 503;
        for other in &seen.others {
            let answer = other.answer.as_ref().unwrap();
            assert!(late(answer.status) && answer.is_problem(), "{answer:?}");
        }
        assert!(seen.longest < Duration::from_secs(14), "{seen:?}");
    }
}

async fn course_is_down() {
    let mut people = People::come().await;
    let from = Instant::now();
    people.fleet.part("course-service").kill();
    sleep(DOWN).await;
    let to = Instant::now();
    people.fleet.part("course-service").start();
    people.fleet.part("course-service").becomes_ready().await;
    let again = people.are_served(to).await;
    let (read, written) = (
        people.reads.between(from, to).await,
        people.writes.between(from, to).await,
    );
    let (profile, login) = (
        people.profiles.between(from, to).await,
        people.logins.between(from, to).await,
    );
    people.fleet.is_whole();
    row(
        "course-service down for 4 s",
        "accounts and sessions as ever; courses 503 in about 1 s; recovery within 1 s",
        &format!(
            "reads: {read}; writes: {written}; profiles: {profile}; logins: {login}; all served {} after its start",
            millis(again)
        ),
    );
    for seen in [read, written] {
        seen.is_served_or_refused_within(SOON);
        assert!(seen.refused > 0, "{seen:?}");
    }
    profile.is_served_as_ever();
    login.is_served_as_ever();
}

async fn course_is_frozen() {
    let mut people = People::come().await;
    people.fleet.part("course-service").freeze();
    let from = Instant::now();
    sleep(DOWN).await;
    let to = Instant::now();
    people.fleet.part("course-service").thaw();
    let again = people.are_served(to).await;
    let (read, written) = (
        people.reads.between(from, to).await,
        people.writes.between(from, to).await,
    );
    let (profile, login) = (
        people.profiles.between(from, to).await,
        people.logins.between(from, to).await,
    );
    people.fleet.is_whole();
    row(
        "course-service frozen (SIGSTOP) for 4 s",
        "accounts and sessions as ever; courses wait and are served late; nothing is asked twice",
        &format!(
            "reads: {read}; writes: {written}; profiles: {profile}; logins: {login}; all served {} after",
            millis(again)
        ),
    );
    for seen in [read, written, profile, login] {
        seen.is_served_as_ever();
    }
}
