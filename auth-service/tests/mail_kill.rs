//! The worker is killed (SIGKILL) between every pair of its steps, again and again, on both databases: every mail
//! arrives, and none twice, except where the mail server had it and its answer, or the record of that answer,
//! was lost with the process. Then the copies have one `Message-ID`, so that mailboxes can show one.
//!
//! This binary starts itself as the process that is killed; nothing in the service helps it. A table says what
//! was done and what came of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]
#![allow(clippy::print_stdout, reason = "the table is the result")]
#![allow(
    clippy::disallowed_methods,
    reason = "the environment tells this binary's processes apart"
)]

mod mail_support;
mod mail_victim;

use std::{
    collections::HashSet,
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use mail_support::TestOutbox;
use mail_victim::{Victim, hold::Hold};
use service_runtime::clock::Clock;
use test_support::{
    mail,
    smtp::{Action, SmtpServer, Stage},
};

/// How often the worker is killed at each step.
const ROUNDS: usize = 6;
/// How long anything may take.
const SOON: Duration = Duration::from_secs(60);
/// How long what was going on at the moment of a kill may still have an effect.
const ECHO: Duration = Duration::from_millis(150);

/// The moment at which the worker is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    BeforeTheClaim,
    AtConnect,
    AtEhlo,
    AtMail,
    AtRcpt,
    AtData,
    AfterTheBody,
    BeforeTheAnswer,
    BeforeTheRecord,
    AfterTheRecord,
    BeforeAFailureIsRecorded,
    AfterAFailureIsRecorded,
}

use Moment::{
    AfterAFailureIsRecorded, AfterTheBody, AfterTheRecord, AtConnect, AtData, AtEhlo, AtMail, AtRcpt,
    BeforeAFailureIsRecorded, BeforeTheAnswer, BeforeTheClaim, BeforeTheRecord,
};

/// Every moment, in words, and the copies of a mail that arrive when its worker was killed then.
const MOMENTS: [(Moment, &str, usize); 12] = [
    (BeforeTheClaim, "queued, the claim not committed", 1),
    (AtConnect, "claimed, connected, no greeting", 1),
    (AtEhlo, "EHLO said", 1),
    (AtMail, "MAIL FROM said", 1),
    (AtRcpt, "RCPT TO said", 1),
    (AtData, "DATA said", 1),
    (AfterTheBody, "message sent, not kept by the server", 1),
    (BeforeTheAnswer, "kept by the server, 250 not sent", 2),
    (BeforeTheRecord, "250 sent, not recorded", 2),
    (AfterTheRecord, "recorded as sent", 1),
    (BeforeAFailureIsRecorded, "refused with 451, not recorded", 1),
    (AfterAFailureIsRecorded, "refused with 451, recorded", 1),
];

fn main() -> ExitCode {
    if let Some(orders) = mail_victim::orders() {
        return mail_victim::live(orders);
    }
    // A listing, or a filter that is after other tests, is not for this one.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    if arguments.iter().any(|argument| argument == "--list")
        || filter.is_some_and(|filter| !"mail_kill".contains(filter.as_str()))
    {
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        println!("database    killed when                             kills  arrived  copies of each mail");
        let sqlite = every_moment("SQLite").await;
        let postgres = every_moment("PostgreSQL").await;
        let sqlite_storm = storm("SQLite").await;
        let postgres_storm = storm("PostgreSQL").await;
        if sqlite && postgres && sqlite_storm && postgres_storm {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    })
}

async fn outbox_on(database: &str) -> Option<TestOutbox> {
    if database == "SQLite" {
        Some(TestOutbox::sqlite().await)
    } else {
        TestOutbox::postgres().await
    }
}

