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
    model::password::NewPassword,
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
    /// How long a hash takes, averaged over the last ones.
    average: Duration,
}

enum Job {
    Hash {
        password: NewPassword,
        salt: [u8; 16],
        deadline: Instant,
        answer: oneshot::Sender<String>,
    },
    Verify {
        password: Secret<String>,
        stored: String,
        deadline: Instant,
        answer: oneshot::Sender<Verdict>,
    },
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

    /// The stored form of a new password.
    ///
    /// # Errors
    /// [`Error::Busy`] when it could not be made before `deadline`.
    pub async fn hash(&self, password: NewPassword, deadline: Instant) -> Result<String, Error> {
        let salt = self.inner.entropy.bytes()?;
        let (answer, hashed) = oneshot::channel();
        self.submit(Job::Hash {
            password,
            salt,
            deadline,
            answer,
        })?;
        hashed.await.map_err(|_| Error::Busy(FIRST_GUESS))
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
        let (answer, compared) = oneshot::channel();
        self.submit(Job::Verify {
            password,
            stored,
            deadline,
            answer,
        })?;
        let verdict = compared.await.map_err(|_| Error::Busy(FIRST_GUESS))?;
        Ok(Verdict {
            matches: verdict.matches && known,
            ..verdict
        })
    }

    fn submit(&self, job: Job) -> Result<(), Error> {
        let mut state = self.inner.queue.lock();
        let ahead = u32::try_from(state.waiting.len()).unwrap_or(u32::MAX) / self.inner.threads;
        let wait = state.average.saturating_mul(ahead.saturating_add(1));
        if state.waiting.len() >= LONGEST_QUEUE || Instant::now() + wait > job.deadline() {
            return Err(Error::Busy(wait));
        }
        state.waiting.push_back(job);
        drop(state);
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

impl Job {
    fn deadline(&self) -> Instant {
        match self {
            Self::Hash { deadline, .. } | Self::Verify { deadline, .. } => *deadline,
        }
    }

    fn is_wanted(&self) -> bool {
        let gone = match self {
            Self::Hash { answer, .. } => answer.is_closed(),
            Self::Verify { answer, .. } => answer.is_closed(),
        };
        !gone && Instant::now() < self.deadline()
    }

    /// Does the work. Who is gone by now does not miss the answer.
    fn run(self, hasher: &mut Hasher) {
        match self {
            Self::Hash {
                password,
                salt,
                answer,
                ..
            } => match hasher.hash(password.expose(), salt) {
                Ok(hash) => {
                    let _gone = answer.send(hash);
                }
                Err(error) => tracing::error!(%error, "a password could not be hashed"),
            },
            Self::Verify {
                password,
                stored,
                answer,
                ..
            } => {
                let _gone = answer.send(hasher.verify(password.expose(), &stored));
            }
        }
    }
}

fn work(queue: &Queue, mut hasher: Hasher) {
    while let Some(job) = queue.next() {
        if !job.is_wanted() {
            continue;
        }
        let begun = Instant::now();
        // A password that brings the hasher down must not take the thread, and so everybody's logins, with it.
        if catch_unwind(AssertUnwindSafe(|| job.run(&mut hasher))).is_err() {
            tracing::error!("hashing a password panicked");
        }
        let took = begun.elapsed();
        let mut state = queue.lock();
        state.average = (state.average * 7 + took) / 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::password::PasswordPolicy;

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
