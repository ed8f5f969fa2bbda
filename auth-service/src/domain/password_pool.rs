//! Passwords have a budget: they are hashed on threads of their own, as many as cores, with memory that is
//! allocated once. The queue is bounded by the callers' deadlines: who could not be served in time is told
//! so at once, and who has gone away is not served at all. A storm of logins delays nothing else.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use service_runtime::{entropy::Entropy, secret::Secret};
use tokio::sync::oneshot;

use crate::{
    domain::{
        error::Error,
        password_hash::{Cost, HashError, Hasher, Verdict},
    },
    model::password::{NewPassword, PasswordPolicy},
};

/// No more jobs wait than this, whatever their deadlines.
const LONGEST_QUEUE: usize = 1024;
/// How much of a password is compared, in bytes. Django had no upper bound; imported ones may be longer than new
/// ones.
const LONGEST_COMPARED: usize = 4096;
/// What a hash is taken to need until one was measured.
const FIRST_GUESS: Duration = Duration::from_millis(40);

/// The pool. Cheap to clone; it ends when the last clone is gone.
#[derive(Clone)]
pub struct PasswordPool {
    inner: Arc<Inner>,
}

struct Inner {
    queue: Arc<Queue>,
    /// What an unknown user's password is compared with, so that it costs the same.
    dummy: String,
    entropy: Entropy,
    threads: u32,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    closed: bool,
    /// How long a job takes, averaged over the last ones.
    average: Duration,
}

/// One piece of work for a thread with a hasher.
struct Job {
    queued: Instant,
    deadline: Instant,
    /// Does the work and sends the answer, unless nobody waits for it any more; says whether it did.
    run: Box<dyn FnOnce(&mut Hasher) -> bool + Send>,
}

impl PasswordPool {
    /// Starts `threads` threads that hash at this cost.
    ///
    /// # Errors
    /// When the cost is outside what Argon2 allows, or there are no random bytes.
    pub fn start(threads: usize, cost: Cost, entropy: Entropy) -> Result<Self, HashError> {
        let mut first = Hasher::new(cost)?;
        let dummy = first.hash("nobody's password", entropy.bytes().unwrap_or([0; 16]))?;
        let state = State {
            average: FIRST_GUESS,
            ..State::default()
        };
        let queue = Arc::new(Queue {
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let mut hashers = vec![first];
        for _ in 1..threads.max(1) {
            hashers.push(Hasher::new(cost)?);
        }
        let threads = u32::try_from(hashers.len()).unwrap_or(1);
        for hasher in hashers {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || work(&queue, hasher));
        }
        Ok(Self {
            inner: Arc::new(Inner {
                queue,
                dummy,
                entropy,
                threads,
            }),
        })
    }

    /// Measures a new password, which takes long enough to be kept from the threads that serve requests.
    ///
    /// # Errors
    /// [`Error::Busy`] when it could not be measured before `deadline`. The sentence inside says what to do better.
    pub async fn check(
        &self,
        policy: PasswordPolicy,
        password: Secret<String>,
        own: Vec<String>,
        deadline: Instant,
    ) -> Result<Result<NewPassword, String>, Error> {
        self.submit(deadline, move |_hasher| {
            let own: Vec<&str> = own.iter().map(String::as_str).collect();
            policy.check(password.expose(), &own)
        })
        .await
    }

    /// The stored form of a new password.
    ///
    /// # Errors
    /// [`Error::Busy`] when it could not be made before `deadline`.
    pub async fn hash(&self, password: NewPassword, deadline: Instant) -> Result<String, Error> {
        let salt = self.inner.entropy.bytes()?;
        let hashed = self.submit(deadline, move |hasher| hasher.hash(password.expose(), salt));
        hashed.await?.map_err(Error::internal)
    }

    /// Compares a password with a stored one. Without a stored one nothing matches, at the same cost. Only what
    /// could ever match is read: nobody makes the server hash a megabyte.
    ///
    /// # Errors
    /// [`Error::Busy`] when it could not be compared before `deadline`.
    pub async fn verify(
        &self,
        password: &Secret<String>,
        stored: Option<String>,
        deadline: Instant,
    ) -> Result<Verdict, Error> {
        let text = password.expose();
        let password = Secret::new(text[..text.floor_char_boundary(LONGEST_COMPARED)].to_owned());
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.inner.dummy.clone());
        let compared = self.submit(deadline, move |hasher| hasher.verify(password.expose(), &stored));
        let verdict = compared.await?;
        Ok(Verdict {
            matches: verdict.matches && known,
            ..verdict
        })
    }

