//! The network between the gateway and auth-service is cut, in one direction or in both. Nobody is told: packets are
//! just not there.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::own::{Lost, packets};
use crate::{
    asking::People,
    fleet::{Fleet, Ground, millis, row},
};

/// Where only the gateway knows auth-service.
const APART: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
/// By when it must have been noticed that a connection is dead.
const NOTICED: Duration = Duration::from_secs(10);
/// How long the cut then lasts.
const LASTS: Duration = Duration::from_secs(3);
/// How long a refusal may take once it is known, on a busy machine.
const SOON: Duration = Duration::from_secs(8);
/// How long one may take before: what the gateway waits, on such a machine.
const LATE: Duration = Duration::from_secs(14);

pub async fn run(lost: Lost) {
    let mut fleet = Fleet::start(Ground::sqlite(), 1).await;
    let apart = at_another_address(&mut fleet).await;
    let mut people = People::to(fleet).await;
    packets(&lost.at(apart));
    let from = Instant::now();
    let noticed = people.profiles.refused(from, NOTICED).await;
    let known = Instant::now();
    sleep(LASTS).await;
    let to = Instant::now();
    packets(&[]);
    let again = people.are_served(to).await;
    let (before, after) = (people.between(from, known).await, people.between(known, to).await);
    people.fleet.is_whole();
    row(
        &format!(
            "the network between gateway and auth-service is cut: {}",
            lost.told()
        ),
        "what is asked waits until the dead connection is noticed, in about 3 s, then 503 in about 1 s; all that goes \
         other ways is served as ever; recovery within 1 s",
        &format!(
            "noticed after {}; until then {before}; then {after}; all served {} after",
            millis(noticed),
            millis(again)
        ),
    );
    for seen in [&before.reads, &before.writes, &after.reads, &after.writes] {
        seen.is_served_as_ever();
    }
    for seen in [&before.profiles, &before.logins] {
        assert!(seen.longest < LATE, "{seen:?}");
        for other in &seen.others {
            let answer = other.answer.as_ref().unwrap();
            assert!(answer.status == 504 && answer.is_problem(), "{answer:?}");
        }
    }
    for seen in [&after.profiles, &after.logins] {
        assert!(seen.refused > seen.served, "{seen:?}");
        seen.is_served_or_refused_within(SOON);
    }
}

/// Gives auth-service an address that only the gateway calls; says where.
async fn at_another_address(fleet: &mut Fleet) -> SocketAddr {
    let auth = fleet.part("auth-service");
    let port = auth.address.port();
    let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    auth.restart_with(&[("AUTH_LISTEN", everywhere.to_string())])
        .await;
    let apart = SocketAddr::from((APART, port));
    let gateway = fleet.part("gateway");
    gateway
        .restart_with(&[("AUTH_URL", format!("http://{apart}"))])
        .await;
    apart
}
