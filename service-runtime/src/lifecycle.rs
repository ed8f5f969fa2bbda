//! The life of a process: its tasks are tracked, asked to stop together, waited for, and a task that crashes
//! ends the process with an honest code instead of leaving half of it running.

use std::{
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long what is cut off may take to end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The tasks of a process. Cheap to clone; clones are the same set.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    stop: CancellationToken,
    cut: CancellationToken,
    tracker: TaskTracker,
    crashed: Arc<AtomicBool>,
    afterwards: Arc<Afterwards>,
}

/// What is left to do when every task has ended.
#[derive(Default)]
struct Afterwards(Mutex<Vec<BoxFuture<'static, ()>>>);

impl std::fmt::Debug for Afterwards {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Afterwards")
    }
}

impl Tasks {
    /// Starts a task. If it panics, every other task is asked to stop.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let (stop, crashed) = (self.stop.clone(), Arc::clone(&self.crashed));
        let task = self.cut.clone().run_until_cancelled_owned(task);
        self.tracker.spawn(async move {
            if std::panic::AssertUnwindSafe(task).catch_unwind().await.is_err() {
                tracing::error!(task = name, "a task crashed; stopping");
                crashed.store(true, Ordering::SeqCst);
                stop.cancel();
            }
        });
    }

    /// Starts a task that goes on until every other has ended, and that none waits for.
    pub fn accompany(&self, task: impl Future<Output = ()> + Send + 'static) {
        #[allow(
            clippy::disallowed_methods,
            reason = "it ends when what it accompanies has ended"
        )]
        tokio::spawn(self.cut.clone().run_until_cancelled_owned(task));
    }

    /// Does something when every task has ended, in what is left of their grace. Nobody depends on it: if it does
    /// not end in time, it is let go of, and everything has ended well all the same.
    pub fn afterwards(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut afterwards = self.afterwards.0.lock().unwrap_or_else(PoisonError::into_inner);
        afterwards.push(Box::pin(work));
    }

    /// Resolves once the tasks are asked to stop.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Whether the tasks have been asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Asks every task to stop.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Sleeps, but not beyond the wish to stop; says whether to go on.
    pub async fn sleep(&self, duration: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(duration) => true,
            () = self.stop.cancelled() => false,
        }
    }

    /// Resolves once what still runs is cut off. Tasks are ended by that anyway; this is for work on threads of
    /// their own.
    pub async fn cut_off(&self) {
        self.cut.cancelled().await;
    }

    /// Waits for every task to end, at most `grace`, then cuts off what still runs; says whether all ended by
    /// themselves and none crashed.
    pub async fn finished(&self, grace: Duration) -> bool {
        self.tracker.close();
        let begun = Instant::now();
        let ended = timeout(grace, self.tracker.wait()).await.is_ok();
        self.cut.cancel();
        // What is cut off may still say so.
        drop(timeout(LAST_WORDS, self.tracker.wait()).await);
        let afterwards = mem::take(&mut *self.afterwards.0.lock().unwrap_or_else(PoisonError::into_inner));
        let left = grace.saturating_sub(begun.elapsed()).max(LAST_WORDS);
        drop(timeout(left, join_all(afterwards)).await);
        ended && !self.crashed.load(Ordering::SeqCst)
    }
}

/// The signals that tell the process to stop: SIGTERM, or Ctrl-C in a terminal.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Watches them from now on.
    ///
    /// # Errors
    /// When they cannot be watched.
    pub fn watch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Resolves with the next one.
    pub async fn told_to_stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_crash_stops_the_others_and_is_told() {
        let tasks = Tasks::default();
        let other = tasks.clone();
        tasks.spawn("other", async move { other.stopping().await });
        tasks.spawn("crash", async { panic!("on purpose") });
        assert!(!tasks.finished(Duration::from_secs(5)).await);
        assert!(tasks.is_stopping());
    }

    #[tokio::test]
    async fn a_task_that_does_not_end_is_cut_off() {
        let (tasks, (ended, end)) = (Tasks::default(), tokio::sync::oneshot::channel::<()>());
        tasks.spawn("deaf", async move {
            std::future::pending::<()>().await;
            drop(ended);
        });
        tasks.stop();
        assert!(!tasks.finished(Duration::from_millis(20)).await);
        assert!(end.await.is_err(), "what it held is let go of");
    }

    #[tokio::test]
    async fn what_comes_afterwards_comes_after_every_task_and_holds_nobody_up() {
        let (tasks, (told, mut heard)) = (Tasks::default(), tokio::sync::mpsc::unbounded_channel());
        let (other, last) = (tasks.clone(), told.clone());
        tasks.afterwards(async move { last.send("afterwards").unwrap() });
        tasks.afterwards(std::future::pending());
        tasks.spawn("task", async move {
            other.stopping().await;
            tokio::task::yield_now().await;
            told.send("task").unwrap();
        });
        tasks.stop();
        assert!(tasks.finished(Duration::from_millis(100)).await);
        assert_eq!(
            (heard.recv().await, heard.recv().await),
            (Some("task"), Some("afterwards"))
        );
    }

    #[tokio::test]
    async fn tasks_that_do_as_told_finish_well() {
        let tasks = Tasks::default();
        let other = tasks.clone();
        tasks.spawn("sleeper", async move {
            assert!(!other.sleep(Duration::from_secs(60)).await)
        });
        tasks.stop();
        assert!(tasks.finished(Duration::from_secs(5)).await);
    }
}
