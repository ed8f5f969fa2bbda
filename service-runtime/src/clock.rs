//! Time as a parameter: what reads the clock takes a [`Clock`], so that tests can turn it.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};

/// Where a process gets the time from. Cheap to clone; clones of a turnable clock turn together.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    /// Microseconds since the Unix epoch.
    Standing(Arc<AtomicI64>),
    /// Microseconds ahead of the machine's clock.
    Ahead(Arc<AtomicI64>),
}

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `start` until it is turned.
    pub fn turnable(start: DateTime<Utc>) -> Self {
        Self(Source::Standing(Arc::new(AtomicI64::new(
            start.timestamp_micros(),
        ))))
    }

    /// The clock of the machine until it is turned, and running like it ever after: one that jumps.
    pub fn jumping() -> Self {
        Self(Source::Ahead(Arc::default()))
    }

    /// The present, in whole microseconds: the precision both databases keep.
    pub fn now(&self) -> DateTime<Utc> {
        #[allow(
            clippy::disallowed_methods,
            reason = "the one place that reads the machine's clock"
        )]
        let machine = || Utc::now().timestamp_micros();
        let micros = match &self.0 {
            Source::System => machine(),
            Source::Standing(micros) => micros.load(Ordering::SeqCst),
            Source::Ahead(micros) => machine().saturating_add(micros.load(Ordering::SeqCst)),
        };
        DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::UNIX_EPOCH)
    }

    /// Turns a clock of a test forward (or back); the machine's clock cannot be turned.
    pub fn turn(&self, by: TimeDelta) {
        if let Source::Standing(micros) | Source::Ahead(micros) = &self.0 {
            micros.fetch_add(by.num_microseconds().unwrap_or(0), Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turnable_clock_moves_only_when_turned_and_with_its_clones() {
        let clock = Clock::turnable(DateTime::UNIX_EPOCH);
        let clone = clock.clone();
        assert_eq!(clock.now(), DateTime::UNIX_EPOCH);
        clone.turn(TimeDelta::seconds(90));
        assert_eq!(clock.now(), DateTime::UNIX_EPOCH + TimeDelta::seconds(90));
    }

    #[test]
    fn a_clock_that_jumps_goes_on() {
        let clock = Clock::jumping();
        let before = clock.now();
        clock.turn(TimeDelta::hours(-1));
        let after = clock.now();
        assert!(after < before - TimeDelta::minutes(59), "{before} {after}");
        assert!(after >= before - TimeDelta::hours(1), "{before} {after}");
    }

    #[test]
    fn the_present_has_whole_microseconds() {
        assert_eq!(Clock::system().now().timestamp_subsec_nanos() % 1_000, 0);
    }
}
