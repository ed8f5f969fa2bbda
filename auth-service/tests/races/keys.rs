//! Signing keys change every second while people sign in, refresh and are verified by everybody who verifies: the
//! replicas themselves, who follows the stream, and who reads the key set over again only when its cache says so.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use auth_client::{
    access_token::Verifier,
    authorize::{AuthClient, AuthError},
    callers::{Callers, Freshness},
};
use auth_service::{
    domain::signing_key::{KeyRing, Timing},
    model::signing_key::{KeyState, StoredKey},
    open_store, serve,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use proto::auth::v1::{
    self as pb, account_service_client::AccountServiceClient, session_service_client::SessionServiceClient,
    token_service_client::TokenServiceClient,
};
use service_runtime::{
    clock::Clock, entropy::Entropy, grpc::context::RequestContext, lifecycle::Tasks, listen, secret::Secret,
};
use tokio::{sync::Mutex, time::sleep};
use tonic::{
    Code, Request, Status,
    transport::{Channel, Endpoint},
};

use crate::{
    on_both_databases,
    support::{PASSWORD, SERVICE_TOKEN, Service, Session, as_service, as_user},
};

/// How long a key is published before it may sign: so often keys rotate, since the schedule would have it sooner.
const LEAD: TimeDelta = TimeDelta::seconds(1);
const INTERVAL: TimeDelta = TimeDelta::milliseconds(100);
/// For how long the key set is kept by who reads it.
const CACHED: TimeDelta = TimeDelta::milliseconds(500);
/// How the clock of the services goes on: never while one of them does not know the keys of the database. So what the
/// lead has to cover is the cache, on a machine that is as busy as it likes.
const STEP: Duration = Duration::from_millis(100);
const ROTATIONS: usize = 10;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

on_both_databases!(keys_that_rotate_every_second_fail_no_verification);

/// Who verifies by a key set that was read at some time.
struct Cached {
    source: Channel,
    clock: Clock,
    read: Mutex<Option<(DateTime<Utc>, Verifier)>>,
}

fn verifier(keys: &pb::Jwks) -> Verifier {
    let keys: Vec<_> = keys
        .keys
        .iter()
        .map(|key| (key.kid.clone(), URL_SAFE_NO_PAD.decode(&key.x).unwrap()))
        .collect();
    let keys = keys.iter().map(|(kid, key)| (kid.as_str(), key.as_slice()));
    Verifier::new("http://edu.test", Duration::from_secs(900), keys)
}

impl Cached {
    async fn accepts(&self, token: &str) -> bool {
        let mut read = self.read.lock().await;
        let now = self.clock.now();
        if read.as_ref().is_none_or(|(at, _)| now - *at >= CACHED) {
            *read = Some((now, verifier(&key_set(&self.source).await)));
        }
        read.as_ref().unwrap().1.verify(token, now).is_ok()
    }
}

async fn key_set(replica: &Channel) -> pb::Jwks {
    let mut tokens = TokenServiceClient::new(replica.clone());
    let keys = insist(async || tokens.get_jwks(pb::GetJwksRequest {}).await);
    keys.await.unwrap()
}

/// Asks again while the machine is too busy to answer.
async fn insist<T>(mut ask: impl AsyncFnMut() -> Result<tonic::Response<T>, Status>) -> Result<T, Status> {
    let begun = Instant::now();
    loop {
        match ask().await {
            Err(status)
                if begun.elapsed() < PATIENCE
                    && !matches!(status.code(), Code::Unauthenticated | Code::InvalidArgument) => {}
            answer => return answer.map(tonic::Response::into_inner),
        }
    }
}

/// Everybody who verifies.
struct Verifiers {
    replicas: [Channel; 2],
    clock: Clock,
    /// Knows what the stream has told, and asks nobody.
    told: Arc<RwLock<Verifier>>,
    callers: Callers,
    cached: Cached,
}

impl Verifiers {
    /// Whoever refuses a token that is good.
    async fn refusing(&self, token: &str) -> Vec<&'static str> {
        let mut refusing = Vec::new();
        for replica in &self.replicas {
            let mut accounts = AccountServiceClient::new(replica.clone());
            let request = || as_user(token, pb::GetProfileRequest {});
            if insist(async || accounts.get_profile(request()).await)
                .await
                .is_err()
            {
                refusing.push("a replica");
            }
        }
        let told = self.told.read().unwrap_or_else(PoisonError::into_inner).clone();
        if told.verify(token, self.clock.now()).is_err() {
            refusing.push("who follows the stream");
        }
        let context = RequestContext::of(&Request::new(()));
        let caller = self.callers.caller(&context, token, Freshness::Remembered);
        if matches!(caller.await, Err(AuthError::InvalidToken)) {
            refusing.push("Callers");
        }
        if !self.cached.accepts(token).await {
            refusing.push("who keeps the key set");
        }
        refusing
    }
}

/// Follows the stream.
async fn follow(replica: Channel, told: Arc<RwLock<Verifier>>) {
    let request = as_service(pb::WatchSecurityStateRequest { after_revision: 0 });
    let mut updates = TokenServiceClient::new(replica)
        .watch_security_state(request)
        .await
        .unwrap()
        .into_inner();
    while let Ok(Some(update)) = updates.message().await {
        if let Some(verification) = update.verification {
            let heard = verifier(&verification.jwks.unwrap());
            *told.write().unwrap_or_else(PoisonError::into_inner) = heard;
        }
    }
}

