//! Denials reach auth-service, those that are alike as one, and no request waits for it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is not as it should be"
)]

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use auth_client::{
    authorize::{AuthClient, Caller},
    reporter::Reporter,
};
use futures_util::Stream;
use proto::auth::v1::{
    AuthorizeRequest, AuthorizeResponse, BatchGetUsersRequest, BatchGetUsersResponse, GetJwksRequest, Jwks,
    RecordSecurityEventRequest, RecordSecurityEventResponse, SecurityUpdate, WatchSecurityStateRequest,
    token_service_server::{TokenService, TokenServiceServer},
};
use service_runtime::{
    clock::Clock,
    entropy::Entropy,
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
use tonic::{Request, Response, Status, service::Routes};
use uuid::Uuid;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
const METHOD: &str = "onlineedu.course.v1.CourseService/CreateCourse";

/// An auth-service that keeps what it is told, and is away as often as it is told to be.
#[derive(Clone, Default)]
struct Fake {
    recorded: Arc<Mutex<Vec<RecordSecurityEventRequest>>>,
    away: Arc<AtomicUsize>,
}

#[tonic::async_trait]
impl TokenService for Fake {
    async fn get_jwks(&self, _: Request<GetJwksRequest>) -> Result<Response<Jwks>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }

    async fn authorize(&self, _: Request<AuthorizeRequest>) -> Result<Response<AuthorizeResponse>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }

    async fn batch_get_users(
        &self,
        _: Request<BatchGetUsersRequest>,
    ) -> Result<Response<BatchGetUsersResponse>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }

    type WatchSecurityStateStream = Pin<Box<dyn Stream<Item = Result<SecurityUpdate, Status>> + Send>>;

    async fn watch_security_state(
        &self,
        _: Request<WatchSecurityStateRequest>,
    ) -> Result<Response<Self::WatchSecurityStateStream>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }

    async fn record_security_event(
        &self,
        request: Request<RecordSecurityEventRequest>,
    ) -> Result<Response<RecordSecurityEventResponse>, Status> {
        let left = self
            .away
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_ok() {
            return Err(Status::unavailable("away"));
        }
        self.recorded.lock().unwrap().push(request.into_inner());
        Ok(Response::new(RecordSecurityEventResponse {}))
    }
}

struct World {
    fake: Fake,
    reporter: Reporter,
    /// Those of the reporter.
    tasks: Tasks,
    _others: Others,
}

struct Others(Tasks);

impl Drop for Others {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl World {
    fn start() -> Self {
        let (fake, others, tasks) = (Fake::default(), Tasks::default(), Tasks::default());
        let listener = listen::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Routes::new(TokenServiceServer::new(fake.clone()));
        server::serve(listener, None, routes, Tracer::default(), &others).unwrap();
        let channel = Channel::to(&format!("http://{address}")).unwrap();
        let auth = AuthClient::new(channel, &Secret::new("service-token".to_owned())).unwrap();
        Self {
            fake,
            reporter: Reporter::start(auth, Clock::system(), Entropy::default(), &tasks),
            tasks,
            _others: Others(others),
        }
    }

    /// What auth-service was told, once it was told so much.
    async fn recorded(&self, count: usize) -> Vec<RecordSecurityEventRequest> {
        let begun = Instant::now();
        loop {
            let recorded = self.fake.recorded.lock().unwrap().clone();
            if recorded.len() >= count {
                return recorded;
            }
            assert!(begun.elapsed() < PATIENCE, "{recorded:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What it was told when all is over.
    async fn all(self) -> Vec<RecordSecurityEventRequest> {
        self.tasks.stop();
        assert!(self.tasks.finished(PATIENCE).await);
        self.fake.recorded.lock().unwrap().clone()
    }
}

fn context(request_id: &str) -> RequestContext {
    RequestContext {
        request_id: request_id.into(),
        method: METHOD.into(),
        deadline: Instant::now(),
        traceparent: None,
        peer: None,
        caller: KnownCaller::default(),
    }
}

fn caller(id: u128) -> Caller {
    Caller {
        user_id: Uuid::from_u128(id),
        username: "ada@example.org".to_owned(),
        is_staff: false,
        session_id: Uuid::from_u128(id + 1),
        auth_time: "2026-03-01T12:00:00Z".parse().unwrap(),
        factors: Vec::new(),
        revision: 0,
    }
}

#[tokio::test]
async fn a_denial_is_told_with_all_that_is_known() {
    let world = World::start();
    let client = Some("203.0.113.7".parse().unwrap());
    world.reporter.denied(&context("req-1"), client, Some(&caller(7)));
    let told = world.recorded(1).await.remove(0);
    let id = Uuid::parse_str(&told.id).unwrap();
    assert_eq!(id.get_version_num(), 7);
    let expected = RecordSecurityEventRequest {
        id: told.id.clone(),
        kind: "access_denied".to_owned(),
        actor_id: Uuid::from_u128(7).to_string(),
        session_id: Uuid::from_u128(8).to_string(),
        ip_address: "203.0.113.7".to_owned(),
        request_id: "req-1".to_owned(),
        method: METHOD.to_owned(),
        times: 1,
    };
    assert_eq!(told, expected);
    assert!(!format!("{:?}", world.all().await).contains('@'), "no address");
}

#[tokio::test]
async fn a_thousand_denials_are_the_first_and_one_for_the_rest() {
    let world = World::start();
    world.reporter.denied(&context("first"), None, Some(&caller(1)));
    world.recorded(1).await;
    for _ in 0..1000 {
        world.reporter.denied(&context("more"), None, Some(&caller(1)));
        tokio::task::yield_now().await;
    }
    let all = world.all().await;
    let times: i32 = all.iter().map(|told| told.times).sum();
    assert_eq!(times, 1001);
    // One more for each ten seconds that a slow machine took.
    assert!(all.len() < 10, "{}", all.len());
}

#[tokio::test]
async fn what_auth_service_does_not_take_is_told_later() {
    let world = World::start();
    world.fake.away.store(2, Ordering::SeqCst);
    for id in 0..20 {
        world.reporter.denied(&context("req"), None, Some(&caller(id)));
    }
    let told = world.recorded(20).await;
    let mut ids: Vec<&String> = told.iter().map(|told| &told.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 20, "each once");
}

#[tokio::test]
async fn nobody_waits_for_an_auth_service_that_is_away() {
    let tasks = Tasks::default();
    let auth = AuthClient::new(
        Channel::to("http://127.0.0.1:1").unwrap(),
        &Secret::new("service-token".to_owned()),
    );
    let reporter = Reporter::start(auth.unwrap(), Clock::system(), Entropy::default(), &tasks);
    // There is no await in it: more than the queue holds are let go of.
    for id in 0..10_000 {
        reporter.denied(&context("req"), None, Some(&caller(id)));
    }
    tasks.stop();
    assert!(tasks.finished(PATIENCE).await, "nor does the end");
}
