//! An auth-service on a real socket, of which a test says what it knows, tells and forgets.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use auth_client::{
    access_token::{AccessToken, Signer},
    authorize::{AuthClient, AuthError, Caller},
    callers::{Callers, Freshness},
};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{Stream, StreamExt};
use proto::auth::v1::{
    AuthorizeRequest, AuthorizeResponse, BatchGetUsersRequest, BatchGetUsersResponse, GetJwksRequest, Jwk,
    Jwks, RecordSecurityEventRequest, RecordSecurityEventResponse, SecurityUpdate, Verification,
    WatchSecurityStateRequest,
    token_service_server::{TokenService, TokenServiceServer},
};
use service_runtime::{
    clock::Clock,
    grpc::{
        channel::Channel,
        context::{KnownCaller, RequestContext},
        server,
    },
    lifecycle::Tasks,
    listen,
    secret::Secret,
    telemetry::Tracer,
};
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, service::Routes};
use uuid::Uuid;

const ISSUER: &str = "https://edu.test";
/// How long a token lives.
pub const LIFE: TimeDelta = TimeDelta::seconds(900);
/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A key of the fake.
pub struct Key {
    kid: String,
    public: Vec<u8>,
    signer: Signer,
}

impl Key {
    /// A key that was made at this moment.
    pub fn made_at(made: DateTime<Utc>) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let seconds = u64::try_from(made.timestamp()).unwrap();
        let kid = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0)).to_string();
        Self {
            signer: Signer::new(ISSUER, &kid, pair.to_pkcs8().unwrap().as_ref()),
            public: pair.public_key().as_ref().to_vec(),
            kid,
        }
    }
}

/// What the fake knows and what becomes of those who ask.
struct State {
    is_staff: AtomicBool,
    is_away: AtomicBool,
    /// Whether heartbeats are told.
    is_silent: AtomicBool,
    revision: Mutex<i64>,
    asked: AtomicUsize,
    /// From which revisions streams were opened.
    opened: Mutex<Vec<i64>>,
    updates: broadcast::Sender<SecurityUpdate>,
    verification: Mutex<Verification>,
    /// What an answer waits for, once.
    held: Mutex<Option<tokio::sync::oneshot::Receiver<()>>>,
}

/// The fake with one who asks it about callers.
pub struct World {
    state: Arc<State>,
    pub callers: Callers,
    pub clock: Clock,
    pub key: Key,
    tasks: Tasks,
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

impl World {
    /// One who follows the state of security.
    pub async fn followed() -> Self {
        let clock = Clock::turnable("2026-03-01T12:00:00Z".parse().unwrap());
        let key = Key::made_at(clock.now() - TimeDelta::days(1));
        let state = Arc::new(State {
            is_staff: AtomicBool::new(false),
            is_away: AtomicBool::new(false),
            is_silent: AtomicBool::new(false),
            revision: Mutex::new(7),
            asked: AtomicUsize::new(0),
            opened: Mutex::default(),
            updates: broadcast::channel(1000).0,
            verification: Mutex::new(verification(&[&key])),
            held: Mutex::new(None),
        });
        let tasks = Tasks::default();
        let listener = listen::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Routes::new(TokenServiceServer::new(Fake(Arc::clone(&state))));
        server::serve(listener, None, routes, Tracer::default(), &tasks).unwrap();
        let channel = Channel::to(&format!("http://{address}")).unwrap();
        let auth = AuthClient::new(channel, &Secret::new("service-token".to_owned())).unwrap();
        let world = Self {
            callers: Callers::start(auth, clock.clone(), &tasks),
            state,
            clock,
            key,
            tasks,
        };
        world.is_remembered().await;
        world
    }

