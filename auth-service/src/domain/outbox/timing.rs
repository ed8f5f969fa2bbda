//! When the outbox does what.

use std::time::Duration;

use chrono::TimeDelta;

/// How long finished mail, also dead mail, can be looked at.
pub const KEPT: TimeDelta = TimeDelta::days(7);

/// The times and bounds of the worker.
#[derive(Debug, Clone)]
pub struct Timing {
    /// How many mails are sent at the same time.
    pub at_once: usize,
    /// How often the worker looks for mail that nobody rang for: retries, and mail of replicas that died.
    pub poll: Duration,
    /// How long sending one mail may take.
    pub send_within: Duration,
    /// How long a claimed mail belongs to its worker. It outlasts `send_within`, with room for a slow database
    /// and for clocks that differ; otherwise two workers could send the same mail.
    pub lease: Duration,
    /// The pauses after failed attempts, the first one first; when they are used up the mail is dead.
    pub pauses: Vec<Duration>,
    /// The longest pause for a mail that expires: somebody is waiting for it. It is tried until it expires.
    pub longest_wait_for_link: Duration,
    /// How often mail is given up that has expired, and finished mail removed that is older than `keep`.
    pub tidy: Duration,
    /// How long finished mail can be looked at.
    pub keep: TimeDelta,
    /// How long mail in hand may take once the process is asked to stop.
    pub finish_within: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Self {
            at_once: 4,
            poll: Duration::from_secs(1),
            send_within: Duration::from_secs(40),
            lease: Duration::from_secs(60),
            pauses: vec![
                Duration::from_secs(15),
                minutes(1),
                minutes(5),
                minutes(15),
                minutes(60),
                minutes(2 * 60),
                minutes(4 * 60),
                minutes(8 * 60),
                minutes(9 * 60),
            ],
            longest_wait_for_link: minutes(1),
            tidy: minutes(1),
            keep: KEPT,
            finish_within: Duration::from_secs(20),
        }
    }
}

impl Timing {
    /// The pause after the failed attempt number `attempt`, counted from 1; `None` when it was the last one.
    /// `chance` moves it by up to a fifth either way, so that mail that failed together does not return together.
    pub(super) fn pause_after(&self, attempt: i64, expires: bool, chance: u8) -> Option<Duration> {
        let place = usize::try_from(attempt - 1).unwrap_or(0);
        let pause = match self.pauses.get(place) {
            Some(pause) if expires => (*pause).min(self.longest_wait_for_link),
            Some(pause) => *pause,
            None if expires => self.longest_wait_for_link,
            None => return None,
        };
        Some(pause.mul_f64(0.8 + 0.4 * f64::from(chance) / f64::from(u8::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_lease_outlasts_sending_and_the_first_retry_comes_within_a_minute() {
        let timing = Timing::default();
        assert!(timing.send_within + Duration::from_secs(10) < timing.lease);
        assert!(timing.pause_after(1, false, u8::MAX).unwrap() < Duration::from_secs(60));
    }

    #[test]
    fn mail_without_an_end_is_given_up_after_about_a_day() {
        let timing = Timing::default();
        let all: Duration = (1..)
            .map_while(|attempt| timing.pause_after(attempt, false, 128))
            .sum();
        assert!((23..27).contains(&(all.as_secs() / 3_600)), "{all:?}");
    }

    #[test]
    fn mail_that_expires_is_tried_every_minute_to_its_end() {
        let timing = Timing::default();
        for attempt in [3, 9, 10, 1_000, i64::MAX] {
            let pause = timing.pause_after(attempt, true, 0).unwrap();
            assert!(
                (Duration::from_secs(40)..=Duration::from_secs(60)).contains(&pause),
                "{pause:?}"
            );
        }
    }
}
