//! The answers of the database come late, or never.

use std::time::{Duration, Instant};

use test_support::postgres::Cluster;
use tokio::time::sleep;

use super::{PATIENCE, QUICK};
use crate::{
    asking::{logins, profiles, reads},
    fleet::{Fleet, Ground, millis, people::Person, row},
    proxy::Proxy,
};

/// How long they do.
const LASTS: Duration = Duration::from_secs(4);

pub async fn run(cluster: &Cluster) {
    let ground = Ground::on(cluster).await;
    let proxy = Proxy::before(cluster.port()).await;
    let (near, far) = (format!(":{}/", cluster.port()), format!(":{}/", proxy.port()));
    let far = ground.database_url().unwrap().replace(&near, &far);
    let mut fleet = Fleet::start_with(ground, 1, &[("COURSE_DATABASE_URL", far)]).await;
    let staff = Person::staff(&fleet.gateways, 0).await;
    let (reads, profiles, logins) = (reads(&fleet.gateways), profiles(&staff), logins(&fleet.gateways));
    for (delay, how) in [(Duration::from_secs(2), "2 s late"), (Duration::MAX, "never")] {
        sleep(Duration::from_secs(1)).await;
        proxy.delay(delay);
        let from = Instant::now();
        sleep(LASTS).await;
        let to = Instant::now();
        proxy.delay(Duration::ZERO);
        let again = reads.served_again(to, PATIENCE).await;
        let (read, profile) = (reads.between(from, to).await, profiles.between(from, to).await);
        let login = logins.between(from, to).await;
        fleet.is_whole();
        row(
            &format!("answers of course-service's database come {how}, for 4 s"),
            "what needs them 503 in about 1 s; auth-service is served as ever; recovery within 1 s",
            &format!(
                "reads: {read}, served again {} after; profiles: {profile}; logins: {login}",
                millis(again)
            ),
        );
        read.is_served_or_refused_within(QUICK);
        assert!(read.refused > 20, "{read:?}");
        profile.is_served_as_ever();
        login.is_served_as_ever();
    }
}
