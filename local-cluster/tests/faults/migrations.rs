//! A new version of the tables comes while the old version of the service is at work, which may come back as well.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection};
use tokio::time::sleep;

use crate::{
    asking::{creates, reads},
    fleet::{Filter, Fleet, Ground, Replica, Writers, millis, people::Person, row},
};

/// How long something may take that other processes do.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many start at once.
const AT_ONCE: u8 = 5;
/// What a next version adds.
const NEXT: (&str, &str) = (
    "9001_next.sql",
    "ALTER TABLE courses ADD COLUMN language TEXT;
     CREATE INDEX courses_language ON courses (language);
     CREATE TABLE applied (version BIGINT NOT NULL);
     INSERT INTO applied VALUES (9001);",
);
/// What the one after that adds, slowly; locks that others want come last.
const AFTER_NEXT: (&str, &str) = (
    "9002_after_next.sql",
    "INSERT INTO applied VALUES (9002);
     CREATE TABLE levels (name TEXT NOT NULL);
     SELECT pg_sleep(2);
     ALTER TABLE courses ADD COLUMN level TEXT;",
);

pub async fn run(filter: &Filter) {
    if filter.wants("migrations_under_load")
        && let Some(ground) = Ground::postgres().await
    {
        under_load(ground).await;
    }
}

/// What is at work while the tables change.
struct Work {
    fleet: Fleet,
    database: PgConnection,
}

async fn under_load(ground: Ground) {
    let database = PgConnection::connect(ground.database_url().unwrap())
        .await
        .unwrap();
    let fleet = Fleet::start(ground, 2).await;
    let mut work = Work { fleet, database };
    let staff = Person::staff(&work.fleet.gateways, 0).await;
    let writers = Writers::start(&work.fleet.gateways, 3).await;
    let (reads, writes) = (
        reads(&work.fleet.gateways),
        creates(&staff, Duration::from_millis(100)),
    );
    let folder = tempfile::tempdir().unwrap();
    copy_migrations(folder.path());
    sleep(Duration::from_millis(500)).await;
    let from = Instant::now();

    fs::write(folder.path().join(NEXT.0), NEXT.1).unwrap();
    let ready = work.many_start(folder.path()).await;
    let applied = work.applied(9001).await;
    work.changes_hands(Some(folder.path())).await;
    work.changes_hands(None).await;

    let to = Instant::now();
    let (read, written) = (reads.between(from, to).await, writes.between(from, to).await);
    drop((reads, writes));
    let found = writers.finish().await;
    work.fleet.is_whole();
    row(
        "five processes of a next version start at once under load and migrate; then both replicas of course-service \
         are of that version, then of the former one again",
        "it is applied once; no request fails; the former version starts and serves on the new tables",
        &format!(
            "all five ready after {}, applied {applied} time; reads: {read}; writes: {written}; {}",
            millis(ready),
            found.told()
        ),
    );
    assert_eq!(applied, 1);
    found.is_whole(&work.fleet);
    assert!(
        found.failures.is_empty(),
        "{:?}{}",
        found.failures,
        work.fleet.complaints()
    );
    for seen in [read, written] {
        seen.is_served_as_ever();
    }

    work.crashes(folder.path()).await;
}

impl Work {
    /// Some processes of the next version start at the same moment and go away again; says how long the last one
    /// took to be ready.
    async fn many_start(&mut self, migrations: &Path) -> Duration {
        let begun = Instant::now();
        let mut many: Vec<Replica> = (0..AT_ONCE)
            .map(|number| self.next_version(10 + number, migrations))
            .collect();
        for next in &mut many {
            next.start();
        }
        for next in &mut many {
            next.becomes_ready().await;
        }
        begun.elapsed()
    }

    /// Both replicas of course-service are replaced, one after the other.
    async fn changes_hands(&mut self, migrations: Option<&Path>) {
        let courses = self.fleet.replicas.iter_mut();
        for replica in courses.filter(|replica| replica.part == "course-service") {
            assert!(replica.stop().await.success());
            replica.migrations = migrations.map(Into::into);
            replica.start();
            replica.becomes_ready().await;
            // Time for the others to find it before the next one goes: what an orchestrator's probes give.
            sleep(Duration::from_millis(300)).await;
        }
    }

    /// A process is killed in the middle of a migration, and started again.
    async fn crashes(&mut self, migrations: &Path) {
        let staff = Person::staff(&self.fleet.gateways, 0).await;
        let reads = reads(&self.fleet.gateways);
        fs::write(migrations.join(AFTER_NEXT.0), AFTER_NEXT.1).unwrap();
        let mut next = self.next_version(20, migrations);
        let from = Instant::now();
        next.start();
        while !self.migrates().await {
            assert!(from.elapsed() < PATIENCE, "it does not migrate: {}", next.log());
            sleep(Duration::from_millis(10)).await;
        }
        next.kill();
        let after_the_crash = self.applied(9002).await;
        next.start();
        let ready = next.becomes_ready().await;
        let applied = self.applied(9002).await;
        let whole = sqlx::query("SELECT level, name FROM course.courses, course.levels");
        whole.execute(&mut self.database).await.unwrap();
        let writes = creates(&staff, Duration::from_millis(100));
        writes.served_again(Instant::now(), PATIENCE).await;
        let read = reads.between(from, Instant::now()).await;
        self.fleet.is_whole();
        row(
            "a process is killed in the middle of a migration, and started again",
            "nothing of it is applied, then all of it, once; reads are served as ever",
            &format!(
                "applied {after_the_crash} times, then {applied} time; ready {} after its second start; reads: {read}",
                millis(ready)
            ),
        );
        assert_eq!((after_the_crash, applied), (0, 1));
        read.is_served_as_ever();
    }

    /// A process of course-service that has these migrations, beside those that serve.
    fn next_version(&mut self, last: u8, migrations: &Path) -> Replica {
        let mut next = self.fleet.part("course-service").twin(last);
        next.migrations = Some(migrations.to_owned());
        next
    }

    /// How often a migration has been applied: by what it wrote, and by what is noted of it.
    async fn applied(&mut self, version: i64) -> i64 {
        const WRITTEN: &str = "SELECT count(*) FROM course.applied WHERE version = $1";
        const NOTED: &str = "SELECT count(*) FROM course._sqlx_migrations WHERE version = $1 AND success";
        let mut counts = Vec::new();
        for count in [WRITTEN, NOTED] {
            let count = sqlx::query_scalar::<_, i64>(count).bind(version);
            counts.push(count.fetch_one(&mut self.database).await.unwrap());
        }
        assert_eq!(counts[0], counts[1], "written and noted");
        counts[0]
    }

    /// Whether a process is in the middle of the slow migration.
    async fn migrates(&mut self) -> bool {
        const SLEEPS: &str = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity \
                              WHERE datname = current_database() AND wait_event = 'PgSleep')";
        sqlx::query_scalar(SLEEPS)
            .fetch_one(&mut self.database)
            .await
            .unwrap()
    }
}

/// The migrations of course-service as they are.
fn copy_migrations(to: &Path) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../course-service/migrations");
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
