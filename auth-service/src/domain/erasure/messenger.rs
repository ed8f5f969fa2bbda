//! Course-service learns of every erasure, however long it is away: an erasure is claimed, told, and acknowledged.
//! Whoever dies in between leaves it to the next one, and telling it twice is as good as once.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use service_runtime::{
    clock::Clock,
    entropy::Entropy,
    grpc::context::{KnownCaller, RequestContext, new_request_id},
    lifecycle::Tasks,
};
use uuid::Uuid;

use crate::{
    course_client::{CourseClient, NotDone},
    domain::{error::Error, outbox::Bell},
    model::erasure::Heir,
    store::Store,
};

/// How often erasures are looked for that nobody rang for, and how long nothing is told after a failure.
const POLL: Duration = Duration::from_secs(5);
/// How long telling once may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a claimed erasure belongs to who claimed it: longer than telling it takes.
const LEASE: TimeDelta = TimeDelta::seconds(30);
/// The longest pause between two attempts.
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(1);

/// Tells course-service. Any number of them, in any number of processes, may work at once.
#[derive(Clone)]
pub struct Messenger {
    /// Where erasures are noted.
    pub store: Store,
    /// When it is.
    pub clock: Clock,
    /// Where ids come from.
    pub entropy: Entropy,
    /// Who is told.
    pub courses: CourseClient,
    /// Rung for mail.
    pub mail: Bell,
}

/// What a round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// Something was told; there may be more to tell.
    Told,
    /// There was nothing to tell.
    Nothing,
    /// It could not be told now.
    Failed,
}

impl Messenger {
    /// Tells until the tasks are asked to stop. What is not told then is told by whoever starts next.
    pub async fn run(self, bell: Bell, tasks: Tasks) {
        loop {
            let round = tokio::select! {
                round = self.round() => round,
                () = tasks.stopping() => return,
            };
            let pause = match round {
                Round::Told => continue,
                Round::Nothing => tokio::select! {
                    () = bell.rung() => continue,
                    () = tokio::time::sleep(POLL) => true,
                    () = tasks.stopping() => false,
                },
                Round::Failed => tasks.sleep(POLL).await,
            };
            if !pause {
                return;
            }
        }
    }

    /// Tells of one erasure, as far as one call goes.
    pub async fn round(&self) -> Round {
        self.count().await;
        let now = self.clock.now();
        match self.store.claim_erasure(now, now + LEASE).await {
            Ok(None) => Round::Nothing,
            Ok(Some((user_id, attempt))) => self.tell(user_id, attempt).await,
            Err(error) => {
                tracing::warn!(%error, "erasures cannot be read; it is tried again");
                Round::Failed
            }
        }
    }

    async fn tell(&self, user_id: Uuid, attempt: i64) -> Round {
        match self.try_to_tell(user_id).await {
            Ok(()) => Round::Told,
            Err(error) => {
                let until = self.clock.now() + pause_after(attempt);
                tracing::warn!(%user_id, attempt, %error, "course-service has not erased its part; it is told again");
                if let Err(error) = self.store.put_off_erasure(user_id, until).await {
                    tracing::warn!(%user_id, %error, "that it is told again comes with the end of its lease");
                }
                Round::Failed
            }
        }
    }

    async fn try_to_tell(&self, user_id: Uuid) -> Result<(), NotTold> {
        // Anew for each call: whoever is to take over may have gone since the last one.
        let heir = self.store.heir().await?;
        let progress = self
            .courses
            .erase(&self.context(), user_id, heir.as_ref())
            .await?;
        let now = self.clock.now();
        if !progress.is_complete {
            return Ok(self.store.put_off_erasure(user_id, now).await?);
        }
        let heirs = progress.heirs.into_iter().map(|user_id| self.heir(user_id, now));
        let heirs = heirs.collect::<Result<Vec<_>, _>>()?;
        if self.store.acknowledge_erasure(user_id, &heirs, now).await? {
            tracing::info!(%user_id, "course-service has erased its part");
            self.mail.ring();
        }
        Ok(())
    }

    /// Somebody to whom courses went, with an id for the mail.
    fn heir(&self, user_id: Uuid, now: DateTime<Utc>) -> Result<Heir, NotTold> {
        let mail_id = self.entropy.new_id(now).map_err(Error::from)?;
        Ok(Heir { user_id, mail_id })
    }

    /// Notes for the numbers what waits.
    async fn count(&self) {
        if let Ok((count, oldest)) = self.store.waiting_erasures().await {
            let age = oldest.map(|oldest| (self.clock.now() - oldest).to_std().unwrap_or_default());
            metrics::gauge!("erasures_waiting").set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
            metrics::gauge!("erasure_oldest_waiting_seconds").set(age.unwrap_or_default().as_secs_f64());
        }
    }

    fn context(&self) -> RequestContext {
        RequestContext {
            method: "erasures".into(),
            request_id: new_request_id(&self.entropy).into(),
            deadline: Instant::now() + PATIENCE,
            traceparent: None,
            peer: None,
            caller: KnownCaller::default(),
        }
    }
}

/// Why course-service does not know yet.
#[derive(Debug, thiserror::Error)]
enum NotTold {
    #[error(transparent)]
    Course(#[from] NotDone),
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    #[error(transparent)]
    Own(#[from] Error),
}

/// Twice as long after each attempt, at most a minute.
fn pause_after(attempt: i64) -> TimeDelta {
    let doublings = u32::try_from(attempt.clamp(1, 10) - 1).unwrap_or(0);
    TimeDelta::seconds(1 << doublings).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute() {
        let seconds: Vec<i64> = [i64::MIN, 1, 2, 3, 6, 7, i64::MAX]
            .map(|attempt| pause_after(attempt).num_seconds())
            .to_vec();
        assert_eq!(seconds, [1, 1, 2, 4, 32, 60, 60]);
    }
}
