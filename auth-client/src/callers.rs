//! Who calls. A token is verified here and its caller asked for once; from then on the answer is remembered for as
//! long as it is true, which the stream of security changes says.
//!
//! What is remembered is trusted for half a second after the last heartbeat of the stream. Until then a session that
//! has ended, a right that was taken away or a key that was revoked may go unnoticed; after that, as for whoever must
//! have the answer of now, auth-service is asked. While it does not answer nobody is let in.

use std::{
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};
use quick_cache::sync::Cache;
use service_runtime::{clock::Clock, grpc::context::RequestContext, lifecycle::Tasks};
use tokio::time::{Instant, timeout};
use tonic::Status;

use crate::{
    access_token::{BadToken, Verifier},
    authorize::{AuthClient, AuthError, Caller},
    security_state::{Moment, SecurityState},
};

/// How many callers are remembered at most: each takes about half a kilobyte.
const MOST_REMEMBERED: usize = 10_000;
/// How long the stream may be silent before another one is opened.
const SILENCE: Duration = Duration::from_secs(2);
/// How long to wait before it is opened again, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How fresh an answer has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// As of a moment ago: enough to show something.
    Remembered,
    /// As of now: whoever is to change something is asked about.
    Current,
}

/// Knows callers by their access tokens. Cheap to clone; clones remember the same.
#[derive(Clone)]
pub struct Callers {
    auth: AuthClient,
    clock: Clock,
    state: Arc<RwLock<SecurityState>>,
    /// By the SHA-256 of the token, so that none lies about.
    remembered: Arc<Cache<[u8; 32], Arc<Remembered>>>,
}

/// An answer of auth-service, and until when it may be true.
struct Remembered {
    caller: Arc<Caller>,
    kid: String,
    moment: Moment,
    /// When its token expires; and the same by a clock that nobody can turn back.
    expires_at: DateTime<Utc>,
    until: Instant,
}

impl Callers {
    /// Starts to follow the state of security, until the tasks are asked to stop.
    pub fn start(auth: AuthClient, clock: Clock, tasks: &Tasks) -> Self {
        let callers = Self {
            auth,
            clock,
            state: Arc::default(),
            remembered: Arc::new(Cache::new(MOST_REMEMBERED)),
        };
        tasks.spawn("security state", callers.clone().follow(tasks.clone()));
        callers
    }

    /// Whose access token this is and what they may do.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn caller(
        &self,
        context: &RequestContext,
        access_token: &str,
        freshness: Freshness,
    ) -> Result<Arc<Caller>, AuthError> {
        let key = sha256(access_token);
        let now = self.clock.now();
        let (epoch, verified) = {
            let state = self.state();
            if !state.is_current() {
                (state.epoch(), None)
            } else if let Some(remembered) = self.remembered.get(&key)
                && remembered.is_still_true(&state, now)
            {
                if freshness == Freshness::Remembered {
                    count("remembered");
                    context.called_by(remembered.caller.user_id);
                    return Ok(Arc::clone(&remembered.caller));
                }
                (state.epoch(), Some(remembered.expires_at))
            } else {
                match state.verify(access_token, now) {
                    Ok(token) => (state.epoch(), token.map(|token| token.expires_at)),
                    Err(BadToken) => {
                        count("refused");
                        return Err(AuthError::InvalidToken);
                    }
                }
            }
        };
        count("asked");
        let caller = Arc::new(self.auth.authorize(context, access_token).await?);
        if let (Some(expires_at), Some(kid)) = (verified, Verifier::key_id(access_token)) {
            let remembered = Remembered {
                moment: Moment {
                    epoch,
                    revision: caller.revision,
                },
                caller: Arc::clone(&caller),
                kid,
                until: Instant::now() + (expires_at - now).to_std().unwrap_or_default(),
                expires_at,
            };
            self.remembered.insert(key, Arc::new(remembered));
        }
        Ok(caller)
    }

    /// Follows the state of security until asked to stop.
    async fn follow(self, tasks: Tasks) {
        let (mut pause, mut is_followed) = (PAUSE.0, true);
        loop {
            let heard = tokio::select! {
                heard = self.listen() => heard,
                () = tasks.stopping() => return,
            };
            metrics::gauge!("security_state_followed").set(0);
            match heard {
                // It had begun: the next one may too.
                Ok(()) => (pause, is_followed) = (PAUSE.0, true),
                Err(status) => {
                    if is_followed {
                        tracing::warn!(
                            code = ?status.code(),
                            message = status.message(),
                            "the state of security cannot be followed; auth-service is asked about every caller"
                        );
                    }
                    (pause, is_followed) = ((pause * 2).min(PAUSE.1), false);
                }
            }
            if !tasks.sleep(pause).await {
                return;
            }
        }
    }

    /// Listens to one stream until it ends. An error: it never began.
    async fn listen(&self) -> Result<(), Status> {
        let silent = |_elapsed| Status::deadline_exceeded("auth-service is silent");
        let revision = self.state().revision();
        let mut updates = timeout(SILENCE, self.auth.watch(revision))
            .await
            .map_err(silent)??;
        let mut has_begun = false;
        loop {
            match timeout(SILENCE, updates.message()).await.map_err(silent) {
                Ok(Ok(Some(update))) => self.state_to_change().hear(update),
                Ok(Ok(None)) if has_begun => return Ok(()),
                Ok(Ok(None)) => return Err(Status::unavailable("the stream ended at once")),
                Ok(Err(_lost)) | Err(_lost) if has_begun => return Ok(()),
                Ok(Err(status)) | Err(status) => return Err(status),
            }
            if !has_begun {
                has_begun = true;
                metrics::gauge!("security_state_followed").set(1);
            }
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, SecurityState> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_to_change(&self) -> RwLockWriteGuard<'_, SecurityState> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    fn is_still_true(&self, state: &SecurityState, now: DateTime<Utc>) -> bool {
        let Caller {
            session_id, user_id, ..
        } = *self.caller;
        self.expires_at > now
            && self.until > Instant::now()
            && state.knows_key(&self.kid)
            && state.is_still_true(&self.moment, session_id, user_id)
    }
}

fn sha256(token: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    bytes
}

/// Counts how a caller became known.
fn count(how: &'static str) {
    metrics::counter!("callers_total", "how" => how).increment(1);
}
