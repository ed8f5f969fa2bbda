//! The alarm: critical events reach a person by mail, the first at once, those that follow within a quarter of an hour
//! as one, so that no attack can flood a mailbox.

use std::time::Duration;

use chrono::TimeDelta;
use service_runtime::{clock::Clock, entropy::Entropy, lifecycle::Tasks};

use crate::{
    domain::{error::Error, outbox::Bell},
    model::{
        mail::{MailKind, NewMail},
        username::Username,
    },
    store::Store,
};

/// How often a process looks for critical events.
const EVERY: Duration = Duration::from_secs(1);
/// How long after a mail the next one is sent at the earliest.
pub const PAUSE: TimeDelta = TimeDelta::minutes(15);

/// Tells a person of critical events; one process or several, it makes no difference.
#[derive(Debug, Clone)]
pub struct Alarms {
    /// Where events wait.
    pub store: Store,
    /// When it is.
    pub clock: Clock,
    /// Where ids come from.
    pub entropy: Entropy,
    /// Rung when mail was queued.
    pub bell: Bell,
    /// Who is told.
    pub recipient: Username,
}

impl Alarms {
    /// Looks now and then, until asked to stop.
    pub async fn run(self, tasks: Tasks) {
        while tasks.sleep(EVERY).await {
            if let Err(error) = self.once().await {
                tracing::warn!(%error, "an alarm cannot be raised; it is tried again");
            }
        }
    }

    async fn once(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let mail = NewMail {
            id: self.entropy.new_id(now)?,
            kind: MailKind::SecurityAlarm,
            recipient: self.recipient.as_str().to_owned(),
            token_id: None,
            created_at: now,
            expires_at: None,
        };
        if self.store.raise_alarm(&mail, PAUSE).await? {
            self.bell.ring();
        }
        Ok(())
    }
}
