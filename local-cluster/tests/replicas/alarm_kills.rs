//! Auth-service is killed at any moment while refresh tokens are replayed: every replay that was answered is told of in
//! an alarm, and in one only.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use reqwest::Method;
use serde_json::json;
use service_runtime::{database::Database, entropy::Entropy, on};
use test_support::{mail, smtp::SmtpServer};
use tokio::time::{Instant, sleep};

use crate::fleet::{Fleet, Ground, STAFF, mail_to, people::Person};

const OFFICE: &str = "office@example.org";
/// How many replays there are before a kill at most.
const REPLAYS: usize = 3;
/// Longer than the pause between two alarms, in seconds.
const LATER: i64 = 16 * 60;
/// How long anything may take on a busy machine.
const SOON: Duration = Duration::from_secs(60);

pub async fn run(database: &str, ground: Ground) {
    let kills = super::kills_or(10);
    let smtp = SmtpServer::start().await;
    let mut settings = mail_to(smtp.port()).to_vec();
    settings.push(("SECURITY_ALERT_EMAIL", OFFICE.to_owned()));
    let mut fleet = Fleet::start_with(ground, 1, &settings).await;
    let thief = Person::stranger(&fleet.gateways, 0);
    let entropy = Entropy::default();
    let mut answered = BTreeSet::new();
    for round in 0..kills {
        let [chance] = entropy.bytes::<1>().unwrap();
        let auth = fleet.part("auth-service");
        let replays = async {
            for number in 0..REPLAYS {
                let request_id = format!("replay-{round}-{number}");
                if replay(&thief, &request_id).await.is_some() {
                    answered.insert(request_id);
                }
            }
        };
        let killing = async {
            // An alarm is raised within a second and sent soon after.
            sleep(Duration::from_millis(u64::from(chance) * 8)).await;
            auth.kill();
        };
        tokio::join!(replays, killing);
        auth.start();
        auth.becomes_ready().await;
        // A process begins with the right time.
        auth.turn_clock(LATER * i64::try_from(round + 1).unwrap()).await;
    }

    let patience = Instant::now() + SOON;
    let trail = Database::connect(&fleet.ground.database_of("auth"), "auth")
        .await
        .unwrap();
    let mails = loop {
        let alarms = alarms(&trail).await;
        let mails = arrived(&smtp);
        if let Some(mails_of_all) = told(&alarms, &mails) {
            let unheard: Vec<_> = answered.iter().filter(|id| !alarms.contains_key(*id)).collect();
            assert!(unheard.is_empty(), "answered, and no event: {unheard:?}");
            assert_eq!(mails, mails_of_all, "an alarm about nothing");
            break mails;
        }
        assert!(
            Instant::now() < patience,
            "{alarms:?} {mails:?}{}",
            fleet.complaints()
        );
        fleet.part("auth-service").turn_clock(LATER).await;
        sleep(Duration::from_millis(500)).await;
    };
    assert!(
        answered.len() > kills / 2,
        "hardly anything was replayed: {answered:?}"
    );
    println!(
        "{database}: {kills} kills, {} replays answered: each in one of {} alarms, which all arrived",
        answered.len(),
        mails.len()
    );
    fleet.is_whole();
}

/// Opens a session and uses a refresh token of it after its successor; `None` where somebody did not answer.
async fn replay(thief: &Person, request_id: &str) -> Option<()> {
    let mut owner = thief.clone();
    let login = json!({"username": STAFF.0, "password": STAFF.1});
    let login = owner.send(Method::POST, "/auth/login", Some(login), &[]);
    let login = login.await.ok().filter(|answer| answer.status == 200)?;
    owner.take(&login);
    let stolen = owner.refreshing();
    for _ in 0..2 {
        let refreshed = owner.send(Method::POST, "/auth/refresh", Some(owner.refreshing()), &[]);
        let refreshed = refreshed.await.ok().filter(|answer| answer.status == 200)?;
        owner.take(&refreshed);
    }
    let headers = [("x-request-id", request_id)];
    let replayed = thief.send(Method::POST, "/auth/refresh", Some(stolen), &headers);
    replayed
        .await
        .ok()
        .filter(|answer| answer.status == 401)
        .map(drop)
}

/// What the trail has that is critical, by its request, and the mail that each was put into: the replays, and the first
/// staff account, which no request made.
async fn alarms(trail: &Database) -> BTreeMap<String, Option<String>> {
    let rows: Vec<(String, Option<uuid::Uuid>)> = on!(trail, |pool| {
        sqlx::query_as(
            "SELECT request_id, mail_id FROM security_events JOIN security_alarms ON event_id = id",
        )
        .fetch_all(pool)
        .await
    })
    .unwrap();
    let count = rows.len();
    let alarms: BTreeMap<_, _> = rows
        .into_iter()
        .map(|(request_id, mail)| (request_id, mail.map(|id| id.to_string())))
        .collect();
    assert_eq!(alarms.len(), count, "something was told of twice");
    alarms
}

/// The alarms that arrived, copies of one counted once.
fn arrived(smtp: &SmtpServer) -> BTreeSet<String> {
    let messages = smtp.messages();
    let alarms = messages.iter().filter(|message| message.is_to(OFFICE));
    alarms.map(|message| mail::id(message).unwrap()).collect()
}

/// The mails of all of them, once each has one that arrived.
fn told(alarms: &BTreeMap<String, Option<String>>, arrived: &BTreeSet<String>) -> Option<BTreeSet<String>> {
    let mails: Option<BTreeSet<String>> = alarms.values().cloned().collect();
    mails.filter(|mails| mails.is_subset(arrived))
}
