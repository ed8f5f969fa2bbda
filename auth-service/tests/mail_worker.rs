//! The worker against a real mail server that misbehaves: mail arrives as soon as it can, nothing goes out in
//! the clear or after its link has expired, and a bad server harms nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod mail_support;

use std::{
    collections::HashSet,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use auth_service::{
    domain::{
        mail_token::MailTokens,
        outbox::{Bell, Timing, Worker},
    },
    mail::{
        MailDestination, Mailer,
        message::{Composer, sender},
        smtp::SmtpConfig,
    },
    model::mail_token::Purpose,
};
use chrono::TimeDelta;
use mail_support::TestOutbox;
use service_runtime::{clock::Clock, entropy::Entropy, lifecycle::Tasks, mac::Mac, secret::Secret};
use test_support::{
    certificate::Certificate,
    smtp::{Action, SmtpServer, Stage},
};
use uuid::Uuid;

on_both_databases!(
    mail_arrives_with_its_link,
    many_mails_and_two_workers_make_one_of_each,
    mail_that_is_due_after_its_link_expired_is_never_sent,
);

const SOON: Duration = Duration::from_secs(20);
const DAY: TimeDelta = TimeDelta::days(1);

fn tokens() -> MailTokens {
    MailTokens::new(Mac::derive(&[Secret::new(b"a key".to_vec())], "mail-token"))
}

fn plain(port: u16) -> SmtpConfig {
    SmtpConfig {
        host: "localhost".to_owned(),
        port,
        username: None,
        password: None,
        use_tls: false,
    }
}

/// Everything soon, so that tests need not wait.
fn timing() -> Timing {
    Timing {
        poll: Duration::from_millis(20),
        send_within: Duration::from_secs(5),
        lease: Duration::from_secs(10),
        pauses: vec![Duration::from_millis(50); 200],
        longest_wait_for_link: Duration::from_millis(50),
        tidy: Duration::from_millis(20),
        ..Timing::default()
    }
}

/// A worker that runs until it is stopped or dropped.
struct Running {
    tasks: Tasks,
    bell: Bell,
}

impl Running {
    fn start(outbox: &TestOutbox, config: SmtpConfig, timing: Timing) -> Self {
        let worker = Worker {
            store: outbox.store.clone(),
            tokens: tokens(),
            composer: Composer::new(sender("edu@example.org").unwrap(), "https://edu.example.org"),
            mailer: Mailer::new(MailDestination::Smtp(config)).unwrap(),
            clock: Clock::system(),
            entropy: Entropy::default(),
            timing,
        };
        let running = Self {
            tasks: Tasks::default(),
            bell: Bell::default(),
        };
        running
            .tasks
            .spawn("mail", worker.run(running.bell.clone(), running.tasks.clone()));
        running
    }

    async fn stop(self) {
        self.tasks.stop();
        assert!(
            self.tasks.finished(SOON).await,
            "the worker neither hangs nor crashes"
        );
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

async fn becomes(outbox: &TestOutbox, id: Uuid, state: &str) {
    let waiting = async {
        while outbox.state(id).await != state {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(SOON, waiting).await.is_err() {
        panic!("never {state}: {:?}", outbox.fate(id).await);
    }
}

/// Waits until an attempt has failed for a reason that contains `reason`.
async fn fails_with(outbox: &TestOutbox, id: Uuid, reason: &str) {
    let waiting = async {
        loop {
            let error = outbox.fate(id).await.unwrap().last_error;
            if error.is_some_and(|error| error.contains(reason)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(SOON, waiting).await.is_err() {
        panic!("never failed with {reason:?}: {:?}", outbox.fate(id).await);
    }
}

fn now() -> chrono::DateTime<chrono::Utc> {
    Clock::system().now()
}

async fn mail_arrives_with_its_link(outbox: TestOutbox) {
    let server = SmtpServer::start().await;
    let worker = Running::start(&outbox, plain(server.port()), timing());
    let mail = outbox.queue_link("ada@example.org", now(), DAY).await;
    let message = server.next_to("ada@example.org", SOON).await;
    assert_eq!(message.envelope_from, "edu@example.org");
    assert_eq!(message.recipients, ["ada@example.org"]);
    let token = tokens().token(mail.token_id.unwrap(), Purpose::VerifyEmail);
    assert_eq!(test_support::mail::token(&message).as_ref(), Some(token.expose()));
    becomes(&outbox, mail.id, "sent").await;
    worker.stop().await;
    assert_eq!(server.messages().len(), 1);
}

#[tokio::test]
async fn a_ring_is_answered_at_once() {
    let outbox = TestOutbox::sqlite().await;
    let server = SmtpServer::start().await;
    let sleepy = Timing {
        poll: Duration::from_secs(3_600),
        ..timing()
    };
    let worker = Running::start(&outbox, plain(server.port()), sleepy);
    for _ in 0..3 {
        outbox.queue_notice("ada@example.org", now()).await;
        worker.bell.ring();
        server.next_to("ada@example.org", SOON).await;
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_refusal_for_now_is_tried_again() {
    let outbox = TestOutbox::sqlite().await;
    let times = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&times);
    let server = SmtpServer::builder()
        .script(move |stage| match stage {
            Stage::RcptTo(_) if counted.fetch_add(1, Ordering::SeqCst) < 2 => {
                Action::reply(451, "4.2.1 <ada@example.org> is busy")
            }
            _ => Action::Continue,
        })
        .start()
        .await;
    let worker = Running::start(&outbox, plain(server.port()), timing());
    let mail = outbox.queue_notice("ada@example.org", now()).await;
    server.next_to("ada@example.org", SOON).await;
    becomes(&outbox, mail.id, "sent").await;
    worker.stop().await;
    let fate = outbox.fate(mail.id).await.unwrap();
    assert_eq!((fate.attempts, fate.last_error), (3, None));
    assert_eq!(server.messages().len(), 1);
}

#[tokio::test]
async fn a_refusal_for_good_is_a_dead_letter_and_keeps_no_address() {
    let outbox = TestOutbox::sqlite().await;
    type Refusal = fn(&Stage) -> bool;
    let refusals: [(Refusal, &str); 3] = [
        (|stage| matches!(stage, Stage::RcptTo(_)), "RCPT TO: 550 5.1.1"),
        (|stage| matches!(stage, Stage::Data), "DATA: 550 5.1.1"),
        (
            |stage| matches!(stage, Stage::Body(_)),
            "the end of the message: 550 5.1.1",
        ),
    ];
    for (refuses, reason) in refusals {
        let server = SmtpServer::builder()
            .script(move |stage| match stage {
                stage if refuses(&stage) => Action::reply(550, "5.1.1 <ada@example.org>: unknown"),
                _ => Action::Continue,
            })
            .start()
            .await;
        let worker = Running::start(&outbox, plain(server.port()), timing());
        let mail = outbox.queue_notice("ada@example.org", now()).await;
        becomes(&outbox, mail.id, "dead").await;
        worker.stop().await;
        let fate = outbox.fate(mail.id).await.unwrap();
        assert_eq!((fate.attempts, fate.last_error.as_deref()), (1, Some(reason)));
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_server_or_our_account_there_kills_no_mail() {
    let outbox = TestOutbox::sqlite().await;
    type Refusal = (fn(&Stage) -> bool, u16, &'static str);
    let refusals: [Refusal; 4] = [
        (|stage| *stage == Stage::Connected, 554, "connecting: 554"),
        (|stage| matches!(stage, Stage::Ehlo(_)), 550, "connecting: 550"),
        (|stage| matches!(stage, Stage::MailFrom(_)), 550, "MAIL FROM: 550"),
        (|stage| matches!(stage, Stage::RcptTo(_)), 530, "RCPT TO: 530"),
    ];
    let server = SmtpServer::start().await;
    let mail = outbox.queue_notice("ada@example.org", now()).await;
    let worker = Running::start(&outbox, plain(server.port()), timing());
    for (refuses, code, reason) in refusals {
        server.set_script(move |stage| {
            if refuses(&stage) {
                Action::reply(code, "no")
            } else {
                Action::Continue
            }
        });
        fails_with(&outbox, mail.id, reason).await;
    }
    server.behave();
    becomes(&outbox, mail.id, "sent").await;
    worker.stop().await;
}

#[tokio::test]
async fn attempts_end_and_the_mail_is_dead() {
    let outbox = TestOutbox::sqlite().await;
    let server = SmtpServer::builder().script(|_| Action::Drop).start().await;
    let short = Timing {
        pauses: vec![Duration::from_millis(20); 2],
        ..timing()
    };
    let worker = Running::start(&outbox, plain(server.port()), short);
    let mail = outbox.queue_notice("ada@example.org", now()).await;
    becomes(&outbox, mail.id, "dead").await;
    worker.stop().await;
    assert_eq!(outbox.fate(mail.id).await.unwrap().attempts, 3);
}

#[tokio::test]
async fn a_server_that_stalls_anywhere_is_given_up_and_tried_again() {
    let outbox = TestOutbox::sqlite().await;
    let stages: [fn(&Stage) -> bool; 5] = [
        |stage| *stage == Stage::Connected,
        |stage| matches!(stage, Stage::Ehlo(_)),
        |stage| matches!(stage, Stage::RcptTo(_)),
        |stage| *stage == Stage::Data,
        |stage| matches!(stage, Stage::Body(_)),
    ];
    for stalls in stages {
        let server = SmtpServer::builder()
            .script(move |stage| {
                if stalls(&stage) {
                    Action::Stall
                } else {
                    Action::Continue
                }
            })
            .start()
            .await;
        let impatient = Timing {
            send_within: Duration::from_millis(200),
            ..timing()
        };
        let worker = Running::start(&outbox, plain(server.port()), impatient);
        let mail = outbox.queue_notice("ada@example.org", now()).await;
        fails_with(&outbox, mail.id, "too long").await;
        server.behave();
        becomes(&outbox, mail.id, "sent").await;
        worker.stop().await;
        assert_eq!(server.messages().len(), 1);
    }
}

#[tokio::test]
async fn nothing_goes_out_in_the_clear_where_tls_is_wanted() {
    let outbox = TestOutbox::sqlite().await;
    let server = SmtpServer::builder().credentials("edu", "secret").start().await;
    let config = SmtpConfig {
        username: Some("edu".to_owned()),
        password: Some(Secret::new("secret".to_owned())),
        use_tls: true,
        ..plain(server.port())
    };
    let worker = Running::start(&outbox, config, timing());
    let mail = outbox.queue_notice("ada@example.org", now()).await;
    fails_with(&outbox, mail.id, "STARTTLS").await;
    worker.stop().await;
    assert_eq!(outbox.state(mail.id).await, "queued");
    assert!(server.logins().is_empty());
    let said = server.transcript();
    assert!(
        said.iter()
            .all(|line| !line.contains("MAIL") && !line.contains("AUTH …")),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_not_trusted() {
    let outbox = TestOutbox::sqlite().await;
    let server = SmtpServer::builder()
        .starttls(&Certificate::for_localhost())
        .start()
        .await;
    let worker = Running::start(
        &outbox,
        SmtpConfig {
            use_tls: true,
            ..plain(server.port())
        },
        timing(),
    );
    let mail = outbox.queue_notice("ada@example.org", now()).await;
    fails_with(&outbox, mail.id, "STARTTLS").await;
    worker.stop().await;
    assert!(server.messages().is_empty());
}

#[tokio::test]
async fn a_wrong_password_kills_no_mail() {
    let outbox = TestOutbox::sqlite().await;
    let server = SmtpServer::builder().credentials("edu", "secret").start().await;
    let config = |password: &str| SmtpConfig {
        username: Some("edu".to_owned()),
        password: Some(Secret::new(password.to_owned())),
        ..plain(server.port())
    };
    let mail = outbox.queue_notice("ada@example.org", now()).await;
    let worker = Running::start(&outbox, config("guess"), timing());
    fails_with(&outbox, mail.id, "logging in: 535").await;
    worker.stop().await;
    let worker = Running::start(&outbox, config("secret"), timing());
    let message = server.next_to("ada@example.org", SOON).await;
    assert_eq!(message.login.as_deref(), Some("edu"));
    worker.stop().await;
}

#[tokio::test]
async fn mail_waits_for_a_server_that_is_down() {
    let outbox = TestOutbox::sqlite().await;
    let address = SmtpServer::start().await.stop().await;
    let worker = Running::start(&outbox, plain(address.port()), timing());
    let mut mails = Vec::new();
    for _ in 0..10 {
        mails.push(outbox.queue_link("ada@example.org", now(), DAY).await);
    }
    for mail in &mails {
        fails_with(&outbox, mail.id, "refused").await;
    }
    let server = SmtpServer::builder().address(address).start().await;
    for mail in &mails {
        becomes(&outbox, mail.id, "sent").await;
    }
    worker.stop().await;
    assert_eq!(server.messages().len(), mails.len());
}

async fn many_mails_and_two_workers_make_one_of_each(outbox: TestOutbox) {
    const MAILS: usize = 60;
    let server = SmtpServer::start().await;
    let workers = [(); 2].map(|()| Running::start(&outbox, plain(server.port()), timing()));
    let mut mails = Vec::new();
    for number in 0..MAILS {
        mails.push(
            outbox
                .queue_notice(&format!("ada{number}@example.org"), now())
                .await,
        );
    }
    for mail in &mails {
        becomes(&outbox, mail.id, "sent").await;
    }
    for worker in workers {
        worker.stop().await;
    }
    let messages = server.messages();
    let recipients: HashSet<_> = messages
        .iter()
        .map(|message| message.recipients.clone())
        .collect();
    assert_eq!((messages.len(), recipients.len()), (MAILS, MAILS));
}

async fn mail_that_is_due_after_its_link_expired_is_never_sent(outbox: TestOutbox) {
    let server = SmtpServer::builder()
        .script(|_| Action::reply(421, "not now"))
        .start()
        .await;
    let worker = Running::start(&outbox, plain(server.port()), timing());
    let mail = outbox
        .queue_link("ada@example.org", now(), TimeDelta::milliseconds(500))
        .await;
    becomes(&outbox, mail.id, "expired").await;
    assert!(outbox.fate(mail.id).await.unwrap().attempts >= 1);
    server.behave();
    let other = outbox.queue_notice("grace@example.org", now()).await;
    becomes(&outbox, other.id, "sent").await;
    worker.stop().await;
    assert!(
        server
            .messages()
            .iter()
            .all(|message| message.is_to("grace@example.org"))
    );
}

#[tokio::test]
async fn sending_stops_at_the_moment_the_link_expires() {
    let outbox = TestOutbox::sqlite().await;
    let server = SmtpServer::builder().script(|_| Action::Stall).start().await;
    let worker = Running::start(&outbox, plain(server.port()), timing());
    let mail = outbox
        .queue_link("ada@example.org", now(), TimeDelta::milliseconds(300))
        .await;
    // Sending may take five seconds; this mail's link is not good for that long.
    tokio::time::timeout(Duration::from_secs(4), becomes(&outbox, mail.id, "expired"))
        .await
        .unwrap();
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_that_is_asked_to_stop_finishes_the_mail_in_hand() {
    let outbox = TestOutbox::sqlite().await;
    let server = SmtpServer::start().await;
    server.set_script(|stage| match stage {
        Stage::Body(_) => Action::Dribble(Duration::from_millis(50)),
        _ => Action::Continue,
    });
    let worker = Running::start(&outbox, plain(server.port()), timing());
    let mail = outbox.queue_notice("ada@example.org", now()).await;
    server.next_to("ada@example.org", SOON).await;
    worker.stop().await;
    assert_eq!(outbox.state(mail.id).await, "sent");
}

#[tokio::test]
async fn a_worker_that_is_asked_to_stop_does_not_wait_for_ever() {
    let outbox = TestOutbox::sqlite().await;
    let server = SmtpServer::builder().script(|_| Action::Stall).start().await;
    let hasty = Timing {
        finish_within: Duration::from_millis(100),
        ..timing()
    };
    let worker = Running::start(&outbox, plain(server.port()), hasty);
    let mail = outbox.queue_notice("ada@example.org", now()).await;
    while server.connections() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::timeout(Duration::from_secs(4), worker.stop())
        .await
        .unwrap();
    assert_eq!(outbox.state(mail.id).await, "queued");
}

/// The variable that tells the other process of the next test where the mail server is.
const PORT: &str = "MAIL_WORKER_TEST_PORT";

#[tokio::test]
async fn mail_goes_over_starttls_to_a_server_that_the_machine_trusts() {
    let certificate = Certificate::for_localhost();
    let server = SmtpServer::builder()
        .starttls(&certificate)
        .credentials("edu", "secret")
        .start()
        .await;
    let root = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(root.path(), certificate.pem()).unwrap();
    // What the machine trusts is read from the environment of a process, so it takes another one.
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "the_other_process_that_sends_over_starttls",
        ])
        .env("SSL_CERT_FILE", root.path())
        .env(PORT, server.port().to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let message = server.next_to("ada@example.org", SOON).await;
    assert!(message.encrypted);
    assert_eq!(message.login.as_deref(), Some("edu"));
    assert!(other.wait().unwrap().success());
}

#[tokio::test]
#[ignore = "the other process of the test above"]
async fn the_other_process_that_sends_over_starttls() {
    #[allow(clippy::disallowed_methods, reason = "how this process knows its server")]
    let Ok(port) = std::env::var(PORT) else { return };
    let config = SmtpConfig {
        username: Some("edu".to_owned()),
        password: Some(Secret::new("secret".to_owned())),
        use_tls: true,
        ..plain(port.parse().unwrap())
    };
    let outbox = TestOutbox::sqlite().await;
    let worker = Running::start(&outbox, config, timing());
    let mail = outbox.queue_notice("ada@example.org", now()).await;
    becomes(&outbox, mail.id, "sent").await;
    worker.stop().await;
}
