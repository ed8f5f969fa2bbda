//! The process that is killed: a worker of the service and nothing else, told by its environment where its
//! database and mail server are, and how late it lives.

pub mod hold;

use std::{
    io::Read,
    process::{Child, Command, ExitCode, Stdio},
    thread::JoinHandle,
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
    store::Store,
};
use chrono::TimeDelta;
use service_runtime::{
    clock::Clock, entropy::Entropy, lifecycle::Tasks, mac::Mac, secret::Secret, settings::Environment,
};

const DATABASE: &str = "MAIL_VICTIM_DATABASE";
const PORT: &str = "MAIL_VICTIM_PORT";
const LATER: &str = "MAIL_VICTIM_LATER";

/// What a victim was told.
pub struct Orders {
    database: String,
    port: u16,
    /// Zero: it lives now. Otherwise its clock stands still that much later.
    later: Duration,
}

/// What this process was told; `None`: it is no victim.
pub fn orders() -> Option<Orders> {
    let read = |name| std::env::var(name).ok();
    Some(Orders {
        database: read(DATABASE)?,
        port: read(PORT)?.parse().ok()?,
        later: Duration::from_secs(read(LATER)?.parse().ok()?),
    })
}

/// The life of a victim: a worker with the timing of production, until it is killed or its killer is gone.
pub fn live(orders: Orders) -> ExitCode {
    service_runtime::telemetry::start(Environment::Development, Some("trace"));
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(1);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let now = Clock::system();
        let clock = if orders.later.is_zero() {
            now
        } else {
            Clock::turnable(now.now() + TimeDelta::from_std(orders.later).unwrap())
        };
        let config = SmtpConfig {
            host: "127.0.0.1".to_owned(),
            port: orders.port,
            username: None,
            password: None,
            use_tls: false,
        };
        let worker = Worker {
            store: Store::connect(&orders.database).await.unwrap(),
            tokens: MailTokens::new(Mac::derive(&[Secret::new(b"a key".to_vec())], "mail-token")),
            composer: Composer::new(sender("edu@example.org").unwrap(), "https://edu.example.org"),
            mailer: Mailer::new(MailDestination::Smtp(config)).unwrap(),
            clock,
            entropy: Entropy::default(),
            timing: Timing {
                poll: Duration::from_millis(20),
                ..Timing::default()
            },
        };
        worker.run(Bell::default(), Tasks::default()).await;
    });
    ExitCode::SUCCESS
}

/// A running victim, seen from outside.
pub struct Victim {
    child: Child,
    log: JoinHandle<String>,
}

impl Victim {
    /// Starts one.
    pub fn start(database: &str, port: u16, later: Duration) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(DATABASE, database)
            .env(PORT, port.to_string())
            .env(LATER, later.as_secs().to_string())
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            let _ = stderr.read_to_string(&mut log);
            log
        });
        Self { child, log }
    }

    /// Ends it with SIGKILL.
    ///
    /// # Panics
    /// If it has ended before, or has logged an address or a token at any level.
    pub fn kill(mut self) {
        let ended_before = self.child.try_wait().unwrap();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let log = self.log.join().unwrap();
        assert!(
            ended_before.is_none(),
            "the worker ended by itself: {ended_before:?}\n{log}"
        );
        assert!(
            !log.contains('@') && !log.contains("oem_"),
            "an address or a token was logged:\n{log}"
        );
    }
}
