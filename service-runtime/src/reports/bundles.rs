//! Reports that are alike, as one: the first is told at once, those that follow within some seconds as one that stands
//! for all of them. So whoever causes a thousand a second causes two in ten seconds.

use std::{
    collections::{HashMap, hash_map::Entry},
    mem,
    time::Duration,
};

use tokio::time::Instant;

use super::{Report, Told};

/// How long a bundle is open.
pub(super) const OPEN: Duration = Duration::from_secs(10);
/// How many may be open before reports are told apart by less.
pub(super) const MOST_OPEN: usize = 1000;

/// The bundles that are open.
pub(super) struct Bundles<R: Report>(HashMap<R::Key, Bundle<R>>);

/// The reports since the last one that was told.
struct Bundle<R> {
    ends: Instant,
    latest: Option<R>,
    count: u32,
    /// Whether one is among them that is like the others only by its coarse key.
    is_coarse: bool,
}

impl<R: Report> Default for Bundles<R> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<R: Report> Bundles<R> {
    /// Takes a report; gives it back if it is to be told now.
    pub(super) fn add(&mut self, report: R, now: Instant) -> Option<Told<R>> {
        let mut key = report.key();
        let is_coarse = self.0.len() >= MOST_OPEN && !self.0.contains_key(&key);
        if is_coarse {
            key = report.coarse_key();
        }
        match self.0.entry(key) {
            Entry::Occupied(bundle) => {
                let bundle = bundle.into_mut();
                bundle.count = bundle.count.saturating_add(1);
                bundle.is_coarse |= is_coarse;
                bundle.latest = Some(report);
                None
            }
            Entry::Vacant(place) => {
                place.insert(Bundle {
                    ends: now + OPEN,
                    latest: None,
                    count: 0,
                    is_coarse: false,
                });
                Some(Told { report, times: 1 })
            }
        }
    }

    /// What is to be told of the bundles that have ended. Of those that go on another one is open from now on.
    pub(super) fn ended(&mut self, now: Instant) -> Vec<Told<R>> {
        let mut told = Vec::new();
        self.0.retain(|_, bundle| {
            if bundle.ends > now {
                return true;
            }
            let summary = bundle.close();
            let goes_on = summary.is_some();
            bundle.ends = now + OPEN;
            told.extend(summary);
            goes_on
        });
        told
    }

    /// What is to be told at the end.
    pub(super) fn close(mut self) -> Vec<Told<R>> {
        self.0.values_mut().filter_map(Bundle::close).collect()
    }
}

impl<R: Report> Bundle<R> {
    /// The latest report, standing for all since the last one that was told. For others than its own kin it does so
    /// without what only it has.
    fn close(&mut self) -> Option<Told<R>> {
        let (mut report, times) = (self.latest.take()?, mem::take(&mut self.count));
        if mem::take(&mut self.is_coarse) && times > 1 {
            report.coarsen();
        }
        Some(Told { report, times })
    }
}
