//! Housekeeping: accounts never verified, sessions, tokens, answers and events that have had their time.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use service_runtime::{clock::Clock, lifecycle::Tasks};

use crate::{
    domain::outbox,
    store::{Error, Store},
};

/// How often a process cleans up.
const EVERY: Duration = Duration::from_secs(60);
/// How many rows one statement removes.
const BATCH: i64 = 500;
/// How long the leftovers of sessions are kept after they ran out, for whoever looks into them.
const SESSIONS_KEPT: TimeDelta = TimeDelta::days(1);
/// How much longer than a token lives the changes are kept that make it worthless, for clocks that disagree.
const MARGIN: TimeDelta = TimeDelta::minutes(5);
/// How long a lane is kept in which nothing is owed: who has to wait for a turn has to be remembered.
const LANES_KEPT: TimeDelta = TimeDelta::minutes(30);

/// Removes what has had its time; one process or several, it makes no difference.
#[derive(Debug, Clone)]
pub struct Cleanup {
    /// Where.
    pub store: Store,
    /// When it is.
    pub clock: Clock,
    /// How long an account may stay unverified.
    pub unverified_retention: TimeDelta,
    /// How long an access token lives: as long is told which sessions are over.
    pub access_lifetime: TimeDelta,
    /// How long a security event is kept.
    pub event_retention: TimeDelta,
}

impl Cleanup {
    /// Cleans up now and then, until asked to stop.
    pub async fn run(self, tasks: Tasks) {
        loop {
            if let Err(error) = self.once(self.clock.now()).await {
                tracing::warn!(%error, "cleaning up failed; it is tried again");
            }
            if !tasks.sleep(EVERY).await {
                return;
            }
        }
    }

    /// Removes everything that has had its time at `now`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn once(&self, now: DateTime<Utc>) -> Result<(), Error> {
        while self
            .store
            .remove_unverified_users(now - self.unverified_retention, BATCH)
            .await?
            > 0
        {}
        while self.store.remove_old_sessions(now - SESSIONS_KEPT, BATCH).await? > 0 {}
        // A token takes its mail with it, and finished mail can be looked at for as long as this.
        while self
            .store
            .remove_old_mail_tokens(now - outbox::KEPT, BATCH)
            .await?
            > 0
        {}
        let changes_kept = self.access_lifetime + MARGIN;
        while self
            .store
            .remove_old_security_changes(now - changes_kept, BATCH)
            .await?
            > 0
        {}
        while self.store.remove_old_throttles(now - LANES_KEPT, BATCH).await? >= BATCH.unsigned_abs() {}
        while self.store.forget_answers(now, BATCH).await? > 0 {}
        while self
            .store
            .remove_old_events(now - self.event_retention, BATCH)
            .await?
            > 0
        {}
        Ok(())
    }
}
