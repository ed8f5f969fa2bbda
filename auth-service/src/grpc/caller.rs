//! Who calls: people by the sessions of their tokens, and the device behind the gateway.

use std::{
    sync::{Arc, Once},
    time::Duration,
};

use auth_client::{
    access::{Grant, Identify, Rights, has_second_factor},
    callers::Freshness,
};
use chrono::{DateTime, Utc};
use service_runtime::grpc::{
    context::{CLIENT_ADDRESS, CLIENT_USER_AGENT, RequestContext},
    service_token::ServiceTokens,
};
use tonic::{Request, Status};

use crate::{
    domain::session::{Caller, Sessions},
    grpc::refusal::status,
    model::{client::Client, event::Actor},
};

/// Said once: which service it is does not change from call to call.
static TELLS_NO_ADDRESS: Once = Once::new();

/// Tells callers apart.
#[derive(Clone)]
pub struct Callers {
    /// Knows people by their access tokens.
    pub sessions: Sessions,
    /// What services show.
    pub services: ServiceTokens,
}

/// The sessions are here, so that every answer is of now.
impl Identify for Callers {
    type Caller = Caller;

    async fn identify(
        &self,
        context: &RequestContext,
        access_token: &str,
        _: Freshness,
    ) -> Result<Arc<Caller>, Status> {
        let caller = self.sessions.authenticate(access_token).await;
        let caller = caller.map_err(|error| status(error, context))?;
        context.called_by(caller.user.id);
        Ok(Arc::new(caller))
    }
}

impl Rights for Caller {
    fn is_staff(&self) -> bool {
        self.user.is_staff
    }

    fn has_second_factor(&self, max_age: Duration, now: DateTime<Utc>) -> bool {
        has_second_factor(&self.factors, self.auth_time, max_age, now)
    }
}

/// Who calls a method that is for callers who are known.
///
/// # Errors
/// `INTERNAL` when no access layer is in front of it.
pub(crate) fn caller<T>(request: &Request<T>) -> Result<Arc<Caller>, Status> {
    Grant::caller(request)
}

impl Callers {
    /// The device that calls: what a service says of it, otherwise the peer of the connection.
    pub(crate) fn client<T>(&self, request: &Request<T>) -> Client {
        let told = |name| request.metadata().get(name).and_then(|value| value.to_str().ok());
        let agent = |name| told(name).unwrap_or_default();
        if self.services.shown_in(request.metadata().as_ref()) {
            let address = told(CLIENT_ADDRESS).unwrap_or_else(|| {
                TELLS_NO_ADDRESS.call_once(|| {
                    tracing::warn!(
                        "limits per network are off for whom a service calls without saying so in {CLIENT_ADDRESS}"
                    );
                });
                ""
            });
            return Client::new(agent(CLIENT_USER_AGENT), address);
        }
        let peer = RequestContext::of(request).peer.map(|peer| peer.to_string());
        Client::new(agent("user-agent"), peer.unwrap_or_default())
    }

    /// The person who calls, as whoever does something.
    pub(crate) fn actor<T>(&self, caller: &Caller, request: &Request<T>, context: &RequestContext) -> Actor {
        let now = self.sessions.clock.now();
        caller.actor(&self.client(request), &context.request_id, now)
    }
}
