//! Processes are killed at any moment while people write: nothing is lost, made twice or half done.

use std::time::Duration;

use service_runtime::entropy::Entropy;

use crate::fleet::{Fleet, Ground, Writers, millis, percent};

/// How many people write.
const PEOPLE: usize = 6;

pub async fn run(database: &str, ground: Ground) {
    let kills = super::kills_or(40);
    let mut fleet = Fleet::start(ground, 1).await;
    let writers = Writers::start(&fleet.gateways, PEOPLE).await;
    let entropy = Entropy::default();
    let mut ready = Vec::new();
    for _ in 0..kills {
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
    }
    let found = writers.finish().await;
    println!(
        "{database}: {kills} kills, {}; ready again after {} (median), {} (longest)",
        found.told(),
        millis(percent(50, ready.clone())),
        millis(percent(100, ready)),
    );
    found.is_whole(&fleet);
    assert!(found.writes > kills, "people hardly wrote: {}", found.writes);
}