/// All moments on one database, side by side; says whether each came out as it must.
async fn every_moment(database: &'static str) -> bool {
    let moments = MOMENTS.map(|(moment, words, copies)| async move {
        let outbox = outbox_on(database).await?;
        let mut arrived = Vec::new();
        for round in 0..ROUNDS {
            arrived.push(killed_at(moment, &outbox, round).await);
        }
        let is_right = arrived.iter().all(|arrived| *arrived == copies);
        let found: Vec<String> = arrived.iter().map(usize::to_string).collect();
        let verdict = if is_right { "as it must be" } else { "WRONG" };
        let at_all = arrived.iter().filter(|copies| **copies > 0).count();
        let at_all = format!("{at_all}/{ROUNDS}");
        let found = found.join(" ");
        Some((
            format!("{database:<10}  {words:<38}  {ROUNDS:>5}  {at_all:>7}  {found}  {verdict}"),
            is_right,
        ))
    });
    let lines: Vec<_> = join_all(moments).await.into_iter().flatten().collect();
    for (line, _) in &lines {
        println!("{line}");
    }
    lines.iter().all(|(_, is_right)| *is_right)
}

/// Kills the worker of a mail at one moment, lets another one take over, and says how many copies arrived.
async fn killed_at(moment: Moment, outbox: &TestOutbox, round: usize) -> usize {
    let recipient = format!("ada{round}@example.org");
    let now = Clock::system().now();
    let mail = outbox
        .queue_link(&recipient, now, chrono::TimeDelta::days(1))
        .await;
    let is_killed = Arc::new(AtomicBool::new(false));
    let victim: Arc<Mutex<Option<Victim>>> = Arc::default();
    let hold: Arc<tokio::sync::Mutex<Option<Hold>>> = Arc::default();
    let server = {
        let (is_killed, victim, hold) = (Arc::clone(&is_killed), Arc::clone(&victim), Arc::clone(&hold));
        let database = outbox.database.clone();
        let script = move |stage: Stage| {
            let (is_killed, victim, hold) = (Arc::clone(&is_killed), Arc::clone(&victim), Arc::clone(&hold));
            let database = database.clone();
            async move {
                if is_killed.load(Ordering::SeqCst) {
                    return Action::Continue;
                }
                let is_refused = matches!(moment, BeforeAFailureIsRecorded | AfterAFailureIsRecorded);
                if is_refused && matches!(stage, Stage::RcptTo(_)) {
                    if moment == BeforeAFailureIsRecorded {
                        *hold.lock().await = Some(Hold::take(&database).await);
                    }
                    return Action::reply(451, "not now");
                }
                // What happens to the database from here on waits for us.
                if moment == BeforeTheRecord && matches!(stage, Stage::Kept(_)) {
                    *hold.lock().await = Some(Hold::take(&database).await);
                    return Action::Continue;
                }
                let is_now = match moment {
                    AtConnect => stage == Stage::Connected,
                    AtEhlo => matches!(stage, Stage::Ehlo(_)),
                    AtMail => matches!(stage, Stage::MailFrom(_)),
                    AtRcpt => matches!(stage, Stage::RcptTo(_)),
                    AtData => stage == Stage::Data,
                    AfterTheBody => matches!(stage, Stage::Body(_)),
                    BeforeTheAnswer => matches!(stage, Stage::Kept(_)),
                    BeforeTheClaim
                    | BeforeTheRecord
                    | AfterTheRecord
                    | BeforeAFailureIsRecorded
                    | AfterAFailureIsRecorded => false,
                };
                if !is_now {
                    return Action::Continue;
                }
                kill(&victim).await;
                is_killed.store(true, Ordering::SeqCst);
                Action::Drop
            }
        };
        SmtpServer::builder().script_async(script).start().await
    };

    if moment == BeforeTheClaim {
        *hold.lock().await = Some(Hold::take(&outbox.database).await);
    }
    // The script may want to kill before this has returned: it waits for the victim to be there.
    *victim.lock().unwrap() = Some(Victim::start(&outbox.url, server.port(), Duration::ZERO));
    match moment {
        BeforeTheClaim => {
            tokio::time::sleep(2 * ECHO).await;
            assert_eq!(server.connections(), 0, "nothing is sent that is not claimed");
        }
        BeforeTheRecord => {
            until(async || !server.messages().is_empty()).await;
            tokio::time::sleep(ECHO).await;
        }
        BeforeAFailureIsRecorded => {
            until(async || hold.lock().await.is_some()).await;
            tokio::time::sleep(ECHO).await;
        }
        AfterTheRecord => until(async || outbox.state(mail.id).await == "sent").await,
        AfterAFailureIsRecorded => {
            until(async || {
                outbox
                    .fate(mail.id)
                    .await
                    .is_some_and(|fate| fate.last_error.is_some())
            })
            .await;
        }
        _ => until(async || is_killed.load(Ordering::SeqCst)).await,
    }
    if !is_killed.load(Ordering::SeqCst) {
        kill(&victim).await;
        is_killed.store(true, Ordering::SeqCst);
    }
    if let Some(hold) = hold.lock().await.take() {
        hold.release().await;
    }
    if moment != AfterTheRecord {
        tokio::time::sleep(ECHO).await;
        assert_eq!(outbox.state(mail.id).await, "queued", "{moment:?}");
    }

    // The next worker lives later, when the lease of the dead one has run out.
    let heir = Victim::start(&outbox.url, server.port(), Duration::from_secs(120));
    until(async || outbox.state(mail.id).await == "sent").await;
    heir.kill();
    // And one that lives much later finds nothing left to send.
    let latest = Victim::start(&outbox.url, server.port(), Duration::from_secs(7_200));
    tokio::time::sleep(2 * ECHO).await;
    latest.kill();

    let messages = server.messages();
    assert!(messages.iter().all(|message| message.is_to(&recipient)));
    let ids: HashSet<_> = messages
        .iter()
        .map(|message| mail::id(message).unwrap())
        .collect();
    assert_eq!(ids.len(), 1, "copies of a mail have one Message-ID");
    messages.len()
}

