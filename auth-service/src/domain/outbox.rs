//! Queued mail reaches its reader: claimed under a lease, sent, and what became of it recorded. A process may
//! die at any point. Then the lease runs out and another worker sends the mail; it is sent twice only if the
//! mail server took it and the process died before that was recorded, and then with the same `Message-ID`.

mod bell;
mod timing;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use service_runtime::{clock::Clock, entropy::Entropy, lifecycle::Tasks};
use tokio::{task::JoinSet, time::Instant};
use uuid::Uuid;

pub use self::{
    bell::Bell,
    timing::{KEPT, Timing},
};
use crate::{
    domain::mail_token::MailTokens,
    mail::{Mailer, SendError, message::Composer},
    model::mail::{ClaimedMail, MailKind, Outcome},
    store::Store,
};

/// How many finished mails one tidying removes at most.
const TIDY_AT_MOST: i64 = 1_000;
/// How many events an alarm tells of one by one.
const TOLD_IN_AN_ALARM: i64 = 10;
/// The pause before what became of a mail is recorded again after the database failed.
const RECORD_AGAIN: Duration = Duration::from_millis(500);
/// The pause after the database failed to hand out mail.
const CLAIM_AGAIN: Duration = Duration::from_secs(5);

/// Sends queued mail. Any number of workers, in any number of processes, may share an outbox.
#[derive(Debug)]
pub struct Worker {
    /// Where mail is queued.
    pub store: Store,
    /// Makes the text of the tokens in links.
    pub tokens: MailTokens,
    /// Makes the messages.
    pub composer: Composer,
    /// Sends them.
    pub mailer: Mailer,
    /// The time.
    pub clock: Clock,
    /// Chance, for leases and for pauses.
    pub entropy: Entropy,
    /// When it does what.
    pub timing: Timing,
}

impl Worker {
    /// Works until the tasks are asked to stop, and then finishes the mail in hand.
    pub async fn run(self, bell: Bell, tasks: Tasks) {
        let worker = Arc::new(self);
        let mut sending = JoinSet::new();
        let mut tidy_at = Instant::now();
        while !tasks.is_stopping() {
            if tidy_at <= Instant::now() {
                worker.tidy().await;
                tidy_at = Instant::now() + worker.timing.tidy;
            }
            let look_again = worker.start_due(&mut sending).await;
            let has_room = sending.len() < worker.timing.at_once;
            tokio::select! {
                Some(ended) = sending.join_next() => {
                    if ended.is_err() {
                        tracing::error!("sending a mail crashed; it is sent again when its lease has run out");
                    }
                }
                () = bell.rung(), if has_room => {}
                () = tokio::time::sleep(look_again), if has_room => {}
                () = tasks.stopping() => {}
            }
        }
        let finish = async { while sending.join_next().await.is_some() {} };
        if tokio::time::timeout(worker.timing.finish_within, finish)
            .await
            .is_err()
        {
            tracing::warn!("stopped with mail in hand; it will be sent again");
        }
    }

    /// Starts to send as much due mail as there is room for; says when to look again.
    ///
    /// No more is claimed than is started at once: what waited here would wait on its lease.
    async fn start_due(self: &Arc<Self>, sending: &mut JoinSet<()>) -> Duration {
        let room = self.timing.at_once.saturating_sub(sending.len());
        if room == 0 {
            return self.timing.poll;
        }
        let now = self.clock.now();
        let claim = async {
            let lease = self.entropy.new_id(now).map_err(|error| error.to_string())?;
            let limit = i64::try_from(room).unwrap_or(i64::MAX);
            let claimed = self.store.claim_mail(now, self.lease(), limit, lease).await;
            claimed
                .map(|mails| (lease, mails))
                .map_err(|error| error.to_string())
        };
        match claim.await {
            Ok((lease, mails)) => {
                for mail in mails {
                    let worker = Arc::clone(self);
                    sending.spawn(async move { worker.deliver(mail, lease).await });
                }
                self.timing.poll
            }
            Err(error) => {
                tracing::error!(error, "queued mail cannot be read");
                CLAIM_AGAIN
            }
        }
    }

