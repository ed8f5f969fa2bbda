//! `SessionService`.

use proto::auth::v1::{self as pb, session_service_server::SessionService};
use service_runtime::{grpc::context::RequestContext, secret::Secret};
use tonic::{Request, Response, Status};

use crate::{
    domain::{
        error::Error,
        session::{Sessions, Tokens},
    },
    grpc::{Callers, encode, refusal::status},
};

/// Serves `SessionService`.
#[derive(Clone)]
pub struct SessionApi {
    /// The rules.
    pub sessions: Sessions,
    /// Who calls.
    pub callers: Callers,
}

#[tonic::async_trait]
impl SessionService for SessionApi {
    async fn login(&self, request: Request<pb::LoginRequest>) -> Result<Response<pb::TokenPair>, Status> {
        let context = RequestContext::of(&request);
        let client = self.callers.client(&request);
        let message = request.into_inner();
        let (password, code) = (Secret::new(message.password), Secret::new(message.code));
        let (request_id, deadline) = (&context.request_id, context.deadline);
        let tokens = self
            .sessions
            .login(&message.username, &password, &code, &client, request_id, deadline)
            .await;
        answer(tokens, &context)
    }

    async fn refresh(&self, request: Request<pb::RefreshRequest>) -> Result<Response<pb::TokenPair>, Status> {
        let context = RequestContext::of(&request);
        let client = self.callers.client(&request);
        let tokens = self
            .sessions
            .refresh(&request.get_ref().refresh, &client, &context.request_id)
            .await;
        answer(tokens, &context)
    }

    async fn logout(
        &self,
        request: Request<pb::LogoutRequest>,
    ) -> Result<Response<pb::LogoutResponse>, Status> {
        let context = RequestContext::of(&request);
        let ended = self.sessions.logout(&request.get_ref().refresh).await;
        ended.map_err(|error| status(error, &context))?;
        Ok(Response::new(pb::LogoutResponse {}))
    }

    async fn step_up(&self, request: Request<pb::StepUpRequest>) -> Result<Response<pb::SteppedUp>, Status> {
        let context = RequestContext::of(&request);
        let caller = self.callers.user(&request, &context).await?;
        let by = self.callers.actor(&caller, &request, &context);
        let code = Secret::new(request.into_inner().code);
        let stepped_up = self.sessions.step_up(&caller, &code, &by).await;
        Ok(Response::new(encode::stepped_up(
            stepped_up.map_err(|error| status(error, &context))?,
        )))
    }

    async fn logout_all(
        &self,
        request: Request<pb::LogoutAllRequest>,
    ) -> Result<Response<pb::LogoutAllResponse>, Status> {
        let context = RequestContext::of(&request);
        let caller = self.callers.user(&request, &context).await?;
        self.sessions
            .logout_all(&caller)
            .await
            .map_err(|error| status(error, &context))?;
        Ok(Response::new(pb::LogoutAllResponse {}))
    }

    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        let context = RequestContext::of(&request);
        let caller = self.callers.user(&request, &context).await?;
        let message = request.get_ref();
        let page = self
            .sessions
            .list(&caller, message.page_size, &message.page_token)
            .await;
        let (sessions, next_page_token) = page.map_err(|error| status(error, &context))?;
        let sessions = sessions
            .into_iter()
            .map(|session| encode::session(session, caller.session_id))
            .collect();
        Ok(Response::new(pb::ListSessionsResponse {
            sessions,
            next_page_token,
        }))
    }

    async fn revoke_session(
        &self,
        request: Request<pb::RevokeSessionRequest>,
    ) -> Result<Response<pb::RevokeSessionResponse>, Status> {
        let context = RequestContext::of(&request);
        let caller = self.callers.user(&request, &context).await?;
        let revoked = self.sessions.revoke(&caller, &request.get_ref().id).await;
        revoked.map_err(|error| status(error, &context))?;
        Ok(Response::new(pb::RevokeSessionResponse {}))
    }
}

/// Whoever gets the tokens of a session is its user from then on.
fn answer(
    tokens: Result<Tokens, Error>,
    context: &RequestContext,
) -> Result<Response<pb::TokenPair>, Status> {
    let tokens = tokens.map_err(|error| status(error, context))?;
    context.called_by(tokens.user.id);
    Ok(Response::new(encode::token_pair(tokens)))
}
