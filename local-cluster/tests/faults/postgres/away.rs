//! The server goes away under writes and reads, and comes back.

use std::time::{Duration, Instant};

use service_runtime::entropy::Entropy;
use test_support::postgres::Cluster;
use tokio::time::sleep;

use super::{PATIENCE, QUICK};
use crate::{
    asking::reads,
    fleet::{Fleet, Ground, Summary, Writers, millis, percent, row},
};

/// How long it is away.
const AWAY: Duration = Duration::from_secs(5);
/// What course-service counts, over gRPC, of those it refused.
const REFUSED: &str = "grpc_server_requests_total{method=\"onlineedu.course.v1.CourseService/ListCourses\",\
                       code=\"UNAVAILABLE\"}";
/// How often it crashes.
const CRASHES: usize = 12;

pub async fn stops(cluster: &Cluster) {
    let mut fleet = Fleet::start(Ground::on(cluster).await, 1).await;
    let writers = Writers::start(&fleet.gateways, 4).await;
    let reads = reads(&fleet.gateways);
    sleep(Duration::from_secs(1)).await;
    let down = Instant::now();
    cluster.stop().await;
    sleep(AWAY).await;
    for part in ["auth-service", "course-service"] {
        let why = fleet.part(part).becomes_not_ready().await;
        assert_eq!(why, "not ready: database");
    }
    cluster.start_again().await;
    let up = Instant::now();
    let read_again = reads.served_again(up, PATIENCE).await;
    for part in ["auth-service", "course-service"] {
        fleet.part(part).becomes_ready().await;
    }
    sleep(Duration::from_secs(1)).await;
    let found = writers.finish().await;
    fleet.is_whole();
    let read = reads.between(down, up).await;
    let counted = fleet.part("course-service").number(REFUSED).await;
    let failures = Summary::of(&found.failures);
    let last = found.failures.iter().map(|failure| failure.begun).max();
    let last = last.unwrap_or(down).saturating_duration_since(up);
    row(
        "PostgreSQL stopped for 5 s and more",
        "503 with `Retry-After` within about 1 s, until 1 s after it is back at most; not ready meanwhile; no process \
         ends; nothing lost",
        &format!(
            "down for {}; reads: {read}; writes: longest failure {}, last one begun {} after it was back; reads served again {} \
             after; {}",
            millis(up - down),
            millis(failures.longest),
            millis(last),
            millis(read_again),
            found.told(),
        ),
    );
    found.is_whole(&fleet);
    read.is_served_or_refused_within(QUICK);
    failures.is_served_or_refused_within(QUICK);
    assert!(read.refused > 20 && failures.refused > 0, "it was hardly away");
    assert!(last < QUICK, "{last:?}");
    assert!(counted >= read.refused as f64, "{counted} counted as UNAVAILABLE");
}

pub async fn crashes(cluster: &Cluster) {
    let mut fleet = Fleet::start(Ground::on(cluster).await, 1).await;
    let writers = Writers::start(&fleet.gateways, 4).await;
    let reads = reads(&fleet.gateways);
    let mut served_after = Vec::new();
    for _ in 0..CRASHES {
        let [chance] = Entropy::default().bytes::<1>().unwrap();
        sleep(Duration::from_millis(200 + u64::from(chance))).await;
        cluster.kill().await;
        cluster.start_again().await;
        served_after.push(reads.served_again(Instant::now(), PATIENCE).await);
    }
    let found = writers.finish().await;
    fleet.is_whole();
    let failures = Summary::of(&found.failures);
    row(
        "PostgreSQL killed at any moment and started again, 12 times",
        "the same; no acknowledged write lost, twice or half",
        &format!(
            "{}; longest failure {}; served again {} after it was back (median), {} (longest)",
            found.told(),
            millis(failures.longest),
            millis(percent(50, served_after.clone())),
            millis(percent(100, served_after)),
        ),
    );
    found.is_whole(&fleet);
    failures.is_served_or_refused_within(QUICK);
}