    /// Waits until answers are remembered: a caller who was asked about is not asked about again.
    pub async fn is_remembered(&self) {
        let token = self.token(Uuid::from_u128(1), &self.key);
        let begun = std::time::Instant::now();
        loop {
            self.read(&token).await.unwrap();
            let before = self.asked();
            self.read(&token).await.unwrap();
            if self.asked() == before {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "nothing is remembered");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A token of a session, whose user has the same id.
    pub fn token(&self, session_id: Uuid, key: &Key) -> String {
        let now = self.clock.now();
        let token = AccessToken {
            id: Uuid::from_u128(9),
            user_id: user_of(session_id),
            session_id,
            issued_at: now,
            expires_at: now + LIFE,
            auth_time: now,
            factors: vec!["pwd".to_owned()],
        };
        key.signer.sign(&token).unwrap()
    }

    /// Who calls, to read something.
    pub async fn read(&self, token: &str) -> Result<Arc<Caller>, AuthError> {
        self.callers
            .caller(&context(), token, Freshness::Remembered)
            .await
    }

    /// Who calls, to write something.
    pub async fn write(&self, token: &str) -> Result<Arc<Caller>, AuthError> {
        self.callers.caller(&context(), token, Freshness::Current).await
    }

    /// How often auth-service was asked.
    pub fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// From which revisions streams were opened.
    pub fn opened(&self) -> Vec<i64> {
        self.state.opened.lock().unwrap().clone()
    }

    /// Everybody is staff from now on, or nobody; nothing is told about it.
    pub fn staff(&self, is_staff: bool) {
        self.state.is_staff.store(is_staff, Ordering::SeqCst);
    }

    /// It refuses to answer, or no longer.
    pub fn away(&self, is_away: bool) {
        self.state.is_away.store(is_away, Ordering::SeqCst);
    }

    /// No heartbeats from now on, or again.
    pub fn silent(&self, is_silent: bool) {
        self.state.is_silent.store(is_silent, Ordering::SeqCst);
    }

    /// The next answer waits until what this gives is used.
    pub fn hold(&self) -> tokio::sync::oneshot::Sender<()> {
        let (release, held) = tokio::sync::oneshot::channel();
        *self.state.held.lock().unwrap() = Some(held);
        release
    }

    /// Tells something under the next revision.
    pub fn tell(&self, update: SecurityUpdate) {
        let mut revision = self.state.revision.lock().unwrap();
        *revision += 1;
        let update = SecurityUpdate {
            revision: *revision,
            ..update
        };
        // Between two streams nobody listens; who comes back is told by the test.
        let _listening = self.state.updates.send(update);
    }

    /// An older database was restored: it begins anew.
    pub fn restored(&self) {
        *self.state.revision.lock().unwrap() = 2;
        let update = SecurityUpdate {
            revision: 2,
            is_snapshot: true,
            verification: Some(self.state.verification.lock().unwrap().clone()),
            ..SecurityUpdate::default()
        };
        self.state.updates.send(update).unwrap();
    }

    /// The keys are these from now on, which is told.
    pub fn keys(&self, keys: &[&Key]) {
        *self.state.verification.lock().unwrap() = verification(keys);
        self.tell(SecurityUpdate {
            verification: Some(verification(keys)),
            ..SecurityUpdate::default()
        });
    }
}

/// Whose a session is.
pub fn user_of(session_id: Uuid) -> Uuid {
    Uuid::from_u128(session_id.as_u128() + 1_000_000)
}

fn verification(keys: &[&Key]) -> Verification {
    let jwk = |key: &&Key| Jwk {
        kid: key.kid.clone(),
        x: URL_SAFE_NO_PAD.encode(&key.public),
        ..Jwk::default()
    };
    Verification {
        issuer: ISSUER.to_owned(),
        longest_life: LIFE.num_seconds(),
        jwks: Some(Jwks {
            keys: keys.iter().map(jwk).collect(),
        }),
    }
}

fn context() -> RequestContext {
    RequestContext {
        request_id: "id-1".into(),
        method: "test".into(),
        deadline: std::time::Instant::now() + PATIENCE,
        traceparent: None,
        peer: None,
        caller: KnownCaller::default(),
    }
}

struct Fake(Arc<State>);

#[tonic::async_trait]
impl TokenService for Fake {
    async fn get_jwks(&self, _: Request<GetJwksRequest>) -> Result<Response<Jwks>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }

    async fn batch_get_users(
        &self,
        _: Request<BatchGetUsersRequest>,
    ) -> Result<Response<BatchGetUsersResponse>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }

    async fn record_security_event(
        &self,
        _: Request<RecordSecurityEventRequest>,
    ) -> Result<Response<RecordSecurityEventResponse>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }

    async fn authorize(
        &self,
        request: Request<AuthorizeRequest>,
    ) -> Result<Response<AuthorizeResponse>, Status> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        if self.0.is_away.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        // It believes whatever is in a token; who asks it must not.
        let claims = request.get_ref().access_token.split('.').nth(1);
        let claims = claims.and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
        let claims: serde_json::Value = claims
            .and_then(|claims| serde_json::from_slice(&claims).ok())
            .ok_or_else(|| Status::unauthenticated("no token"))?;
        let text = |name: &str| claims[name].as_str().unwrap().to_owned();
        let answer = AuthorizeResponse {
            user_id: text("sub"),
            username: "ada@example.org".to_owned(),
            is_active: true,
            is_staff: self.0.is_staff.load(Ordering::SeqCst),
            session_id: text("sid"),
            auth_time: Some(prost_types::Timestamp::default()),
            factors: vec!["pwd".to_owned()],
            revision: *self.0.revision.lock().unwrap(),
        };
        let held = self.0.held.lock().unwrap().take();
        if let Some(held) = held {
            held.await.unwrap();
        }
        Ok(Response::new(answer))
    }

    type WatchSecurityStateStream = Pin<Box<dyn Stream<Item = Result<SecurityUpdate, Status>> + Send>>;

    async fn watch_security_state(
        &self,
        request: Request<WatchSecurityStateRequest>,
    ) -> Result<Response<Self::WatchSecurityStateStream>, Status> {
        if self.0.is_away.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        let after = request.get_ref().after_revision;
        self.0.opened.lock().unwrap().push(after);
        let (tell, told) = mpsc::channel(1000);
        let (state, mut updates) = (Arc::clone(&self.0), self.0.updates.subscribe());
        let first = SecurityUpdate {
            revision: *state.revision.lock().unwrap(),
            is_snapshot: after == 0,
            verification: Some(state.verification.lock().unwrap().clone()),
            ..SecurityUpdate::default()
        };
        tell.send(Ok(first)).await.unwrap();
        tokio::spawn(async move {
            loop {
                let update = tokio::select! {
                    update = updates.recv() => Some(update.unwrap()),
                    () = tokio::time::sleep(Duration::from_millis(50)) => None,
                };
                if state.is_away.load(Ordering::SeqCst) {
                    return;
                }
                let heartbeat = || SecurityUpdate {
                    revision: *state.revision.lock().unwrap(),
                    ..SecurityUpdate::default()
                };
                let is_silent = state.is_silent.load(Ordering::SeqCst);
                let update = match update {
                    Some(update) => update,
                    None if is_silent => continue,
                    None => heartbeat(),
                };
                if tell.send(Ok(update)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(told).boxed()))
    }
}
