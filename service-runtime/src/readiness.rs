//! Whether a process can do its work: one latch for each thing it cannot work without. Readiness is about new
//! work; a process that is not ready is still alive.

use std::{collections::BTreeMap, fmt, time::Duration};

use tokio::sync::watch;

use crate::{causes::causes, lifecycle::Tasks};

/// How often a dependency is asked whether it answers.
const PROBE: Duration = Duration::from_secs(2);
/// How often in a row it must fail to answer before its latch closes: one lost packet is no outage.
const FAILURES: u32 = 2;

/// The latches of a process. Cheap to clone; clones are the same latches. Without any it is ready.
#[derive(Debug, Clone)]
pub struct Readiness(watch::Sender<BTreeMap<&'static str, bool>>);

impl Default for Readiness {
    fn default() -> Self {
        Self(watch::Sender::new(BTreeMap::new()))
    }
}

impl Readiness {
    /// Adds a latch, closed, or opens or closes the one of that name.
    pub fn set(&self, dependency: &'static str, ready: bool) {
        self.0
            .send_if_modified(|latches| latches.insert(dependency, ready) != Some(ready));
    }

    /// What the process waits for; nothing when it is ready.
    pub fn missing(&self) -> Vec<&'static str> {
        let latches = self.0.borrow();
        let closed = latches.iter().filter(|(_, ready)| !**ready);
        closed.map(|(dependency, _)| *dependency).collect()
    }

    /// Whether every latch is open.
    pub fn is_ready(&self) -> bool {
        self.0.borrow().values().all(|ready| *ready)
    }

    /// Resolves when a latch has opened or closed since `seen` last looked.
    pub(crate) fn changes(&self) -> watch::Receiver<BTreeMap<&'static str, bool>> {
        self.0.subscribe()
    }

    /// Asks a dependency again and again whether it answers, and keeps its latch true to that. An answer of
    /// `Ok(false)` says nothing either way, such as when everybody is too busy to ask.
    pub async fn follow<E: std::error::Error + 'static>(
        self,
        dependency: &'static str,
        answers: impl AsyncFn() -> Result<bool, E>,
        tasks: Tasks,
    ) {
        let mut failures = 0;
        loop {
            match answers().await {
                Ok(true) => {
                    if failures >= FAILURES {
                        tracing::info!(dependency, "answers again");
                    }
                    failures = 0;
                    self.set(dependency, true);
                }
                Ok(false) => {}
                Err(error) => {
                    failures += 1;
                    if failures == FAILURES {
                        tracing::error!(dependency, error = causes(&error), "does not answer");
                        self.set(dependency, false);
                    }
                }
            }
            if !tasks.sleep(PROBE).await {
                return;
            }
        }
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.missing() {
            missing if missing.is_empty() => formatter.write_str("ready"),
            missing => write!(formatter, "not ready: {}", missing.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
    };

    use super::*;

    #[test]
    fn one_closed_latch_is_enough() {
        let readiness = Readiness::default();
        assert_eq!(readiness.to_string(), "ready");
        readiness.set("database", false);
        readiness.set("keys", true);
        assert_eq!(readiness.to_string(), "not ready: database");
        readiness.set("database", true);
        assert!(readiness.is_ready());
    }

    #[tokio::test]
    async fn a_latch_follows_its_dependency() {
        let (readiness, tasks, up) = (
            Readiness::default(),
            Tasks::default(),
            Arc::new(AtomicBool::new(true)),
        );
        readiness.set("it", false);
        let mut seen = readiness.changes();
        let asked = Arc::clone(&up);
        let answers = async move || match asked.load(Ordering::SeqCst) {
            true => Ok(true),
            false => Err(io::Error::other("down")),
        };
        tasks.spawn("follow", readiness.clone().follow("it", answers, tasks.clone()));
        for (is_up, within) in [(true, 1), (false, 10), (true, 10)] {
            up.store(is_up, Ordering::SeqCst);
            let changed = seen.wait_for(|latches| latches["it"] == is_up);
            tokio::time::timeout(Duration::from_secs(within), changed)
                .await
                .unwrap()
                .unwrap();
        }
        tasks.stop();
        assert!(tasks.finished(Duration::from_secs(5)).await);
    }
}
