//! The access layer: before a method is called, it is known who calls, and that the contract says that it is for
//! them. What a method finds in its request is a [`Grant`]; without the layer there is none, so that a service which
//! forgot it lets nobody in.

use std::{
    convert::Infallible,
    net::IpAddr,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use http::{Request, Response, request::Parts};
use proto::access::{Audience, Policy, policy};
use service_runtime::{
    clock::Clock,
    grpc::{
        context::{RequestContext, bearer, no_token, step_up_needed},
        refusal::{Refusal, internal},
        service_token::ServiceTokens,
    },
};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};

use crate::{
    authorize::{AuthError, Caller},
    callers::{Callers, Freshness},
    reporter::Reporter,
};

/// How an access token names a second factor among its methods (RFC 8176).
pub const SECOND_FACTOR: &str = "otp";

/// Knows people by their access tokens.
pub trait Identify: Clone + Send + Sync + 'static {
    /// What is known of them.
    type Caller: Rights;

    /// Whose access token this is, as far as it is true now or was a moment ago.
    ///
    /// # Errors
    /// What the caller is to be told.
    fn identify(
        &self,
        context: &RequestContext,
        access_token: &str,
        freshness: Freshness,
    ) -> impl Future<Output = Result<Arc<Self::Caller>, Status>> + Send;

    /// Is told of a call that was refused for want of rights, whether by the layer or by the method: from where it came,
    /// and by whom, if they are known. It must not hold anybody up.
    fn denied(&self, context: &RequestContext, client: Option<IpAddr>, caller: Option<&Self::Caller>);
}

/// What a caller may do, and how they proved who they are.
pub trait Rights: Send + Sync + 'static {
    /// Whether they administer the site.
    fn is_staff(&self) -> bool;

    /// Whether they proved a second factor, not longer ago than this.
    fn has_second_factor(&self, max_age: Duration, now: DateTime<Utc>) -> bool;
}

/// Whether methods of proof that were used at this time have a second factor among them, not longer ago than this.
pub fn has_second_factor(
    factors: &[String],
    auth_time: DateTime<Utc>,
    max_age: Duration,
    now: DateTime<Utc>,
) -> bool {
    // A clock that is behind the one that wrote `auth_time` sees a time to come.
    let age = (now - auth_time).to_std().unwrap_or_default();
    age <= max_age && factors.iter().any(|factor| factor == SECOND_FACTOR)
}

impl Rights for Caller {
    fn is_staff(&self) -> bool {
        self.is_staff
    }

    fn has_second_factor(&self, max_age: Duration, now: DateTime<Utc>) -> bool {
        has_second_factor(&self.factors, self.auth_time, max_age, now)
    }
}

/// Knows people by what auth-service says of them, and tells its trail who was refused what.
#[derive(Clone)]
pub struct People {
    /// Who remembers what was said.
    pub callers: Callers,
    /// Who tells the trail.
    pub reporter: Reporter,
}

impl Identify for People {
    type Caller = Caller;

    async fn identify(
        &self,
        context: &RequestContext,
        access_token: &str,
        freshness: Freshness,
    ) -> Result<Arc<Caller>, Status> {
        let caller = self.callers.caller(context, access_token, freshness).await;
        caller.map_err(|error: AuthError| error.refusal())
    }

    fn denied(&self, context: &RequestContext, client: Option<IpAddr>, caller: Option<&Caller>) {
        self.reporter.denied(context, client, caller);
    }
}

/// What the layer found out before it let a request through.
#[derive(Debug)]
pub struct Grant<C> {
    /// Who calls; `None` for strangers and services.
    pub caller: Option<Arc<C>>,
    /// How old the proof of a second factor may be, where the method asks for one.
    pub second_factor: Option<Duration>,
    /// What the method says of its answer.
    pub verdict: Verdict,
}

/// What a method says of the rights of its caller. Of one that says nothing the code of its answer speaks:
/// `PERMISSION_DENIED` is for want of rights. Clones are one.
#[derive(Debug, Clone, Default)]
pub struct Verdict(Arc<OnceLock<bool>>);

impl Verdict {
    /// The caller had not the rights, whatever the answer says: one who may not know what is there is told that it is
    /// not.
    pub fn denied(&self) {
        self.settle(true);
    }

    /// The caller had the rights, though something is refused: it is somebody else who has not.
    pub fn entitled(&self) {
        self.settle(false);
    }

    /// What is said first holds.
    fn settle(&self, is_denied: bool) {
        self.0.get_or_init(|| is_denied);
    }

    fn is_denied(&self, response: &Response<Body>) -> bool {
        self.0.get().copied().unwrap_or_else(|| is_denied(response))
    }
}

/// The layer is not in front of this method: a bug.
#[derive(Debug, thiserror::Error)]
#[error("no access layer has let this request through")]
struct NotGranted;

impl<C: Send + Sync + 'static> Grant<C> {
    /// What the layer left with a request.
    ///
    /// # Errors
    /// `INTERNAL` when there was none.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<Self, Status> {
        let grant = request.extensions().get::<Self>().cloned();
        grant.ok_or_else(|| not_granted(request))
    }

    /// Who calls a method that is for callers who are known.
    ///
    /// # Errors
    /// `INTERNAL` when the layer let somebody through who is not.
    pub fn caller<T>(request: &tonic::Request<T>) -> Result<Arc<C>, Status> {
        Self::of(request)?.caller.ok_or_else(|| not_granted(request))
    }
}

