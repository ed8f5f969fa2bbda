//! A running worker, and how to wait for what becomes of its mails.

use std::time::Duration;

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
};
use chrono::TimeDelta;
use service_runtime::{clock::Clock, entropy::Entropy, lifecycle::Tasks, mac::Mac, secret::Secret};
use uuid::Uuid;

use crate::mail_support::TestOutbox;

/// How long anything may take to happen.
pub const SOON: Duration = Duration::from_secs(20);

/// How long the links of the tests are good.
pub const DAY: TimeDelta = TimeDelta::days(1);

/// Who makes the tokens of the links.
pub fn tokens() -> MailTokens {
    MailTokens::new(Mac::derive(&[Secret::new(b"a key".to_vec())], "mail-token"))
}

pub fn plain(port: u16) -> SmtpConfig {
    SmtpConfig {
        host: "localhost".to_owned(),
        port,
        username: None,
        password: None,
        use_tls: false,
    }
}

/// Everything soon, so that tests need not wait.
pub fn timing() -> Timing {
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
pub struct Running {
    tasks: Tasks,
    pub bell: Bell,
}

impl Running {
    pub fn start(outbox: &TestOutbox, config: SmtpConfig, timing: Timing) -> Self {
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

    pub async fn stop(self) {
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

pub async fn becomes(outbox: &TestOutbox, id: Uuid, state: &str) {
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
pub async fn fails_with(outbox: &TestOutbox, id: Uuid, reason: &str) {
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

pub fn now() -> chrono::DateTime<chrono::Utc> {
    Clock::system().now()
}