    async fn submit<A: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl FnOnce(&mut Hasher) -> A + Send + 'static,
    ) -> Result<A, Error> {
        let (answer, done) = oneshot::channel();
        let run = Box::new(move |hasher: &mut Hasher| {
            let is_wanted = !answer.is_closed();
            if is_wanted {
                let _gone = answer.send(work(hasher));
            }
            is_wanted
        });
        let queued = Instant::now();
        self.enqueue(Job {
            queued,
            deadline,
            run,
        })?;
        done.await.map_err(|_dropped| Error::Busy(FIRST_GUESS))
    }

    fn enqueue(&self, job: Job) -> Result<(), Error> {
        let mut state = self.inner.queue.lock();
        let ahead = u32::try_from(state.waiting.len()).unwrap_or(u32::MAX) / self.inner.threads;
        let wait = state.average.saturating_mul(ahead.saturating_add(1));
        if state.waiting.len() >= LONGEST_QUEUE || Instant::now() + wait > job.deadline {
            metrics::counter!("password_jobs_shed_total").increment(1);
            return Err(Error::Busy(wait));
        }
        state.waiting.push_back(job);
        let waiting = u32::try_from(state.waiting.len()).unwrap_or(u32::MAX);
        drop(state);
        metrics::gauge!("password_jobs_waiting").set(waiting);
        self.inner.queue.changed.notify_one();
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.changed.notify_all();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the queue whole: nothing is ever half changed under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job, or `None` once the pool is gone.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.waiting.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn work(queue: &Queue, mut hasher: Hasher) {
    while let Some(Job {
        queued,
        deadline,
        run,
    }) = queue.next()
    {
        let begun = Instant::now();
        metrics::histogram!("password_job_wait_seconds").record(begun - queued);
        if begun >= deadline {
            continue;
        }
        // A password that brings the hasher down must not take the thread, and so everybody's logins, with it.
        match catch_unwind(AssertUnwindSafe(|| run(&mut hasher))) {
            Ok(true) => {
                let took = begun.elapsed();
                metrics::histogram!("password_job_seconds").record(took);
                let mut state = queue.lock();
                state.average = (state.average * 7 + took) / 8;
            }
            Ok(false) => {}
            Err(_panic) => tracing::error!("work on a password panicked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(threads: usize) -> PasswordPool {
        PasswordPool::start(
            threads,
            Cost {
                memory: 64,
                passes: 1,
                lanes: 1,
            },
            Entropy::default(),
        )
        .unwrap()
    }

    fn password(text: &str) -> NewPassword {
        PasswordPolicy {
            min_length: 1,
            strong: false,
        }
        .check(text, &[])
        .unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[tokio::test]
    async fn what_was_hashed_matches_and_an_unknown_user_never_does() {
        let pool = pool(2);
        let stored = pool.hash(password("pw"), soon()).await.unwrap();
        let verify =
            async |text: &str, stored| pool.verify(&Secret::new(text.to_owned()), stored, soon()).await;
        assert!(verify("pw", Some(stored.clone())).await.unwrap().matches);
        assert!(!verify("px", Some(stored)).await.unwrap().matches);
        assert!(!verify("nobody's password", None).await.unwrap().matches);
    }

    #[tokio::test]
    async fn who_cannot_be_served_in_time_is_told_at_once() {
        let pool = pool(1);
        let late = pool.hash(password("pw"), Instant::now()).await;
        assert!(matches!(late, Err(Error::Busy(_))), "{late:?}");
    }

    #[tokio::test]
    async fn a_storm_beyond_the_deadline_is_shed_and_the_rest_served() {
        let slow = Cost {
            memory: 19 * 1024,
            passes: 2,
            lanes: 1,
        };
        let pool = PasswordPool::start(1, slow, Entropy::default()).unwrap();
        let deadline = Instant::now() + Duration::from_millis(600);
        let storm = (0..200).map(|_| pool.hash(password("pw"), deadline));
        let outcomes = futures::future::join_all(storm).await;
        let served = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert!(served > 0 && served < 200, "{served}");
        assert!(
            outcomes
                .iter()
                .all(|outcome| matches!(outcome, Ok(_) | Err(Error::Busy(_))))
        );
    }
}
