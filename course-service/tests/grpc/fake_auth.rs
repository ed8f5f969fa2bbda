//! An auth-service on a real socket: it knows the users a test gives it, and fails the way the test wants.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use proto::auth::v1::{
    AuthorizeRequest, AuthorizeResponse, BatchGetUsersRequest, BatchGetUsersResponse, GetJwksRequest, Jwks,
    PublicUser, RecordSecurityEventRequest, RecordSecurityEventResponse, SecurityUpdate,
    WatchSecurityStateRequest,
    token_service_server::{TokenService, TokenServiceServer},
};
use service_runtime::{grpc, lifecycle::Tasks, listen, telemetry::Tracer};
use tonic::{Request, Response, Status, service::Routes};
use uuid::Uuid;

/// How it answers.
#[derive(Debug, Clone, Copy)]
pub enum Mood {
    Well,
    /// As a proxy before a dead process does.
    Unavailable,
    /// Too many calls.
    Busy,
    /// Never within any deadline.
    Asleep,
    /// As if the service token were another one.
    Distrustful,
    /// As with a bug.
    Broken,
}

#[derive(Debug, Clone)]
pub struct FakeAuth(Arc<State>);

#[derive(Debug)]
struct State {
    /// By access token.
    users: Mutex<BTreeMap<String, PublicUser>>,
    /// When whoever has this access token proved a second factor.
    second_factors: Mutex<BTreeMap<String, DateTime<Utc>>>,
    mood: Mutex<Mood>,
    calls: AtomicUsize,
    /// What it was told for the trail.
    recorded: Mutex<Vec<RecordSecurityEventRequest>>,
    last_request_id: Mutex<Option<String>>,
    service_token: String,
}

impl FakeAuth {
    /// Starts it; it stops with the tasks.
    pub fn start(service_token: &str, tasks: &Tasks) -> (Self, SocketAddr) {
        let fake = Self(Arc::new(State {
            users: Mutex::default(),
            second_factors: Mutex::default(),
            mood: Mutex::new(Mood::Well),
            calls: AtomicUsize::new(0),
            recorded: Mutex::default(),
            last_request_id: Mutex::default(),
            service_token: service_token.to_owned(),
        }));
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Routes::new(TokenServiceServer::new(fake.clone()));
        grpc::server::serve(listener, None, routes, Tracer::default(), tasks).unwrap();
        (fake, address)
    }

    pub fn feel(&self, mood: Mood) {
        *self.0.mood.lock().unwrap() = mood;
    }

    /// Knows a user by their token, or knows them differently from now on.
    pub fn know(&self, token: &str, user: PublicUser) {
        self.0.users.lock().unwrap().insert(token.to_owned(), user);
    }

    /// The user with this token.
    pub fn known(&self, token: &str) -> PublicUser {
        self.0.users.lock().unwrap()[token].clone()
    }

    /// Whoever has this token proved a second factor then.
    pub fn prove(&self, token: &str, time: DateTime<Utc>) {
        self.0
            .second_factors
            .lock()
            .unwrap()
            .insert(token.to_owned(), time);
    }

    /// Changes what is known of a user.
    pub fn change(&self, id: Uuid, change: impl Fn(&mut PublicUser)) {
        let mut users = self.0.users.lock().unwrap();
        users
            .values_mut()
            .filter(|user| user.id == id.to_string())
            .for_each(change);
    }

    /// How often it was asked anything.
    pub fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// What it was told for the trail.
    pub fn recorded(&self) -> Vec<RecordSecurityEventRequest> {
        self.0.recorded.lock().unwrap().clone()
    }

    /// The request id of the last question.
    pub fn last_request_id(&self) -> Option<String> {
        self.0.last_request_id.lock().unwrap().clone()
    }

    async fn answer<T>(&self, request: &Request<T>) -> Result<(), Status> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        let text = |key| {
            request
                .metadata()
                .get(key)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        *self.0.last_request_id.lock().unwrap() = text("x-request-id");
        if text("x-service-token") != Some(self.0.service_token.clone()) {
            return Err(Status::permission_denied("who are you?"));
        }
        let mood = *self.0.mood.lock().unwrap();
        match mood {
            Mood::Well => Ok(()),
            Mood::Unavailable => Err(Status::unavailable("down")),
            Mood::Busy => Err(Status::resource_exhausted("busy")),
            Mood::Distrustful => Err(Status::permission_denied("who are you?")),
            Mood::Broken => Err(Status::internal("SELECT oops")),
            Mood::Asleep => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                Ok(())
            }
        }
    }
}

#[tonic::async_trait]
impl TokenService for FakeAuth {
    async fn get_jwks(&self, _: Request<GetJwksRequest>) -> Result<Response<Jwks>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }

    async fn record_security_event(
        &self,
        request: Request<RecordSecurityEventRequest>,
    ) -> Result<Response<RecordSecurityEventResponse>, Status> {
        self.answer(&request).await?;
        self.0.recorded.lock().unwrap().push(request.into_inner());
        Ok(Response::new(RecordSecurityEventResponse {}))
    }

    async fn authorize(
        &self,
        request: Request<AuthorizeRequest>,
    ) -> Result<Response<AuthorizeResponse>, Status> {
        self.answer(&request).await?;
        let users = self.0.users.lock().unwrap();
        let user = users
            .get(&request.get_ref().access_token)
            .filter(|user| user.is_active)
            .ok_or_else(|| Status::unauthenticated("no such token"))?;
        let second_factors = self.0.second_factors.lock().unwrap();
        let proved = second_factors.get(&request.get_ref().access_token);
        let mut factors = vec!["pwd".to_owned()];
        factors.extend(proved.map(|_| "otp".to_owned()));
        Ok(Response::new(AuthorizeResponse {
            user_id: user.id.clone(),
            username: user.username.clone(),
            is_active: true,
            is_staff: user.is_staff,
            session_id: user.id.clone(),
            auth_time: Some(prost_types::Timestamp {
                seconds: proved.map_or(1_700_000_000, DateTime::timestamp),
                nanos: 0,
            }),
            factors,
            revision: 0,
        }))
    }

    type WatchSecurityStateStream = futures::stream::Empty<Result<SecurityUpdate, Status>>;

    async fn watch_security_state(
        &self,
        _: Request<WatchSecurityStateRequest>,
    ) -> Result<Response<Self::WatchSecurityStateStream>, Status> {
        Err(Status::unimplemented("it asks about every caller"))
    }

    async fn batch_get_users(
        &self,
        request: Request<BatchGetUsersRequest>,
    ) -> Result<Response<BatchGetUsersResponse>, Status> {
        self.answer(&request).await?;
        let users = self.0.users.lock().unwrap();
        let wanted = |user: &&PublicUser| request.get_ref().user_ids.contains(&user.id);
        // A user may have several tokens.
        let by_id: BTreeMap<_, _> = users
            .values()
            .filter(wanted)
            .map(|user| (&user.id, user))
            .collect();
        let users = by_id.into_values().cloned().collect();
        Ok(Response::new(BatchGetUsersResponse { users }))
    }
}
