//! `TokenService`.

use std::pin::Pin;

use auth_client::access::Grant;
use futures_util::{Stream, StreamExt, stream};
use proto::auth::v1::{self as pb, token_service_server::TokenService};
use service_runtime::{grpc::context::RequestContext, lifecycle::Tasks};
use tonic::{Request, Response, Status};

use crate::{
    domain::{
        error::Error,
        event::Events,
        security_state::SecurityState,
        session::{Caller, Sessions},
        user::Users,
    },
    grpc::{encode, event, refusal::status},
};

/// Serves `TokenService`.
#[derive(Clone)]
pub struct TokenApi {
    /// The rules about sessions.
    pub sessions: Sessions,
    /// The rules about users.
    pub users: Users,
    /// What has changed for them.
    pub security: SecurityState,
    /// The trail.
    pub events: Events,
    /// What ends the streams.
    pub tasks: Tasks,
}

#[tonic::async_trait]
impl TokenService for TokenApi {
    async fn get_jwks(&self, _: Request<pb::GetJwksRequest>) -> Result<Response<pb::Jwks>, Status> {
        Ok(Response::new(encode::jwks(&self.sessions.keys)))
    }

    async fn authorize(
        &self,
        request: Request<pb::AuthorizeRequest>,
    ) -> Result<Response<pb::AuthorizeResponse>, Status> {
        Grant::<Caller>::of(&request)?;
        let context = RequestContext::of(&request);
        let caller = self.sessions.authenticate(&request.get_ref().access_token).await;
        let caller = caller.map_err(|error| status(error, &context))?;
        context.called_by(caller.user.id);
        Ok(Response::new(pb::AuthorizeResponse {
            user_id: caller.user.id.to_string(),
            username: caller.user.username,
            is_active: caller.user.is_active,
            is_staff: caller.user.is_staff,
            session_id: caller.session_id.to_string(),
            auth_time: Some(encode::timestamp(caller.auth_time)),
            factors: caller.factors,
            revision: caller.revision,
        }))
    }

    async fn batch_get_users(
        &self,
        request: Request<pb::BatchGetUsersRequest>,
    ) -> Result<Response<pb::BatchGetUsersResponse>, Status> {
        Grant::<Caller>::of(&request)?;
        let context = RequestContext::of(&request);
        let users = self.users.by_id(&request.get_ref().user_ids).await;
        let users = users.map_err(|error| status(error, &context))?;
        Ok(Response::new(pb::BatchGetUsersResponse {
            users: users.into_iter().map(encode::public_user).collect(),
        }))
    }

    type WatchSecurityStateStream = Pin<Box<dyn Stream<Item = Result<pb::SecurityUpdate, Status>> + Send>>;

    async fn watch_security_state(
        &self,
        request: Request<pb::WatchSecurityStateRequest>,
    ) -> Result<Response<Self::WatchSecurityStateStream>, Status> {
        Grant::<Caller>::of(&request)?;
        let context = RequestContext::of(&request);
        let after = match request.get_ref().after_revision {
            0 => None,
            after @ 1.. => Some(after),
            _ => {
                let negative = Error::field("after_revision", "The revision cannot be negative");
                return Err(status(negative, &context));
            }
        };
        let (keys, tasks) = (self.sessions.keys.clone(), self.tasks.clone());
        let updates = stream::try_unfold(self.security.watch(after), move |mut watcher| {
            let (keys, context) = (keys.clone(), context.clone());
            async move {
                let update = watcher.next().await.map_err(|error| status(error, &context))?;
                Ok(Some((encode::security_update(update, &keys), watcher)))
            }
        });
        let until_stopped = updates.take_until(async move { tasks.stopping().await });
        Ok(Response::new(until_stopped.boxed()))
    }

    async fn record_security_event(
        &self,
        request: Request<pb::RecordSecurityEventRequest>,
    ) -> Result<Response<pb::RecordSecurityEventResponse>, Status> {
        Grant::<Caller>::of(&request)?;
        let context = RequestContext::of(&request);
        let recorded = self.events.record(event::sighting(request.get_ref())).await;
        recorded.map_err(|error| status(error, &context))?;
        Ok(Response::new(pb::RecordSecurityEventResponse {}))
    }
}
