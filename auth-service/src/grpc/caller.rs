//! Who calls: the bearer token of people, the service token of services, and the device behind the gateway.

use service_runtime::{
    grpc::{
        client,
        context::{CLIENT_USER_AGENT, RequestContext, bearer},
    },
    secret::Secret,
};
use tonic::{Request, Status};

use crate::{
    domain::{
        error::Error,
        event::Events,
        session::{Caller, Sessions},
    },
    grpc::refusal::status,
    model::{client::Client, event::Actor, event_kind::EventKind},
};

/// Tells callers apart.
#[derive(Clone)]
pub struct Callers {
    /// Knows people by their access tokens.
    pub sessions: Sessions,
    /// What services show.
    pub service_tokens: Vec<Secret<String>>,
    /// Who is told of those who were refused.
    pub events: Events,
}

impl Callers {
    /// The person who calls.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`.
    pub(crate) async fn user<T>(
        &self,
        request: &Request<T>,
        context: &RequestContext,
    ) -> Result<Caller, Status> {
        let token = bearer(request)?.ok_or_else(|| status(Error::TokenRequired, context))?;
        let caller = self.sessions.authenticate(&token).await;
        let caller = caller.map_err(|error| status(error, context))?;
        context.called_by(caller.user.id);
        Ok(caller)
    }

    /// The person who calls, if they are staff.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, `PERMISSION_DENIED`.
    pub(crate) async fn staff<T>(
        &self,
        request: &Request<T>,
        context: &RequestContext,
    ) -> Result<Caller, Status> {
        let caller = self.user(request, context).await?;
        if caller.user.is_staff {
            Ok(caller)
        } else {
            self.denied(request, context, Some(&caller));
            Err(status(Error::StaffRequired, context))
        }
    }

    /// Lets services through.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub(crate) fn service<T>(&self, request: &Request<T>, context: &RequestContext) -> Result<(), Status> {
        if self.is_service(request) {
            Ok(())
        } else {
            self.denied(request, context, None);
            Err(status(Error::ServiceTokenRequired, context))
        }
    }

    /// The device that calls: what a service says of it, otherwise the peer of the connection.
    pub(crate) fn client<T>(&self, request: &Request<T>) -> Client {
        let agent = match self.is_service(request) {
            true => CLIENT_USER_AGENT,
            false => "user-agent",
        };
        let agent = request
            .metadata()
            .get(agent)
            .and_then(|agent| agent.to_str().ok());
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

    /// Tells the trail of a call without the rights for it.
    fn denied<T>(&self, request: &Request<T>, context: &RequestContext, caller: Option<&Caller>) {
        let by = self.actor(request, context, caller);
        self.events
            .note(EventKind::AccessDenied, &by, None, &*context.method);
    }

    fn address<T>(&self, request: &Request<T>) -> String {
        let address = client::address(request, &self.service_tokens);
        address.map(|address| address.to_string()).unwrap_or_default()
    }

    fn is_service<T>(&self, request: &Request<T>) -> bool {
        client::is_service(request.metadata(), &self.service_tokens)
    }
}
