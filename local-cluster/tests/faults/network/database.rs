//! The network between course-service and PostgreSQL is cut, in one direction or in both, while every connection is in
//! use. Nobody is told: packets are just not there.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection};
use test_support::postgres::Cluster;
use tokio::time::sleep;

use super::own::{Lost, packets};
use crate::{
    asking::People,
    fleet::{Fleet, Ground, millis, row},
    postgres::tell,
};

/// Where only course-service knows PostgreSQL.
const APART: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
/// How long the cut lasts: when it ends, TCP waits for many more seconds before it sends again what was lost.
const LASTS: Duration = Duration::from_secs(17);
/// How long it takes until every connection waits for a lock, at twenty reads and as many writes a second.
const HELD: Duration = Duration::from_millis(900);
/// How long a request may take that needs the database, on a busy machine: less than the gateway waits.
const SOON: Duration = Duration::from_secs(9);
/// How long the recovery may take on such a machine.
const RECOVERED: Duration = Duration::from_secs(5);

pub async fn run(lost: Lost) {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let listens = format!("ALTER SYSTEM SET listen_addresses = '127.0.0.1, {APART}'");
    tell(&cluster, &[&listens]).await;
    cluster.stop().await;
    cluster.start_again().await;
    let ground = Ground::on(&cluster).await;
    let apart = SocketAddr::from((APART, cluster.port()));
    let near = format!("127.0.0.1:{}", cluster.port());
    let url = ground.database_url().unwrap().replace(&near, &apart.to_string());
    let mut holder = PgConnection::connect(ground.database_url().unwrap())
        .await
        .unwrap();
    let fleet = Fleet::start_with(ground, 1, &[("COURSE_DATABASE_URL", url)]).await;
    let mut people = People::to(fleet).await;

    // Everybody who reads or writes courses now is in the middle of a statement.
    let from = Instant::now();
    let mut held = holder.begin().await.unwrap();
    let lock = sqlx::raw_sql("LOCK TABLE course.courses IN ACCESS EXCLUSIVE MODE");
    lock.execute(&mut *held).await.unwrap();
    sleep(HELD).await;
    packets(&lost.at(apart));
    held.rollback().await.unwrap();
    sleep(LASTS).await;
    let why = people.fleet.part("course-service").becomes_not_ready().await;
    let to = Instant::now();
    packets(&[]);
    let again = people.are_served(to).await;
    let seen = people.between(from, to).await;
    people.fleet.is_whole();
    row(
        &format!(
            "the network between course-service and PostgreSQL is cut for 17 s, with every connection in use: {}",
            lost.told()
        ),
        "what needs it 503, in about 1 s when it waits for a connection and 7 s when it waits for an answer; not ready \
         meanwhile; auth-service is served as ever; recovery within 1 s",
        &format!("{seen}; {why}; all served {} after", millis(again)),
    );
    for served in [&seen.profiles, &seen.logins] {
        served.is_served_as_ever();
    }
    for refused in [&seen.reads, &seen.writes] {
        refused.is_served_or_refused_within(SOON);
        assert!(refused.refused > 0, "{refused:?}");
    }
    assert!(again < RECOVERED, "{again:?}");
}
