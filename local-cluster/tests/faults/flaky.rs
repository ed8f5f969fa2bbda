//! auth-service is there, and the way to it is bad: what does not need it does not notice.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{
    asking::{People, reads_of},
    fleet::{Filter, Fleet, Ground, millis, row},
    proxy::Proxy,
};

/// How long each fault lasts.
const LASTS: Duration = Duration::from_secs(5);
/// How long a refusal may take on a machine that does much else: less than the gateway waits, which would be a 504.
const SOON: Duration = Duration::from_secs(8);

pub async fn run(filter: &Filter) {
    if !filter.wants("auth_service_is_flaky") {
        return;
    }
    let mut fleet = Fleet::start(Ground::sqlite(), 1).await;
    let proxy = Proxy::before(fleet.part("auth-service").address.port()).await;
    let through = [("AUTH_URL", format!("http://127.0.0.1:{}", proxy.port()))];
    for part in ["course-service", "gateway"] {
        fleet.part(part).restart_with(&through).await;
    }
    let mut people = People::to(fleet).await;
    let strangers = reads_of(4, &people.fleet.gateways, Duration::from_millis(10));
    for (told, expected, begin, all_served) in [
        (
            "answers of auth-service come 1 s late",
            "what needs it is served late",
            (|proxy| proxy.delay(Duration::from_secs(1))) as fn(&Proxy),
            true,
        ),
        (
            "answers of auth-service come 5 s late",
            "what needs it 503, in about 1 s once it is found out",
            |proxy| proxy.delay(Duration::from_secs(5)),
            false,
        ),
        (
            "every other connection to auth-service fails at once, and the others after 500 ms",
            "what needs it is served or 503",
            |proxy| proxy.fail(true),
            false,
        ),
    ] {
        let usual = Instant::now();
        sleep(LASTS / 2).await;
        begin(&proxy);
        let from = Instant::now();
        sleep(LASTS).await;
        let to = Instant::now();
        proxy.delay(Duration::ZERO);
        proxy.fail(false);
        let again = people.are_served(to).await;
        let seen = people.between(from, to).await;
        let (usually, meanwhile) = (
            strangers.between(usual, from).await,
            strangers.between(from, to).await,
        );
        people.fleet.is_whole();
        row(
            &format!("{told}, for 5 s"),
            &format!(
                "{expected}; reads of strangers take no longer (99 of 100: 5 % at most); recovery within 1 s"
            ),
            &format!(
                "{seen}; all served {} after; 100 reads/s of strangers: median {}, p99 {}, usually {} and {}",
                millis(again),
                millis(meanwhile.median),
                millis(meanwhile.p99),
                millis(usually.median),
                millis(usually.p99),
            ),
        );
        seen.reads.is_served_as_ever();
        meanwhile.is_served_as_ever();
        // What else the machine does moves it by more than that.
        assert!(
            meanwhile.p99 < usually.p99 * 5 + Duration::from_millis(300),
            "{meanwhile:?}, usually {usually:?}"
        );
        let needing = [seen.writes, seen.profiles, seen.logins];
        for seen in &needing {
            match all_served {
                true => seen.is_served_as_ever(),
                false => seen.is_served_or_refused_within(SOON),
            }
        }
        let refused = needing.iter().map(|seen| seen.refused).sum::<usize>();
        assert!(all_served || refused > 0, "{needing:?}");
    }
}
