//! One service is down or frozen: what does not need it goes on, what does is told so soon, and it is found again.

use std::{
    fmt,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{
    asking::{People, Seen},
    fleet::{Filter, Fleet, millis, row},
};

/// How long a refusal may take on a machine that does much else: less than the gateway waits, which would be a 504.
const SOON: Duration = Duration::from_secs(8);
/// How long a service is down.
const DOWN: Duration = Duration::from_secs(4);
/// How long one is frozen: longer than any deadline behind the gateway.
const FROZEN: Duration = Duration::from_secs(11);
/// When it is known to be frozen; a machine that does much else takes longer than the three seconds it should.
const FOUND_OUT: Duration = Duration::from_secs(5);
/// How long a refusal may then take on such a machine; a deadline would be longer.
const AT_ONCE: Duration = Duration::from_secs(4);

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

async fn auth_is_down() {
    let mut people = People::come().await;
    let from = Instant::now();
    people.fleet.part("auth-service").kill();
    sleep(DOWN).await;
    let to = Instant::now();
    people.fleet.part("auth-service").start();
    let ready = people.fleet.part("auth-service").becomes_ready().await;
    let again = people.are_served(to).await;
    let seen = people.between(from, to).await;
    people.fleet.is_whole();
    row(
        "auth-service down for 4 s",
        "strangers read courses as ever; what needs it 503 in about 1 s; recovery within 1 s",
        &format!(
            "{seen}; started in {}, all served {} after its start",
            millis(ready),
            millis(again)
        ),
    );
    seen.reads.is_served_as_ever();
    for seen in [seen.writes, seen.profiles, seen.logins] {
        seen.is_served_or_refused_within(SOON);
        assert!(seen.refused > 0, "{seen:?}");
    }
}

async fn auth_is_frozen() {
    let mut people = People::come().await;
    let frozen = Frozen::watch(&mut people, "auth-service").await;
    row(
        "auth-service frozen (SIGSTOP) for 11 s under 32 requests/s that need it",
        "strangers read courses as ever; what needs it waits for 3 s at most, later 503 in about 1 s; recovery within \
         1 s; neither memory nor connections pile up",
        &frozen.to_string(),
    );
    frozen.seen.reads.is_served_as_ever();
    for seen in frozen.seen.all() {
        seen.is_served_or_refused_within(SOON);
    }
    for later in [frozen.later.writes, frozen.later.profiles, frozen.later.logins] {
        later.is_refused_within(AT_ONCE);
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
    let seen = people.between(from, to).await;
    people.fleet.is_whole();
    row(
        "course-service down for 4 s",
        "accounts and sessions as ever; courses 503 in about 1 s; recovery within 1 s",
        &format!("{seen}; all served {} after its start", millis(again)),
    );
    for seen in [seen.reads, seen.writes] {
        seen.is_served_or_refused_within(SOON);
        assert!(seen.refused > 0, "{seen:?}");
    }
    seen.profiles.is_served_as_ever();
    seen.logins.is_served_as_ever();
}

async fn course_is_frozen() {
    let mut people = People::come().await;
    let frozen = Frozen::watch(&mut people, "course-service").await;
    row(
        "course-service frozen (SIGSTOP) for 11 s under 40 requests/s that need it",
        "accounts and sessions as ever; courses wait for 3 s at most, later 503 in about 1 s; recovery within 1 s; \
         neither memory nor connections pile up",
        &frozen.to_string(),
    );
    frozen.seen.profiles.is_served_as_ever();
    frozen.seen.logins.is_served_as_ever();
    for seen in frozen.seen.all() {
        seen.is_served_or_refused_within(SOON);
    }
    for later in [frozen.later.reads, frozen.later.writes] {
        later.is_refused_within(AT_ONCE);
    }
}

/// What was seen while a part was frozen.
struct Frozen {
    seen: Seen,
    /// What was asked when it was known.
    later: Seen,
    again: Duration,
    /// Memory in MiB and open files of the gateway, before and at the end.
    gateway: [(f64, usize); 2],
}

impl Frozen {
    /// Freezes a part and lets it go on.
    async fn watch(people: &mut People, part: &str) -> Self {
        let gateway = |fleet: &mut Fleet| {
            let gateway = fleet.part("gateway");
            (gateway.memory().round(), gateway.open_files())
        };
        let before = gateway(&mut people.fleet);
        people.fleet.part(part).freeze();
        let from = Instant::now();
        sleep(FROZEN).await;
        let to = Instant::now();
        let after = gateway(&mut people.fleet);
        people.fleet.part(part).thaw();
        let again = people.are_served(to).await;
        // Who asked at the end may have been waited for when it went on.
        let late = to - AT_ONCE / 2;
        let frozen = Self {
            seen: people.between(from, to).await,
            later: people.between(from + FOUND_OUT, late).await,
            again,
            gateway: [before, after],
        };
        people.fleet.is_whole();
        assert!(after.0 < before.0 + 32.0, "{:?}", frozen.gateway);
        assert!(after.1 < before.1 + 32, "{:?}", frozen.gateway);
        frozen
    }
}

impl fmt::Display for Frozen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seen, later, .. } = self;
        let [(memory, files), (memory_after, files_after)] = self.gateway;
        write!(
            formatter,
            "{seen}; of these after 5 s {later}; all served {} after; gateway {memory} MiB and {files} files, then \
             {memory_after} MiB and {files_after}",
            millis(self.again)
        )
    }
}
