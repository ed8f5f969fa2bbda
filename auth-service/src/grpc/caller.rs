//! Who calls: people by the sessions of their tokens, and the device behind the gateway.

use std::{
    net::IpAddr,
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
    domain::{
        event::Events,
        session::{Caller, Sessions},
    },
    grpc::refusal::status,
    model::{client::Client, event::Actor, event_kind::EventKind},
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
    /// Who is told of those who were refused.
    pub events: Events,
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

    fn denied(&self, context: &RequestContext, client: Option<IpAddr>, caller: Option<&Caller>) {
        let by = Actor {
            user_id: caller.map(|caller| caller.user.id),
            session_id: caller.map(|caller| caller.session_id),
            ip_address: client.map(|client| client.to_string()).unwrap_or_default(),
            request_id: (*context.request_id).to_owned(),
        };
        self.events
            .note(EventKind::AccessDenied, &by, None, &*context.method);
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
        let headers = request.metadata().as_ref();
        let is_service = self.services.shown_in(headers);
        if is_service && !headers.contains_key(CLIENT_ADDRESS) {
            TELLS_NO_ADDRESS.call_once(|| {
                tracing::warn!(
                    "limits per network are off for whom a service calls without saying so in {CLIENT_ADDRESS}"
                );
            });
        }
        let agent = headers.get(if is_service {
            CLIENT_USER_AGENT
        } else {
            "user-agent"
        });
        let agent = agent.and_then(|agent| agent.to_str().ok());
        Client::new(agent.unwrap_or_default(), self.address(request))
    }

    /// Who does what is asked for: the person, if they are known, and where they are.
    pub(crate) fn actor<T>(
        &self,
        request: &Request<T>,
        context: &RequestContext,
        caller: Option<&Caller>,
    ) -> Actor {
        Actor {
            user_id: caller.map(|caller| caller.user.id),
            session_id: caller.map(|caller| caller.session_id),
            ip_address: self.address(request),
            request_id: (*context.request_id).to_owned(),
        }
    }

    fn address<T>(&self, request: &Request<T>) -> String {
        let address = self
            .services
            .client(request.metadata().as_ref(), RequestContext::of(request).peer);
        address.map(|address| address.to_string()).unwrap_or_default()
    }
}
