//! When keys go from state to state, and the worker that takes them there. Every process has one; the database lets one
//! of them do what is due.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use service_runtime::lifecycle::Tasks;

use super::{KeyRing, PublicKey};
use crate::{
    domain::error::Error,
    model::signing_key::{KeyState, StoredKey},
};

/// How long a key is published before it may sign: longer than the slowest of those who verify can go without knowing
/// it. Who follows the stream knows it within a second. Who reads the key set over HTTP keeps it for as long as the
/// gateway's `Cache-Control` allows; this is twice that, for commits and clocks that are late.
/// `local-cluster/tests/journeys/account.rs` holds the two together.
pub const LEAD: TimeDelta = TimeDelta::minutes(10);
/// How often a process looks after the keys, if nothing is due before.
const EVERY: Duration = Duration::from_secs(60);
/// How soon it looks again at the earliest.
const SOONEST: Duration = Duration::from_millis(100);
/// How much longer than the last token a retiring key is kept, for clocks that disagree.
const MARGIN: TimeDelta = TimeDelta::minutes(5);

/// How long keys stay in their states.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How long a key is published before it may sign.
    pub lead: TimeDelta,
    /// How long a key signs.
    pub rotation_interval: TimeDelta,
    /// How long an access token lives, and so a key that retires.
    pub token_lifetime: Duration,
}

impl Timing {
    /// From when on a key may leave its state.
    pub(super) fn end_of(&self, key: &StoredKey) -> DateTime<Utc> {
        match key.state {
            KeyState::Next => key.may_sign_from,
            KeyState::Active => key.since + self.rotation_interval,
            KeyState::Retiring => key.since + self.kept(),
        }
    }

    /// How long a key is kept once it does not sign any more.
    fn kept(&self) -> TimeDelta {
        TimeDelta::from_std(self.token_lifetime).unwrap_or(TimeDelta::days(1)) + MARGIN
    }
}

impl KeyRing {
    /// Takes keys to their next states when it is time, and makes what is missing, until asked to stop.
    pub async fn follow_schedule(self, tasks: Tasks) {
        loop {
            let pause = match self.do_what_is_due().await {
                Ok(()) => self.until_rotation(self.clock.now()).clamp(SOONEST, EVERY),
                Err(error) => {
                    tracing::warn!(%error, "the signing keys could not be looked after; it is tried again");
                    EVERY
                }
            };
            if !tasks.sleep(pause).await {
                return;
            }
        }
    }

    /// Rotates the keys if the schedule says so and they allow it, and removes those that no token needs.
    ///
    /// # Errors
    /// When the database cannot serve.
    pub async fn do_what_is_due(&self) -> Result<(), Error> {
        let (store, timing, now) = (&self.source.store, &self.source.timing, self.clock.now());
        self.source.complete(now).await?;
        self.look().await?;
        if self.until_rotation(now).is_zero() {
            let active_by = now - timing.rotation_interval;
            if self.activate_next(Some(active_by), now).await? {
                tracing::info!("the next signing key signs from now on");
            }
        }
        let is_old = |key: &PublicKey| key.state == KeyState::Retiring && key.until < now;
        if self.public_keys().iter().any(is_old) {
            store.remove_signing_keys(now - timing.kept(), now).await?;
        }
        Ok(())
    }

    /// How long it is until the next key should sign, as far as is known; zero when it should.
    fn until_rotation(&self, now: DateTime<Utc>) -> Duration {
        let keys = self.public_keys();
        let ends = keys.iter().filter(|key| key.state != KeyState::Retiring);
        let due = ends.map(|key| key.until).max().unwrap_or(now);
        (due - now).to_std().unwrap_or_default()
    }
}
