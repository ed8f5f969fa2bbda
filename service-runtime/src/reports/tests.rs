//! What becomes of reports: the first at once, the alike as one, none twice, the lost counted.

use std::sync::{Arc, Mutex as Lock};

use super::{
    bundles::{MOST_OPEN, OPEN},
    *,
};
use crate::metrics;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    kind: u32,
    who: u32,
}

/// Who is seen in what stands for different ones.
const NOBODY: u32 = u32::MAX;

fn seen(kind: u32, who: u32) -> Seen {
    Seen { kind, who }
}

fn told(kind: u32, who: u32, times: u32) -> Told<Seen> {
    let report = seen(kind, who);
    Told { report, times }
}

impl Report for Seen {
    type Key = (u32, Option<u32>);

    fn key(&self) -> Self::Key {
        (self.kind, Some(self.who))
    }

    fn coarse_key(&self) -> Self::Key {
        (self.kind, None)
    }

    fn coarsen(&mut self) {
        self.who = NOBODY;
    }
}

#[test]
fn a_flood_is_the_first_and_one_for_all_that_follow() {
    let (mut bundles, begin) = (Bundles::default(), Instant::now());
    assert_eq!(bundles.add(seen(1, 1), begin), Some(told(1, 1, 1)));
    for _ in 0..1000 {
        assert_eq!(bundles.add(seen(1, 1), begin), None);
    }
    assert_eq!(
        bundles.add(seen(1, 2), begin),
        Some(told(1, 2, 1)),
        "somebody else is told apart"
    );
    assert_eq!(bundles.ended(begin + OPEN / 2), []);
    assert_eq!(bundles.ended(begin + OPEN), [told(1, 1, 1000)]);
    // The flood goes on: it is told at the end of the next bundle, not at once.
    assert_eq!(bundles.add(seen(1, 1), begin + OPEN), None);
    assert_eq!(bundles.ended(begin + OPEN * 2), [told(1, 1, 1)]);
    assert_eq!(bundles.ended(begin + OPEN * 3), []);
    assert_eq!(bundles.add(seen(1, 1), begin + OPEN * 3), Some(told(1, 1, 1)));
}

#[test]
fn too_many_different_ones_are_told_apart_by_less() {
    let (mut bundles, now) = (Bundles::default(), Instant::now());
    let at_once = (0..5000).filter_map(|who| bundles.add(seen(1, who), now)).count();
    assert_eq!(at_once, MOST_OPEN + 1);
    assert_eq!(
        bundles.add(seen(2, 0), now),
        Some(told(2, 0, 1)),
        "a flood of one kind hides no other"
    );
    assert_eq!(
        bundles.close(),
        [told(1, NOBODY, 5000 - 1001)],
        "none is forgotten, and nobody blamed for all"
    );
}

#[test]
fn only_what_stands_for_different_ones_is_nobodys() {
    let (mut bundles, begin) = (Bundles::default(), Instant::now());
    let last = u32::try_from(MOST_OPEN).unwrap();
    for who in 0..last {
        bundles.add(seen(1, who), begin);
    }
    assert_eq!(
        bundles.add(seen(1, last), begin),
        Some(told(1, last, 1)),
        "the first of those without a bundle of their own is still itself"
    );
    for _ in 0..2 {
        assert_eq!(bundles.add(seen(1, 7), begin), None, "who has a bundle keeps it");
    }
    assert_eq!(bundles.add(seen(1, last + 1), begin), None);
    let mut ended = bundles.ended(begin + OPEN);
    ended.sort_by_key(|told| told.report.who);
    assert_eq!(
        ended,
        [told(1, 7, 2), told(1, last + 1, 1)],
        "what stands for one alone is that one"
    );
}

/// Keeps what is delivered, and fails as often as it is told to.
#[derive(Clone, Default)]
struct Kept {
    reports: Arc<Lock<Vec<Told<Seen>>>>,
    failures: Arc<Lock<u32>>,
}

impl Sink<Seen> for Kept {
    type Error = std::io::Error;

    async fn deliver(&mut self, batch: &mut VecDeque<Told<Seen>>) -> Result<(), Self::Error> {
        let mut failures = self.failures.lock().unwrap();
        if *failures > 0 {
            *failures -= 1;
            return Err(std::io::Error::other("not now"));
        }
        self.reports.lock().unwrap().extend(batch.drain(..));
        Ok(())
    }
}

#[tokio::test]
async fn what_fails_is_delivered_later_and_what_is_left_at_the_end() {
    let (tasks, kept) = (Tasks::default(), Kept::default());
    *kept.failures.lock().unwrap() = ATTEMPTS - 1;
    let (reports, taken) = Reports::new("test");
    taken.deliver_to(kept.clone(), &tasks);
    reports.report(seen(1, 1));
    while kept.reports.lock().unwrap().is_empty() {
        tokio::time::sleep(TICK / 50).await;
    }
    assert_eq!(*kept.reports.lock().unwrap(), [told(1, 1, 1)]);
    for _ in 0..3 {
        reports.report(seen(1, 1));
    }
    tasks.stop();
    assert!(tasks.finished(Duration::from_secs(5)).await);
    // As one, or on a slow machine, where their bundle had ended by then, as two.
    let times: u32 = kept.reports.lock().unwrap().iter().map(|told| told.times).sum();
    assert_eq!(times, 4);
}

#[tokio::test]
async fn a_sink_that_never_takes_any_does_not_hold_up_the_next() {
    let (tasks, kept) = (Tasks::default(), Kept::default());
    *kept.failures.lock().unwrap() = ATTEMPTS;
    let (reports, taken) = Reports::new("test");
    taken.deliver_to(kept.clone(), &tasks);
    reports.report(seen(1, 1));
    while *kept.failures.lock().unwrap() > 0 {
        tokio::time::sleep(TICK / 50).await;
    }
    reports.report(seen(2, 2));
    while kept.reports.lock().unwrap().is_empty() {
        tokio::time::sleep(TICK / 50).await;
    }
    assert_eq!(*kept.reports.lock().unwrap(), [told(2, 2, 1)]);
    tasks.stop();
    assert!(tasks.finished(Duration::from_secs(5)).await);
}

/// Takes one of each batch, and no more.
struct TakesOne;

impl Sink<Seen> for TakesOne {
    type Error = std::io::Error;

    async fn deliver(&mut self, batch: &mut VecDeque<Told<Seen>>) -> Result<(), Self::Error> {
        batch.pop_front();
        Err(std::io::Error::other("not now"))
    }
}

#[tokio::test]
async fn the_lost_are_counted_by_how_many_they_stand_for_and_the_taken_are_not() {
    metrics::start();
    let (_reports, taken) = Reports::new("lost in a test");
    let many = (0..10).map(|who| told(1, who, 1000 + who)).collect();
    let mut gathering = Gathering {
        taken,
        sink: TakesOne,
        bundles: Bundles::default(),
        batch: many,
        failures: 0,
    };
    for _ in 0..ATTEMPTS {
        gathering.deliver().await;
    }
    assert!(gathering.batch.is_empty());
    let lost: u32 = (ATTEMPTS..10).map(|who| 1000 + who).sum();
    let line = format!("reports_lost_total{{what=\"lost in a test\"}} {lost}");
    let numbers = metrics::written();
    assert!(numbers.lines().any(|written| written == line), "{numbers}");
}

#[tokio::test]
async fn reporting_never_waits() {
    let (reports, taken) = Reports::new("test");
    for who in 0..5000 {
        reports.report(seen(1, who));
    }
    drop(taken);
    reports.report(seen(1, 1));
}
