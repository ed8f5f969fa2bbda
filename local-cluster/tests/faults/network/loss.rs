//! A part of all packets is lost, wherever they go.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::own::packets;
use crate::{
    asking::{PATIENCE, gets},
    fleet::{Fleet, Ground, Sample, Summary, Writers, millis, people::Person, row},
};

/// How long it goes on.
const LASTS: Duration = Duration::from_secs(6);
/// How many write meanwhile.
const WRITERS: usize = 4;
/// How often somebody reads.
const OFTEN: Duration = Duration::from_millis(20);

/// What a part of packets that are lost may do.
pub struct Loss {
    pub percent: u32,
    /// How many of a thousand requests must be served all the same.
    pub served: usize,
    pub expected: &'static str,
}

/// A bad line.
pub const LITTLE: Loss = Loss {
    percent: 1,
    served: 999,
    expected: "999 of 1000 requests are served; nothing acknowledged is lost or happens twice; no forged token is \
               believed",
};
/// One that people complain about.
pub const MUCH: Loss = Loss {
    percent: 10,
    served: 990,
    expected: "requests are late, a few are refused; the same",
};
/// One that is hardly there.
pub const MOST: Loss = Loss {
    percent: 30,
    served: 0,
    expected: "requests are late or refused; the same",
};

pub async fn run(loss: Loss) {
    let mut fleet = Fleet::start(Ground::sqlite(), 1).await;
    let stranger = Person::stranger(&fleet.gateways, 0);
    let staff = Person::staff(&fleet.gateways, 0).await;
    let mut forged = staff.access.clone();
    forged.replace_range(forged.len() - 8.., "AAAAAAAA");
    let (reads, profiles, forgeries) = (
        gets(&stranger, "/courses?page_size=5", OFTEN),
        gets(&staff, "/me", Duration::from_millis(50)),
        gets(&staff.with_access(&forged), "/me", Duration::from_millis(50)),
    );
    let writers = Writers::start(&fleet.gateways, WRITERS).await;
    reads.served_again(Instant::now(), PATIENCE).await;

    let addresses = fleet.replicas.iter().map(|replica| replica.address);
    let rules: Vec<String> = addresses
        .flat_map(|address| lossy(address, loss.percent))
        .collect();
    packets(&rules);
    let from = Instant::now();
    sleep(LASTS).await;
    let to = Instant::now();
    packets(&[]);
    // Whose packets were lost again and again waits until TCP sends once more; whoever comes now does not.
    let newcomer = Person::stranger(&fleet.gateways, 0);
    let newcomer = gets(&newcomer, "/courses?page_size=5", OFTEN);
    let again = newcomer.served_again(to, PATIENCE).await;
    let (read, profile) = (reads.between(from, to).await, profiles.between(from, to).await);
    let forgery = forgeries.between(from, to).await;
    let is_told = |sample: &&Sample| sample.answer.as_ref().is_ok_and(|answer| answer.status == 401);
    let told = forgery.others.iter().filter(is_told).count();
    sleep(Duration::from_secs(1)).await;
    let found = writers.finish().await;
    fleet.is_whole();
    let failed = found.failures.iter().filter(|failure| failure.begun < to);
    let write = Summary::of(&failed.cloned().collect::<Vec<_>>());
    row(
        &format!("{} % of all packets are lost for 6 s", loss.percent),
        loss.expected,
        &format!(
            "reads: {read}, p99 {}; profiles: {profile}; of {} with a forged token {told} were told 401 and {} served; \
             {}; a newcomer served {} after",
            millis(read.p99),
            forgery.count(),
            forgery.served,
            found.told(),
            millis(again),
        ),
    );
    found.is_whole(&fleet);
    assert!(
        forgery.served == 0 && told > 0,
        "a forged token was believed: {forgery:?}"
    );
    let all = read.count() + profile.count() + found.writes + write.count();
    let served = read.served + profile.served + found.writes;
    assert!(
        served * 1000 >= all * loss.served,
        "{served} of {all}: {read:?} {profile:?}"
    );
    for other in read.others.iter().chain(&profile.others) {
        // Where nothing is promised, people may give up waiting themselves.
        assert!(
            other
                .answer
                .as_ref()
                .map_or(loss.served == 0, |answer| answer.is_later()),
            "{other:?}"
        );
    }
}

/// The rules by which packets to a place and from it are lost.
fn lossy(place: SocketAddr, percent: u32) -> [String; 2] {
    let port = place.port();
    ["dport", "sport"].map(|end| format!("tcp {end} {port} numgen random mod 100 < {percent} drop"))
}
