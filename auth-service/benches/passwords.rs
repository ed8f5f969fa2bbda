//! Hashes per second of the password pool against the bare function on as many plain threads. The two take turns
//! within one run, so that whatever else the machine does touches both alike.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints what it measured"
)]

use std::{
    thread,
    time::{Duration, Instant},
};

use auth_service::{
    domain::{
        password_hash::{Cost, Hasher},
        password_pool::PasswordPool,
    },
    model::password::{NewPassword, PasswordPolicy},
};
use service_runtime::entropy::Entropy;

const PASSWORD: &str = "zebra kettle umbrella";
const SALT: [u8; 16] = [7; 16];
/// How often each one takes its turn.
const ROUNDS: usize = 12;
/// How many hashes each thread makes in one turn.
const PER_THREAD: usize = 24;

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let rounds = if std::env::args().any(|argument| argument == "--bench") {
        ROUNDS
    } else {
        1
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let pool = PasswordPool::start(threads, Cost::default(), Entropy::default()).unwrap();
    let mut hashers: Vec<_> = (0..threads)
        .map(|_| Hasher::new(Cost::default()).unwrap())
        .collect();

    let (mut pooled, mut bare) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // Nobody is always the first one.
        for turn in 0..2 {
            match (round + turn) % 2 {
                0 => pooled.push(time(|| runtime.block_on(by_pool(&pool, threads * PER_THREAD)))),
                _ => bare.push(time(|| by_threads(&mut hashers))),
            }
        }
    }
    let hashes = (threads * PER_THREAD) as f64;
    let rate = |times: &mut Vec<Duration>| {
        times.sort();
        hashes / times[times.len() / 2].as_secs_f64()
    };
    let (pooled, bare) = (rate(&mut pooled), rate(&mut bare));
    println!("Argon2id, 19 MiB, 2 passes, 1 lane; {threads} threads; median of {rounds} rounds");
    println!("pool:   {pooled:7.1} hashes/s");
    println!(
        "argon2: {bare:7.1} hashes/s    pool / argon2  = {:.3} (aim: 0.95)",
        pooled / bare
    );
}

fn time(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn password() -> NewPassword {
    let policy = PasswordPolicy {
        min_length: 8,
        strong: false,
    };
    policy.check(PASSWORD, &[]).unwrap()
}

async fn by_pool(pool: &PasswordPool, hashes: usize) {
    let deadline = Instant::now() + Duration::from_secs(600);
    let hashing = (0..hashes).map(|_| pool.hash(password(), deadline));
    for hashed in futures::future::join_all(hashing).await {
        hashed.unwrap();
    }
}

fn by_threads(hashers: &mut [Hasher]) {
    thread::scope(|scope| {
        for hasher in hashers {
            scope.spawn(|| {
                for _ in 0..PER_THREAD {
                    hasher.hash(PASSWORD, SALT).unwrap();
                }
            });
        }
    });
}
