//! The mail server is down, slow, or takes nothing: registering goes on, and every mail is sent when it is well again.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::json;
use test_support::smtp::{Action, SmtpServer, Stage};
use tokio::time::sleep;

use crate::fleet::{Filter, Fleet, Ground, free_ports, mail_to, millis, people::Person, percent, row};

/// How many register during a fault.
const PEOPLE: usize = 8;
/// How long mail may take to be sent after the server is well: a pause of 15 s after the first failure, one of a
/// minute after the second, and what a busy machine adds.
const DRAINED: Duration = Duration::from_secs(100);

pub async fn run(filter: &Filter) {
    // They mostly wait.
    tokio::join!(down(filter), slow(filter), refuses(filter));
}

/// Somebody who registers, and a fleet whose mail goes to `port`.
struct Office {
    fleet: Fleet,
    stranger: Person,
    usual: Duration,
}

impl Office {
    async fn open(port: u16) -> Self {
        let fleet = Fleet::start_with(Ground::sqlite(), 1, &mail_to(port)).await;
        let stranger = Person::stranger(&fleet.gateways, 0);
        let mut office = Self {
            fleet,
            stranger,
            usual: Duration::ZERO,
        };
        office.usual = office.register("usual").await;
        office
    }

    /// Some people register; says how long that took them (median).
    async fn register(&self, name: &str) -> Duration {
        let mut took = Vec::new();
        for number in 0..PEOPLE {
            let person = json!({
                "username": format!("{name}-{number}@example.org"),
                "password": "gravel lantern octopus", "confirm_password": "gravel lantern octopus",
            });
            let begun = Instant::now();
            let answer = self
                .stranger
                .send(Method::POST, "/auth/register", Some(person), &[]);
            let answer = answer.await.unwrap();
            assert_eq!(answer.status, 201, "{answer:?}");
            took.push(begun.elapsed());
        }
        percent(50, took)
    }

    /// How many attempts to send a mail ended so.
    async fn attempts(&mut self, outcome: &str) -> usize {
        let name = format!("mail_attempts_total{{outcome=\"{outcome}\"}}");
        self.fleet.part("auth-service").number(&name).await as usize
    }

    /// Waits until so many attempts ended so; says how long that took.
    async fn sees(&mut self, outcome: &str, count: usize) -> Duration {
        let begun = Instant::now();
        loop {
            let seen = self.attempts(outcome).await;
            if seen >= count {
                return begun.elapsed();
            }
            assert!(
                begun.elapsed() < DRAINED,
                "{outcome}: {seen} of {count}{}",
                self.fleet.complaints()
            );
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Each of these has exactly one mail.
fn everybody_has_mail(server: &SmtpServer, names: &[&str]) {
    for name in names {
        for number in 0..PEOPLE {
            let address = format!("{name}-{number}@example.org");
            let mails = server
                .messages()
                .iter()
                .filter(|mail| mail.is_to(&address))
                .count();
            assert_eq!(mails, 1, "{address}");
        }
    }
}

async fn down(filter: &Filter) {
    if !filter.wants("smtp_down") {
        return;
    }
    // A port that nobody takes while the server is down.
    let address = (Ipv4Addr::LOCALHOST, free_ports()[0]).into();
    let server = SmtpServer::builder().address(address).start().await;
    let mut office = Office::open(server.port()).await;
    office.sees("sent", PEOPLE).await;
    server.stop().await;
    let took = office.register("down").await;
    office.sees("put_off", PEOPLE).await;
    let server = SmtpServer::builder().address(address).start().await;
    let drained = office.sees("sent", 2 * PEOPLE).await;
    everybody_has_mail(&server, &["down"]);
    row(
        "the mail server is down",
        "registering as fast as ever; mail waits, and is sent once when the server is back",
        &format!(
            "registering {} (usually {}); {PEOPLE} of {PEOPLE} mails put off, all sent once {} after it was back",
            millis(took),
            millis(office.usual),
            millis(drained)
        ),
    );
    assert_eq!(office.attempts("dead").await, 0);
    office.fleet.is_whole();
}

async fn slow(filter: &Filter) {
    if !filter.wants("smtp_slow") {
        return;
    }
    let server = SmtpServer::start().await;
    let mut office = Office::open(server.port()).await;
    office.sees("sent", PEOPLE).await;
    // A greeting of some dozens of bytes takes longer than anybody waits.
    server.set_script(|stage| match stage {
        Stage::Connected => Action::Dribble(Duration::from_secs(5)),
        _ => Action::Continue,
    });
    let took = office.register("slow").await;
    let given_up = office.sees("put_off", 1).await;
    server.behave();
    let drained = office.sees("sent", 2 * PEOPLE).await;
    everybody_has_mail(&server, &["slow"]);
    row(
        "the mail server greets with a byte every 5 s",
        "registering as fast as ever; an attempt is given up; all is sent once when the server is well",
        &format!(
            "registering {} (usually {}); an attempt given up after {}; all {PEOPLE} mails sent once {} after it was \
             well",
            millis(took),
            millis(office.usual),
            millis(given_up),
            millis(drained)
        ),
    );
    assert_eq!(office.attempts("dead").await, 0);
    office.fleet.is_whole();
}

async fn refuses(filter: &Filter) {
    if !filter.wants("smtp_refuses") {
        return;
    }
    let server = SmtpServer::start().await;
    let mut office = Office::open(server.port()).await;
    office.sees("sent", PEOPLE).await;
    server.set_script(|stage| match stage {
        Stage::RcptTo(address) if address.starts_with("gone-") => Action::reply(550, "5.1.1 no such user"),
        Stage::RcptTo(_) => Action::reply(451, "4.3.0 try again later"),
        _ => Action::Continue,
    });
    let (gone, busy) = (office.register("gone").await, office.register("busy").await);
    office.sees("dead", PEOPLE).await;
    office.sees("put_off", PEOPLE).await;
    server.behave();
    let drained = office.sees("sent", 2 * PEOPLE).await;
    everybody_has_mail(&server, &["busy"]);
    let dead = office.attempts("dead").await;
    row(
        "the mail server answers 451 to some mail and 550 to other",
        "registering as fast as ever; 451 is tried again, 550 is a dead letter at once and not tried again",
        &format!(
            "registering {} and {} (usually {}); {dead} dead letters; {PEOPLE} mails put off, all sent once {} after it \
             was well",
            millis(gone),
            millis(busy),
            millis(office.usual),
            millis(drained)
        ),
    );
    assert_eq!(dead, PEOPLE);
    let to_the_gone = server
        .messages()
        .iter()
        .any(|mail| mail.recipients[0].starts_with("gone-"));
    assert!(!to_the_gone, "a dead letter was sent");
    office.fleet.is_whole();
}
