//! Backup and restore, by the very commands that `docs/OPERATIONS.md` tells operators: taken while people write,
//! brought back into an empty place.

use std::{
    env,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use serde_json::Value;
use service_runtime::{clock::Clock, settings::Values};
use test_support::{left_out, postgres, smtp::SmtpServer};

use crate::{
    course::{created, published},
    support::{Caller, Ground, PASSWORD, World},
};

const OPERATIONS: &str = include_str!("../../../docs/OPERATIONS.md");
/// How many courses there are when the backup is taken.
const COURSES: usize = 30;

/// What is kept apart from the backup and stays the same.
fn kept(values: Values) -> Values {
    values
        .with("BASE_URL", "http://edu.test")
        .with("SECRET_KEY", "a-secret-key-of-the-tests-0123456789")
        .with("SERVICE_TOKEN", "a-service-token-of-the-tests-0123456789")
}

/// The commands of operators that begin with a word: the one block of them in the document.
fn told(first_word: &str) -> &'static str {
    let (_, section) = OPERATIONS.split_once("\n## Backup and restore\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let blocks = section.split("```sh\n").skip(1);
    let mut blocks = blocks.map(|rest| rest.split_once("```").unwrap().0);
    blocks.find(|block| block.starts_with(first_word)).unwrap()
}

/// Does as an operator is told, in the folder with the backups.
fn run(commands: &'static str, ground: &Ground, backups: &Path) {
    let mut path = env::var_os("PATH").unwrap_or_default();
    if let Some(programs) = postgres::programs() {
        path = env::join_paths(std::iter::once(programs).chain(env::split_paths(&path))).unwrap();
    }
    let output = Command::new("sh")
        .args(["-euc", commands])
        .current_dir(backups)
        .env("PATH", path)
        .env("DATA_DIR", ground.folder())
        .env("DATABASE_URL", ground.postgres_url().unwrap_or_default())
        .output()
        .unwrap();
    assert!(output.status.success(), "{commands}{output:?}");
}

/// `auth-service sessions end --all`, by the code that the binary runs.
async fn end_sessions(world: &World) {
    use auth_service::commands::sessions;
    let told = told("auth-service ").trim().strip_prefix("auth-service ");
    let matches = sessions::command().get_matches_from(told.unwrap().split(' '));
    let config = auth_service::Config::from_values(&world.settings(kept)).unwrap();
    sessions::run(&config, &matches).await.unwrap();
}

/// Every course as everybody sees it, and every user as staff does.
async fn everything(staff: &Caller) -> Vec<Value> {
    let mut all = Vec::new();
    for (list, items) in [
        ("/api/v1/courses?order_by=created_at", "courses"),
        ("/api/v1/users?", "users"),
    ] {
        let mut token = String::new();
        loop {
            let page = staff
                .get(&format!("{list}&page_size=100&page_token={token}"))
                .await
                .is(200)
                .json();
            all.extend_from_slice(page[items].as_array().unwrap());
            token = page["next_page_token"].as_str().unwrap().to_owned();
            if token.is_empty() {
                break;
            }
        }
    }
    all
}

#[allow(clippy::print_stdout, reason = "the figures are worth knowing")]
async fn a_backup_brings_back(old: Ground, new: Ground, backup: &'static str, restore: &'static str) {
    let backups = tempfile::tempdir().unwrap();
    // The command of the operator knows no other clock.
    let started = World::start(old, SmtpServer::start().await, Clock::system(), kept);
    let world = started.await.expect("it starts");
    let (staff, ada) = (world.staff().await, world.user("ada").await);
    let stolen = ada.login("ada@example.org", PASSWORD).await;
    for number in 0..COURSES {
        created(&staff, &format!("Course {number}")).await;
    }
    published(&staff, "Rust").await;
    let before = everything(&staff).await;

    // The service writes while the backup is taken.
    let (stop, late) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (stopped, written, writer) = (Arc::clone(&stop), Arc::clone(&late), staff.clone());
    let writing = tokio::spawn(async move {
        while !stopped.load(Ordering::SeqCst) {
            let number = written.load(Ordering::SeqCst);
            created(&writer, &format!("Late {number}")).await;
            written.fetch_add(1, Ordering::SeqCst);
        }
    });
    while late.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    tokio::task::block_in_place(|| run(backup, &world.ground, backups.path()));
    let backed_up = begun.elapsed();
    stop.store(true, Ordering::SeqCst);
    writing.await.unwrap();
    let after = everything(&staff).await;

    // What the backup does not know: this session is over.
    stolen
        .post("/api/v1/auth/logout-all", serde_json::json!({}))
        .await
        .is(204);
    let keys = world
        .anonymous()
        .get("/.well-known/jwks.json")
        .await
        .is(200)
        .json();
    let World {
        cluster, smtp, clock, ..
    } = world;
    assert!(cluster.stop().await, "everything ends well");

    let begun = Instant::now();
    run(restore, &new, backups.path());
    let restored = begun.elapsed();
    let world = World::start(new, smtp, clock, kept)
        .await
        .expect("it starts on what was restored");
    println!("{late:?} courses made meanwhile; backed up in {backed_up:?}, restored in {restored:?}");
    assert!(world.cluster.as_local().new_staff.is_none(), "accounts are there");
    let found = world
        .anonymous()
        .get("/.well-known/jwks.json")
        .await
        .is(200)
        .json();
    assert_eq!(found, keys);

    // As the document says: what was over is open again, until every session is ended.
    let (ada, stolen) = (ada.at(&world.url()), stolen.at(&world.url()));
    assert!(stolen.is_known().await, "or the step is not needed");
    end_sessions(&world).await;
    for session in [&ada, &stolen] {
        assert!(!session.is_known().await);
        session.try_refresh().await.is(401);
    }

    // Row for row: everything of before the backup, and of what came meanwhile whatever got into it, whole.
    world.anonymous().login("ada@example.org", PASSWORD).await;
    let everything = everything(&world.staff().await).await;
    let is_whole = |row: &Value| {
        let known = before.iter().chain(&after).any(|known| same(known, row));
        assert!(known, "{row}");
    };
    everything.iter().for_each(is_whole);
    for row in &before {
        assert!(everything.iter().any(|found| same(found, row)), "missing: {row}");
    }
    created(&world.staff().await, "The first one after").await;
}

/// Whether two rows are the same but for what logging in changes.
fn same(one: &Value, other: &Value) -> bool {
    let without = |row: &Value| {
        let mut row = row.clone();
        if row.get("last_login").is_some() {
            row["last_login"].take();
            row["etag"].take();
        }
        row
    };
    without(one) == without(other)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_sqlite_brings_everything_back() {
    const TESTS: &str = "tests of SQLite backups";
    if Command::new("sqlite3").arg("--version").output().is_err() {
        let install = "install it (on Debian: apt-get install sqlite3)";
        return left_out::leave_out(TESTS, "there is no sqlite3", install);
    }
    left_out::is_here(TESTS);
    let (old, new) = (Ground::sqlite(), Ground::sqlite());
    a_backup_brings_back(old, new, told("sqlite3 "), told("cp ")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_postgresql_brings_everything_back() {
    let (Some(old), Some(new)) = (Ground::postgres().await, Ground::postgres().await) else {
        return;
    };
    a_backup_brings_back(old, new, told("pg_dump "), told("pg_restore ")).await;
}
