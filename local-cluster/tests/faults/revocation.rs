//! A session is ended while the services that remember its caller cannot hear of it: they let nobody in for longer than
//! they trust what they heard last.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use proto::auth::v1::{LogoutRequest, session_service_client::SessionServiceClient};
use reqwest::Method;
use serde_json::json;
use tokio::time::sleep;

use crate::fleet::{Filter, Fleet, Ground, Probe, millis, people::Person, row};

/// How long a token may be taken for good after its session has ended (rule 7 of accounts: a second).
const BOUND: Duration = Duration::from_secs(1);
/// How long a recovery may take on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(15);

/// What happens to the part of auth-service that tells of changes, just before the session is ended elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Frozen,
    Killed,
}

pub async fn run(filter: &Filter) {
    if filter.wants("revoked_while_auth_is_frozen") {
        half_of_auth_service(Fault::Frozen).await;
    }
    if filter.wants("revoked_while_auth_is_killed") {
        half_of_auth_service(Fault::Killed).await;
    }
    if filter.wants("revoked_while_course_service_was_down") {
        course_service_comes_late().await;
    }
}

/// Somebody who may see a draft, and looks at it again and again.
struct Reader {
    person: Person,
    reads: Probe,
}

impl Reader {
    async fn comes(fleet: &Fleet, number: usize) -> Self {
        let person = Person::staff(&fleet.gateways, 0).await;
        let title = format!("Draft-{number}");
        let course = json!({"title": title, "description": "d", "price": "1.50"});
        let begun = Instant::now();
        let slug = loop {
            let made = person
                .send(
                    Method::POST,
                    "/courses",
                    Some(course.clone()),
                    &[("idempotency-key", &title)],
                )
                .await
                .unwrap();
            if made.status == 201 {
                break made.json()["slug"].as_str().unwrap().to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "{made:?}");
        };
        let reader = person.clone();
        let reads = Probe::every(Duration::from_millis(20), move |_| {
            let (reader, path) = (reader.clone(), format!("/courses/{slug}"));
            async move { reader.send(Method::GET, &path, None, &[]).await }
        });
        reads.served_again(Instant::now(), PATIENCE).await;
        // What is heard is trusted by now, and nobody is asked about the reader.
        sleep(BOUND).await;
        let before = remembered(fleet).await;
        sleep(BOUND).await;
        assert!(remembered(fleet).await > before + 20.0, "{}", fleet.complaints());
        Self { person, reads }
    }

    /// Ends the session at one part of auth-service; says when that was acknowledged.
    async fn logs_out_at(&self, auth: SocketAddr) -> Instant {
        let mut sessions = SessionServiceClient::connect(format!("http://{auth}"))
            .await
            .unwrap();
        let refresh = self.person.refresh.clone();
        sessions.logout(LogoutRequest { refresh }).await.unwrap();
        Instant::now()
    }

    /// How long after this moment the last read began that was served, and what became of the others.
    async fn is_served_until(&self, ended: Instant) -> (Duration, String) {
        let now = Instant::now();
        let later = self.reads.between(ended, now).await;
        let served = self.reads.last_served(ended);
        (served, later.to_string())
    }
}

/// How often course-service knew who called without asking.
async fn remembered(fleet: &Fleet) -> f64 {
    let mut count = 0.0;
    for replica in fleet
        .replicas
        .iter()
        .filter(|replica| replica.part == "course-service")
    {
        count += replica.number("callers_total{how=\"remembered\"}").await;
    }
    count
}

/// One of two parts of auth-service can tell nothing while a session is ended at the other; then the same with the
/// two the other way round.
async fn half_of_auth_service(fault: Fault) {
    let Some(ground) = Ground::postgres().await else {
        return;
    };
    let mut fleet = Fleet::start(ground, 2).await;
    let parts: Vec<usize> = (0..fleet.replicas.len())
        .filter(|place| fleet.replicas[*place].part == "auth-service")
        .collect();
    let mut seen = Vec::new();
    for (number, harmed) in parts.iter().enumerate() {
        let reader = Reader::comes(&fleet, number).await;
        let other = fleet.replicas[parts[1 - number]].address;
        match fault {
            Fault::Frozen => fleet.replicas[*harmed].freeze(),
            Fault::Killed => fleet.replicas[*harmed].kill(),
        }
        let ended = reader.logs_out_at(other).await;
        sleep(Duration::from_secs(4)).await;
        let (last, later) = reader.is_served_until(ended).await;
        assert!(last <= BOUND, "the token was good for {last:?} more: {later}");
        seen.push(format!(
            "last served {} after it had ended; {later}",
            millis(last)
        ));
        match fault {
            Fault::Frozen => fleet.replicas[*harmed].thaw(),
            Fault::Killed => fleet.replicas[*harmed].start(),
        }
        fleet.replicas[*harmed].becomes_ready().await;
    }
    fleet.is_whole();
    let (fault, how) = match fault {
        Fault::Frozen => ("frozen", "each of two auth-services in turn is frozen (SIGSTOP)"),
        Fault::Killed => ("killed", "each of two auth-services in turn is killed"),
    };
    row(
        &format!("{how}, and a session is ended at the other one"),
        &format!(
            "whoever heard of changes from the {fault} one serves its token for less than a second more"
        ),
        &seen.join("; "),
    );
}

/// course-service is down while a session is ended: when it comes back it remembers nothing of before.
async fn course_service_comes_late() {
    let mut fleet = Fleet::start(Ground::sqlite(), 1).await;
    let reader = Reader::comes(&fleet, 0).await;
    fleet.part("course-service").kill();
    let auth = fleet.part("auth-service").address;
    let ended = reader.logs_out_at(auth).await;
    fleet.part("course-service").start();
    fleet.part("course-service").becomes_ready().await;
    sleep(Duration::from_secs(2)).await;
    let (last, later) = reader.is_served_until(ended).await;
    fleet.is_whole();
    row(
        "course-service is killed, a session is ended, and it comes back",
        "its token is never served again",
        &later,
    );
    assert_eq!(last, Duration::ZERO, "{later}");
}
