//! `TokenService`.

use proto::auth::v1::{self as pb, token_service_server::TokenService};
use service_runtime::grpc::context::RequestContext;
use tonic::{Request, Response, Status};

use crate::{
    domain::{session::Sessions, user::Users},
    grpc::{Callers, encode, refusal::status},
};

/// Serves `TokenService`.
#[derive(Clone)]
pub struct TokenApi {
    /// The rules about sessions.
    pub sessions: Sessions,
    /// The rules about users.
    pub users: Users,
    /// Who calls.
    pub callers: Callers,
}

#[tonic::async_trait]
impl TokenService for TokenApi {
    async fn get_jwks(&self, _: Request<pb::GetJwksRequest>) -> Result<Response<pb::Jwks>, Status> {
        let keys = self
            .sessions
            .keys
            .public_keys()
            .into_iter()
            .map(encode::jwk)
            .collect();
        Ok(Response::new(pb::Jwks { keys }))
    }

    async fn authorize(
        &self,
        request: Request<pb::AuthorizeRequest>,
    ) -> Result<Response<pb::AuthorizeResponse>, Status> {
        let context = RequestContext::of(&request);
        self.callers.service(&request, &context)?;
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
        }))
    }

    async fn batch_get_users(
        &self,
        request: Request<pb::BatchGetUsersRequest>,
    ) -> Result<Response<pb::BatchGetUsersResponse>, Status> {
        let context = RequestContext::of(&request);
        self.callers.service(&request, &context)?;
        let users = self.users.by_id(&request.get_ref().user_ids).await;
        let users = users.map_err(|error| status(error, &context))?;
        Ok(Response::new(pb::BatchGetUsersResponse {
            users: users.into_iter().map(encode::public_user).collect(),
        }))
    }
}