impl<C> Clone for Grant<C> {
    fn clone(&self) -> Self {
        Self {
            caller: self.caller.clone(),
            second_factor: self.second_factor,
            verdict: self.verdict.clone(),
        }
    }
}

fn not_granted<T>(request: &tonic::Request<T>) -> Status {
    internal(&NotGranted, &RequestContext::of(request).request_id)
}

/// Puts [`Access`] in front of the services of a process.
#[derive(Clone)]
pub struct AccessLayer<I> {
    people: I,
    services: ServiceTokens,
    clock: Clock,
}

impl<I: Identify> AccessLayer<I> {
    /// A layer that knows people and services by these.
    pub const fn new(people: I, services: ServiceTokens, clock: Clock) -> Self {
        Self {
            people,
            services,
            clock,
        }
    }

    /// Who calls, if the method is for them.
    async fn admit(
        &self,
        policy: Policy,
        context: &RequestContext,
        request: &Parts,
    ) -> Result<Grant<I::Caller>, Refused<I::Caller>> {
        let caller = match policy.audience {
            Audience::Anyone => None,
            Audience::Service if self.services.shown_in(&request.headers) => None,
            // A method that says nothing is not built, so that this is one for services.
            Audience::Service | Audience::Unspecified => return Err(not_a_service().into()),
            Audience::Visitor => self.caller(policy, context, request).await?,
            Audience::User | Audience::Instructor | Audience::StaffByCourse | Audience::Staff => {
                let caller = self.caller(policy, context, request).await?;
                let caller = caller.ok_or_else(no_token)?;
                if let Some(status) = self.refusal(policy, &*caller) {
                    return Err(Refused {
                        status,
                        caller: Some(caller),
                    });
                }
                Some(caller)
            }
        };
        Ok(Grant {
            caller,
            second_factor: policy.second_factor,
            verdict: Verdict::default(),
        })
    }

    /// Why a method is not for a caller who is known.
    fn refusal(&self, policy: Policy, caller: &I::Caller) -> Option<Status> {
        if policy.audience == Audience::Staff && !caller.is_staff() {
            return Some(not_staff(policy.staff_refusal));
        }
        // Whether they would otherwise be allowed, the method alone can tell where a course decides it.
        let depends_on_course = matches!(policy.audience, Audience::Instructor | Audience::StaffByCourse);
        let max_age = policy.second_factor.filter(|_| !depends_on_course)?;
        let has_proved = caller.has_second_factor(max_age, self.clock.now());
        (!has_proved).then(|| step_up_needed(max_age))
    }

    /// Whose token came with a request: of a moment ago for what only reads, else of now.
    async fn caller(
        &self,
        policy: Policy,
        context: &RequestContext,
        request: &Parts,
    ) -> Result<Option<Arc<I::Caller>>, Status> {
        let Some(token) = bearer(&request.headers)? else {
            return Ok(None);
        };
        let freshness = match policy.reads {
            true => Freshness::Remembered,
            false => Freshness::Current,
        };
        self.people.identify(context, token, freshness).await.map(Some)
    }
}

/// A refusal, and who gets it if they are known.
struct Refused<C> {
    status: Status,
    caller: Option<Arc<C>>,
}

impl<C> From<Status> for Refused<C> {
    fn from(status: Status) -> Self {
        Self { status, caller: None }
    }
}

/// Whether an answer calls itself a refusal for want of rights. A refusal has its code in its head.
fn is_denied(response: &Response<Body>) -> bool {
    let code = response.headers().get(Status::GRPC_STATUS);
    code.is_some_and(|code| Code::from_bytes(code.as_bytes()) == Code::PermissionDenied)
}

fn not_a_service() -> Status {
    Refusal::new(
        Code::PermissionDenied,
        "SERVICE_TOKEN_REQUIRED",
        "Only services with the service token may call this.",
    )
    .into()
}

fn not_staff(sentence: Option<&str>) -> Status {
    let sentence = sentence.unwrap_or("Only administrators may do this.");
    Refusal::new(Code::PermissionDenied, "STAFF_REQUIRED", sentence).into()
}

impl<I: Clone, S> Layer<S> for AccessLayer<I> {
    type Service = Access<I, S>;

    fn layer(&self, inner: S) -> Access<I, S> {
        Access {
            layer: self.clone(),
            inner,
        }
    }
}

/// Lets through to the services behind it whom the contract says their methods are for.
#[derive(Clone)]
pub struct Access<I, S> {
    layer: AccessLayer<I>,
    inner: S,
}

impl<I, S, B> Service<Request<B>> for Access<I, S>
where
    I: Identify,
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let behind = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, behind);
        // Health, reflection, and what nobody serves.
        let Some(policy) = policy(request.uri().path()) else {
            return Box::pin(inner.call(request));
        };
        let layer = self.layer.clone();
        let (mut head, body) = request.into_parts();
        Box::pin(async move {
            let context = RequestContext::in_extensions(&head.extensions);
            let client = layer.services.client(&head.headers, context.peer);
            let (response, caller, verdict) = match layer.admit(policy, &context, &head).await {
                Ok(grant) => {
                    let (caller, verdict) = (grant.caller.clone(), grant.verdict.clone());
                    head.extensions.insert(grant);
                    let request = Request::from_parts(head, body);
                    (inner.call(request).await?, caller, verdict)
                }
                Err(Refused { status, caller }) => (status.into_http(), caller, Verdict::default()),
            };
            if verdict.is_denied(&response) {
                layer.people.denied(&context, client, caller.as_deref());
            }
            Ok(response)
        })
    }
}
