//! Reports of what was seen while requests were answered: gathered off the request, those that are alike as one, and
//! delivered in batches. Reporting never waits and never fails a request; what cannot be taken is counted.
//!
//! What was gathered and not delivered is lost when the process is killed: whatever must not be lost belongs into the
//! transaction that does it.

mod bundles;

use std::{collections::VecDeque, mem, sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, mpsc},
    time::{Instant, timeout},
};

use self::bundles::Bundles;
use crate::{causes::causes, lifecycle::Tasks};

/// How many reports may wait to be looked at.
const LONGEST_QUEUE: usize = 1024;
/// The most reports that are delivered at once.
const LARGEST_BATCH: usize = 256;
/// How often bundles are looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long a delivery may take, and how often one is tried.
const PATIENCE: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 5;
const TOO_LONG: &str = "it took too long";
/// How long the end of the process waits for the last delivery.
const LAST: Duration = Duration::from_secs(3);

/// Something that was seen.
pub trait Report: Send + 'static {
    /// What makes two of them alike.
    type Key: std::hash::Hash + Eq + Send;

    /// Reports with the same key are told as one while a bundle of them is open.
    fn key(&self) -> Self::Key;

    /// The key when there are too many different ones at once.
    fn coarse_key(&self) -> Self::Key;

    /// Forgets what its coarse key does not say, because it stands for others of that key as well.
    fn coarsen(&mut self);
}

/// A report as it is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told<R> {
    /// The report.
    pub report: R,
    /// How many alike it stands for.
    pub times: u32,
}

/// Where reports are delivered.
pub trait Sink<R>: Send + 'static {
    /// Why it did not take some.
    type Error: std::error::Error + 'static;

    /// Takes all of these, from the front. What is left in there after a failure, or when it took too long, is given
    /// again later, or lost.
    fn deliver(
        &mut self,
        batch: &mut VecDeque<Told<R>>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Takes reports. Cheap to clone.
#[derive(Debug)]
pub struct Reports<R> {
    what: &'static str,
    queue: mpsc::Sender<R>,
}

impl<R> Clone for Reports<R> {
    fn clone(&self) -> Self {
        Self {
            what: self.what,
            queue: self.queue.clone(),
        }
    }
}

/// The reports that were taken, until somebody gathers them.
#[derive(Debug)]
pub struct Taken<R> {
    what: &'static str,
    queue: mpsc::Receiver<R>,
}

impl<R: Report> Reports<R> {
    /// Takes reports under this name, which numbers and the log say.
    pub fn new(what: &'static str) -> (Self, Taken<R>) {
        let (sender, queue) = mpsc::channel(LONGEST_QUEUE);
        let reports = Self { what, queue: sender };
        (reports, Taken { what, queue })
    }

    /// Takes a report, or counts that it could not.
    pub fn report(&self, report: R) {
        if self.queue.try_send(report).is_err() {
            count_lost(self.what, 1);
        }
    }
}

impl<R: Report> Taken<R> {
    /// Gathers and delivers until the tasks are asked to stop, and what is left when all of them have ended.
    pub fn deliver_to(self, sink: impl Sink<R>, tasks: &Tasks) {
        let gathering = Arc::new(Mutex::new(Gathering {
            taken: self,
            sink,
            bundles: Bundles::default(),
            batch: VecDeque::new(),
            failures: 0,
        }));
        let (running, stop) = (Arc::clone(&gathering), tasks.clone());
        tasks.spawn("reports", async move {
            let mut gathering = running.lock().await;
            while !stop.is_stopping() {
                gathering.gather(&stop).await;
                gathering.deliver().await;
            }
        });
        tasks.afterwards(async move {
            let mut gathering = gathering.lock().await;
            gathering.gather_the_rest();
            gathering.failures = ATTEMPTS;
            if timeout(LAST, gathering.deliver()).await.is_err() {
                gathering.give_up(TOO_LONG);
            }
        });
    }
}

struct Gathering<R: Report, S> {
    taken: Taken<R>,
    sink: S,
    bundles: Bundles<R>,
    /// What is to be delivered next.
    batch: VecDeque<Told<R>>,
    /// How often that has failed.
    failures: u32,
}

impl<R: Report, S: Sink<R>> Gathering<R, S> {
    /// Waits for something to deliver, for a moment; after a failure for the whole of it.
    async fn gather(&mut self, stop: &Tasks) {
        let tick = tokio::time::sleep(TICK);
        if self.failures > 0 {
            tokio::select! {
                () = tick => {}
                () = stop.stopping() => {}
            }
            return;
        }
        let mut some = Vec::new();
        let queue = &mut self.taken.queue;
        tokio::select! {
            count = queue.recv_many(&mut some, LARGEST_BATCH) => if count == 0 {
                // Nobody is left who could report anything.
                stop.stopping().await;
            },
            () = tick => {}
            () = stop.stopping() => {}
        }
        let now = Instant::now();
        self.batch.extend(self.bundles.ended(now));
        for report in some {
            self.batch.extend(self.bundles.add(report, now));
        }
    }

    fn gather_the_rest(&mut self) {
        self.taken.queue.close();
        let now = Instant::now();
        while let Ok(report) = self.taken.queue.try_recv() {
            self.batch.extend(self.bundles.add(report, now));
        }
        self.batch.extend(mem::take(&mut self.bundles).close());
    }

    async fn deliver(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let failed = match timeout(PATIENCE, self.sink.deliver(&mut self.batch)).await {
            Ok(Ok(())) => {
                self.failures = 0;
                return;
            }
            Ok(Err(error)) => causes(&error),
            Err(_elapsed) => TOO_LONG.to_owned(),
        };
        self.failures += 1;
        if self.failures < ATTEMPTS {
            return;
        }
        self.give_up(&failed);
    }

    fn give_up(&mut self, why: &str) {
        let what = self.taken.what;
        let count: u64 = self.batch.drain(..).map(|told| u64::from(told.times)).sum();
        tracing::error!(what, count, error = why, "reports are lost");
        count_lost(what, count);
        self.failures = 0;
    }
}

fn count_lost(what: &'static str, count: u64) {
    metrics::counter!("reports_lost_total", "what" => what).increment(count);
}

#[cfg(test)]
mod tests;