    /// Sends one mail and records what became of it.
    async fn deliver(&self, claimed: ClaimedMail, lease: Uuid) {
        let outcome = self.attempt(&claimed).await;
        let (mail, kind, attempt) = (claimed.mail.id, claimed.mail.kind.as_str(), claimed.attempt);
        match &outcome {
            Outcome::Sent => tracing::info!(%mail, kind, attempt, "mail sent"),
            Outcome::PutOff { until, reason } => {
                tracing::warn!(%mail, kind, attempt, reason, %until, "mail could not be sent; it will be tried again");
            }
            Outcome::Dead { reason } => {
                tracing::error!(%mail, kind, attempt, reason, "mail cannot be sent and is given up");
            }
        }
        let word = match &outcome {
            Outcome::Sent => "sent",
            Outcome::PutOff { .. } => "put_off",
            Outcome::Dead { .. } => "dead",
        };
        metrics::counter!("mail_attempts_total", "outcome" => word).increment(1);
        self.record(mail, lease, &outcome).await;
    }

    async fn attempt(&self, claimed: &ClaimedMail) -> Outcome {
        let mail = &claimed.mail;
        let token = mail
            .token_id
            .zip(mail.kind.purpose())
            .map(|(id, purpose)| self.tokens.token(id, purpose));
        let composed = match mail.kind {
            MailKind::SecurityAlarm => match self.store.alarm(mail.id, TOLD_IN_AN_ALARM).await {
                Ok(alarm) => self.composer.compose_alarm(mail, &alarm),
                Err(error) => return self.try_again(claimed, error.to_string()),
            },
            _ => self.composer.compose(mail, token.as_ref()),
        };
        let message = match composed {
            Ok(message) => message,
            Err(unmailable) => {
                return Outcome::Dead {
                    reason: unmailable.to_string(),
                };
            }
        };
        let sent = tokio::time::timeout(self.time_left(mail.expires_at), self.mailer.send(&message)).await;
        match sent {
            Ok(Ok(())) => Outcome::Sent,
            Ok(Err(SendError::Permanent(reason))) => Outcome::Dead { reason },
            Ok(Err(SendError::Transient(reason))) => self.try_again(claimed, reason),
            Err(_) => self.try_again(claimed, "sending took too long".to_owned()),
        }
    }

    /// How long sending may take: never beyond the moment at which the link is worth nothing.
    fn time_left(&self, expires_at: Option<DateTime<Utc>>) -> Duration {
        let left = expires_at.map(|end| (end - self.clock.now()).to_std().unwrap_or_default());
        left.unwrap_or(Duration::MAX).min(self.timing.send_within)
    }

    fn try_again(&self, claimed: &ClaimedMail, reason: String) -> Outcome {
        let expires = claimed.mail.expires_at.is_some();
        // Without chance the pause is just not moved.
        let chance = self.entropy.bytes().map_or(u8::MAX / 2, |[byte]: [u8; 1]| byte);
        match self.timing.pause_after(claimed.attempt, expires, chance) {
            Some(pause) => Outcome::PutOff {
                until: self.clock.now() + TimeDelta::from_std(pause).unwrap_or_default(),
                reason,
            },
            None => Outcome::Dead { reason },
        }
    }

    /// Records what became of a mail, for as long as the lease makes that worth while: a mail whose success is
    /// not recorded is sent again.
    async fn record(&self, mail: Uuid, lease: Uuid, outcome: &Outcome) {
        let recording = async {
            loop {
                match self
                    .store
                    .settle_mail(mail, lease, self.clock.now(), outcome)
                    .await
                {
                    Ok(recorded) => return recorded,
                    Err(error) => tracing::error!(%mail, %error, "what became of a mail cannot be recorded"),
                }
                tokio::time::sleep(RECORD_AGAIN).await;
            }
        };
        if !tokio::time::timeout(self.timing.lease, recording)
            .await
            .unwrap_or(false)
        {
            tracing::warn!(%mail, "the lease of a mail was lost before its outcome was recorded");
        }
    }

    /// Gives up what has expired, and removes what was finished long ago.
    async fn tidy(&self) {
        let now = self.clock.now();
        match self.store.expire_mail(now).await {
            Ok(0) => {}
            Ok(count) => tracing::warn!(count, "mail was given up: its link was no longer good"),
            Err(error) => tracing::error!(%error, "expired mail cannot be given up"),
        }
        if let Err(error) = self
            .store
            .purge_finished_mail(now - self.timing.keep, TIDY_AT_MOST)
            .await
        {
            tracing::error!(%error, "finished mail cannot be removed");
        }
        if let Ok((count, oldest)) = self.store.waiting_mail().await {
            let age = oldest
                .and_then(|oldest| (now - oldest).to_std().ok())
                .unwrap_or_default();
            metrics::gauge!("mail_queued").set(u32::try_from(count).unwrap_or(u32::MAX));
            metrics::gauge!("mail_oldest_queued_seconds").set(age.as_secs_f64());
        }
    }

    fn lease(&self) -> TimeDelta {
        TimeDelta::from_std(self.timing.lease).unwrap_or_default()
    }
}
