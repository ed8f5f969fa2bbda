//! Who calls: the bearer token of people, the service token of services, and the device behind the gateway.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use service_runtime::{
    grpc::context::{CLIENT_ADDRESS, CLIENT_USER_AGENT, RequestContext, SERVICE_TOKEN, bearer},
    secret::Secret,
};
use tonic::{Request, Status};

use crate::{
    domain::{
        error::Error,
        session::{Caller, Sessions},
    },
    grpc::refusal::status,
    model::{client::Client, event::Actor},
};

/// Tells callers apart.
#[derive(Clone)]
pub struct Callers {
    /// Knows people by their access tokens.
    pub sessions: Sessions,
    /// What services show.
    pub service_tokens: Vec<Secret<String>>,
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
            Err(status(Error::ServiceTokenRequired, context))
        }
    }

    /// The device that calls: what a service says of it, otherwise the peer of the connection.
    pub(crate) fn client<T>(&self, request: &Request<T>) -> Client {
        let told = |name| request.metadata().get(name).and_then(|value| value.to_str().ok());
        let agent = |name| told(name).unwrap_or_default();
        if self.is_service(request) {
            return Client::new(agent(CLIENT_USER_AGENT), told(CLIENT_ADDRESS).unwrap_or_default());
        }
        let peer = RequestContext::of(request).peer.map(|peer| peer.to_string());
        Client::new(agent("user-agent"), peer.unwrap_or_default())
    }

    /// The person who calls, as whoever does something.
    pub(crate) fn actor<T>(&self, caller: &Caller, request: &Request<T>, context: &RequestContext) -> Actor {
        let now = self.sessions.clock.now();
        caller.actor(&self.client(request), &context.request_id, now)
    }

    fn is_service<T>(&self, request: &Request<T>) -> bool {
        let shown = request
            .metadata()
            .get(SERVICE_TOKEN)
            .map(|value| value.as_bytes());
        shown.is_some_and(|shown| {
            self.service_tokens
                .iter()
                .any(|token| verify_slices_are_equal(token.expose().as_bytes(), shown).is_ok())
        })
    }
}
