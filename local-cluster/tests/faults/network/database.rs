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
    asking::{PATIENCE, creates, gets, profiles},
    fleet::{Fleet, Ground, millis, people::Person, row},
    postgres::tell,
};

/// Where only course-service knows PostgreSQL.
const APART: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
/// How long the cut lasts: when it ends, TCP waits for many more seconds before it sends again what was lost.
const LASTS: Duration = Duration::from_secs(17);
/// How often somebody reads, and somebody writes.
const OFTEN: Duration = Duration::from_millis(100);
/// How long it then takes until every connection waits for a lock.
const HELD: Duration = Duration::from_millis(1200);
/// How long a request may take that needs the database, on a busy machine: less than the gateway waits.
const SOON: Duration = Duration::from_secs(9);
/// How long the recovery may take on such a machine.
const RECOVERED: Duration = Duration::from_secs(7);

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
    let mut fleet = Fleet::start_with(ground, 1, &[("COURSE_DATABASE_URL", url)]).await;
    let staff = Person::staff(&fleet.gateways, 0).await;
    let (reads, profiles) = (gets(&staff, "/courses", OFTEN), profiles(&staff));
    let writes = creates(&staff, OFTEN);
    writes.served_again(Instant::now(), PATIENCE).await;

    // Everybody who reads or writes courses now is in the middle of a statement.
    let from = Instant::now();
    let mut held = holder.begin().await.unwrap();
    let lock = sqlx::raw_sql("LOCK TABLE course.courses IN ACCESS EXCLUSIVE MODE");
    lock.execute(&mut *held).await.unwrap();
    sleep(HELD).await;
    packets(&lost.at(apart));
    held.rollback().await.unwrap();
    sleep(LASTS).await;
    let why = fleet.part("course-service").becomes_not_ready().await;
    let to = Instant::now();
    packets(&[]);
    let read_again = reads.served_again(to, PATIENCE).await;
    let written_again = writes.served_again(to, PATIENCE).await;
    let (read, written) = (reads.between(from, to).await, writes.between(from, to).await);
    let profile = profiles.between(from, to).await;
    fleet.is_whole();
    row(
        &format!(
            "the network between course-service and PostgreSQL is cut for 17 s, with every connection in use: {}",
            lost.told()
        ),
        "what needs it 503, in about 1 s when it waits for a connection and 7 s when it waits for an answer; not ready \
         meanwhile; auth-service is served as ever; recovery within 1 s",
        &format!(
            "reads: {read}, served again {} after; writes: {written}, served again {} after; profiles: {profile}; {why}",
            millis(read_again),
            millis(written_again)
        ),
    );
    profile.is_served_as_ever();
    for (refused, again) in [(read, read_again), (written, written_again)] {
        refused.is_served_or_refused_within(SOON);
        assert!(refused.refused > 20, "{refused:?}");
        assert!(again < RECOVERED, "{again:?}");
    }
}