/// Kills the worker at any time, many mails in hand, until all are sent; says whether every one arrived and
/// every copy beyond the first is owed to an answer that was lost.
async fn storm(database: &str) -> bool {
    const MAILS: usize = 60;
    let Some(outbox) = outbox_on(database).await else {
        return true;
    };
    let server = SmtpServer::start().await;
    let mut mails = Vec::new();
    for number in 0..MAILS {
        let now = Clock::system().now();
        mails.push(
            outbox
                .queue_notice(&format!("ada{number}@example.org"), now)
                .await,
        );
    }
    let copies = |recipient: &str| {
        server
            .messages()
            .iter()
            .filter(|message| message.is_to(recipient))
            .count()
    };
    let (mut kills, mut known, mut lost_answers) = (0_u32, vec![0; MAILS], vec![0; MAILS]);
    loop {
        // Every worker lives after the lease of the one before, and has ever other times to work.
        let connections = server.connections();
        let victim = Victim::start(
            &outbox.url,
            server.port(),
            Duration::from_secs(120 * u64::from(kills + 1)),
        );
        until(async || server.connections() > connections).await;
        tokio::time::sleep(Duration::from_millis(u64::from(kills * 37 % 120))).await;
        victim.kill();
        tokio::time::sleep(ECHO).await;
        kills += 1;
        let mut waiting = 0;
        for (place, mail) in mails.iter().enumerate() {
            let now = copies(&mail.recipient);
            if outbox.state(mail.id).await == "queued" {
                waiting += 1;
                lost_answers[place] += now - known[place];
            }
            known[place] = now;
        }
        if waiting == 0 {
            break;
        }
        assert!(kills < 1_000, "{waiting} mails never arrive");
    }
    let arrived = known.iter().filter(|copies| **copies > 0).count();
    let twice = known.iter().filter(|copies| **copies > 1).count();
    let is_right = known
        .iter()
        .zip(&lost_answers)
        .all(|(copies, lost)| *copies == lost + 1);
    let verdict = if is_right { "as it must be" } else { "WRONG" };
    println!(
        "{database:<10}  {:<38}  {kills:>5}  {:>7}  {} mails more than once, each by a lost answer  {verdict}",
        "at any time, 4 mails in hand",
        format!("{arrived}/{MAILS}"),
        twice
    );
    is_right
}

async fn kill(victim: &Arc<Mutex<Option<Victim>>>) {
    loop {
        if let Some(victim) = victim.lock().unwrap().take() {
            victim.kill();
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn until(is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, waiting)
        .await
        .expect("it takes too long");
}