async fn refresh(replica: &Channel, refresh: &str) -> Session {
    let mut sessions = SessionServiceClient::new(replica.clone());
    let request = || pb::RefreshRequest {
        refresh: refresh.to_owned(),
    };
    let refreshed = insist(async || sessions.refresh(request()).await);
    refreshed.await.expect("the session goes on").into()
}

async fn login(replica: &Channel, username: &str) -> Session {
    let mut sessions = SessionServiceClient::new(replica.clone());
    let request = || pb::LoginRequest {
        username: username.to_owned(),
        password: PASSWORD.to_owned(),
        code: String::new(),
    };
    let session = insist(async || sessions.login(request()).await);
    session.await.expect("the login works").into()
}

/// The keys of the database, once everybody knows them.
async fn known_keys(service: &Service, verifiers: &Verifiers) -> Vec<StoredKey> {
    let begun = Instant::now();
    loop {
        let stored = service.store.signing_keys().await.unwrap();
        let wanted: BTreeSet<_> = stored.iter().map(|key| key.kid.clone()).collect();
        let sets = join_all(verifiers.replicas.iter().map(key_set)).await;
        let told = verifiers
            .told
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let are_known = sets
            .into_iter()
            .map(|set| set.keys.into_iter().map(|key| key.kid).collect::<BTreeSet<_>>())
            .all(|known| known.is_superset(&wanted));
        if are_known && wanted.iter().all(|kid| told.knows(kid)) {
            return stored;
        }
        assert!(begun.elapsed() < PATIENCE, "a replica does not hear of keys");
        sleep(Duration::from_millis(5)).await;
    }
}

async fn keys_that_rotate_every_second_fail_no_verification(service: Service) {
    let (config, clock, tasks) = (service.config(), service.clock.clone(), Tasks::default());
    // Another replica, and two processes more that rotate as often as keys allow.
    let listener = listen::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    serve(config.clone(), listener, None, clock.clone(), &tasks)
        .await
        .unwrap();
    let other = Endpoint::from_shared(address.clone()).unwrap().connect_lazy();
    let secrets = config.secret_keys.open().unwrap();
    let timing = Timing {
        lead: LEAD,
        rotation_interval: INTERVAL,
        token_lifetime: config.access_lifetime,
    };
    let mut schedules = Vec::new();
    for _ in 0..2 {
        let (store, entropy) = (open_store(&config).await.unwrap(), Entropy::default());
        let keys = KeyRing::open(store, clock.clone(), &entropy, &secrets, &config.base_url, timing);
        schedules.push(keys.await.unwrap());
    }
    schedules[0].revoke_all().await.unwrap();

    let service_token = Secret::new(SERVICE_TOKEN.to_owned());
    let channel = service_runtime::grpc::channel::Channel::to(&address).unwrap();
    let verifiers = Arc::new(Verifiers {
        replicas: [service.channel(), other.clone()],
        clock: clock.clone(),
        told: Arc::new(RwLock::new(verifier(&pb::Jwks::default()))),
        callers: Callers::start(
            AuthClient::new(channel, &service_token).unwrap(),
            clock.clone(),
            &tasks,
        ),
        cached: Cached {
            source: other.clone(),
            clock: clock.clone(),
            read: Mutex::default(),
        },
    });
    tasks.spawn("follower", follow(other.clone(), Arc::clone(&verifiers.told)));
    known_keys(&service, &verifiers).await;

    let (stop, verified) = (AtomicBool::new(false), AtomicUsize::new(0));
    let is_good = async |session: &Session, round: usize| {
        let refusing = verifiers.refusing(&session.access).await;
        assert!(
            refusing.is_empty(),
            "round {round}: {refusing:?} refused a good token"
        );
        verified.fetch_add(5, Ordering::Relaxed);
    };
    let load = (0..4).map(|number| {
        let (service, is_good, stop, verifiers) = (&service, &is_good, &stop, &verifiers);
        async move {
            let address = format!("ada{number}@example.org");
            service.add_user(&address).await;
            let first = login(&verifiers.replicas[0], &address).await;
            let mut session = first.clone();
            let mut round = 0;
            while !stop.load(Ordering::Relaxed) {
                let replica = &verifiers.replicas[round % 2];
                session = match number {
                    0 => login(replica, &address).await,
                    _ => refresh(replica, &session.refresh).await,
                };
                is_good(&session, round).await;
                // Its key has long retired, and goes on verifying.
                is_good(&first, round).await;
                round += 1;
            }
        }
    });
    let rotating = async {
        for keys in schedules {
            tasks.spawn("schedule", keys.follow_schedule(tasks.clone()));
        }
        let begun = Instant::now();
        loop {
            let keys = known_keys(&service, &verifiers).await;
            if keys.len() == ROTATIONS + 2 {
                stop.store(true, Ordering::Relaxed);
                return keys;
            }
            assert!(begun.elapsed() < PATIENCE, "keys do not rotate");
            sleep(STEP).await;
            clock.turn(TimeDelta::from_std(STEP).unwrap());
        }
    };
    let (_, keys) = futures::join!(join_all(load), rotating);
    tasks.stop();
    let verified = verified.load(Ordering::Relaxed);
    assert!(verified > 5 * ROTATIONS, "{verified} verifications are no load");

    // Whatever two schedules did, every key was published for its time, and none is gone.
    let mut signed: Vec<_> = keys
        .iter()
        .filter(|key| key.state == KeyState::Retiring)
        .map(|key| key.since)
        .collect();
    signed.sort_unstable();
    assert_eq!(signed.len(), ROTATIONS);
    for pair in signed.windows(2) {
        assert!(pair[1] - pair[0] >= LEAD, "{signed:?}");
    }
}
