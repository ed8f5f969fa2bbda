//! Asks auth-service who a caller is and what they may do now. An answer that cannot be had is an error of its
//! own: nobody is let in by default, and nobody is turned into a stranger.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use proto::auth::v1::{
    AuthorizeRequest, AuthorizeResponse, BatchGetUsersRequest, PublicUser as PublicUserMessage,
    RecordSecurityEventRequest, SecurityUpdate, WatchSecurityStateRequest,
    token_service_client::TokenServiceClient,
};
use service_runtime::{
    grpc::{
        channel::Channel,
        context::{KnownCaller, RequestContext, SERVICE_TOKEN, bad_token},
        refusal::Refusal,
    },
    secret::Secret,
    telemetry::RpcCall,
};
use tonic::{
    Code, Status, Streaming,
    metadata::{Ascii, MetadataValue, errors::InvalidMetadataValue},
};
use uuid::Uuid;

/// How long a whole answer is waited for at most, however often it is asked for and whatever is left of the
/// caller's deadline.
const PATIENCE: Duration = Duration::from_secs(2);

/// How large a part of a snapshot may be, in bytes: more than a thousand sessions for each of fifty revisions.
const LARGEST_UPDATE: usize = 8 * 1024 * 1024;

const AUTHORIZE: &str = "/onlineedu.auth.v1.TokenService/Authorize";
const RECORD_SECURITY_EVENT: &str = "/onlineedu.auth.v1.TokenService/RecordSecurityEvent";
const BATCH_GET_USERS: &str = "/onlineedu.auth.v1.TokenService/BatchGetUsers";

/// Who a caller is and what they may do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user's id.
    pub user_id: Uuid,
    /// The user's address.
    pub username: String,
    /// Whether the account administers the site.
    pub is_staff: bool,
    /// The session the token belongs to.
    pub session_id: Uuid,
    /// When the person last proved who they are.
    pub auth_time: DateTime<Utc>,
    /// How they proved it, as RFC 8176 method names.
    pub factors: Vec<String>,
    /// The revision of the state of security at which all this is so.
    pub revision: i64,
}

/// What services may know of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUser {
    /// The user's id.
    pub id: Uuid,
    /// The user's address.
    pub username: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Whether the account is active.
    pub is_active: bool,
    /// Whether the account administers the site.
    pub is_staff: bool,
}

/// Why auth-service gave no answer to go by.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The access token is not valid, or its session or account has ended.
    #[error("the access token is not valid")]
    InvalidToken,
    /// It cannot be reached, is too busy or too slow; trying again later may help.
    #[error("auth-service does not answer")]
    Unavailable(#[source] Status),
    /// It does not know our service token; an operator has to help.
    #[error("auth-service refused our service token")]
    Misconfigured(#[source] Status),
    /// It answered with something that is no answer; a bug on either side.
    #[error("auth-service failed")]
    Failed(#[source] Status),
}

/// When asking again may help while auth-service does not answer.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl AuthError {
    /// What the caller is told, who can do nothing about it but log in or try again.
    pub fn refusal(&self) -> Status {
        match self {
            Self::InvalidToken => bad_token(),
            Self::Unavailable(_) | Self::Misconfigured(_) | Self::Failed(_) => Refusal::new(
                Code::Unavailable,
                "AUTH_UNAVAILABLE",
                "The service cannot answer right now; try again in a moment.",
            )
            .retry_after(RETRY_AFTER)
            .into(),
        }
    }
}

/// A client of auth-service. Cheap to clone; clones share one connection.
#[derive(Debug, Clone)]
pub struct AuthClient {
    tokens: TokenServiceClient<Channel>,
    service_token: MetadataValue<Ascii>,
}

impl AuthClient {
    /// A client that shows this service token.
    ///
    /// # Errors
    /// When the token has characters that metadata cannot carry.
    pub fn new(channel: Channel, service_token: &Secret<String>) -> Result<Self, InvalidMetadataValue> {
        let mut service_token: MetadataValue<Ascii> = service_token.expose().parse()?;
        service_token.set_sensitive(true);
        Ok(Self {
            tokens: TokenServiceClient::new(channel),
            service_token,
        })
    }

    /// Whose access token this is and what they may do now.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn authorize(&self, context: &RequestContext, access_token: &str) -> Result<Caller, AuthError> {
        let message = AuthorizeRequest {
            access_token: access_token.to_owned(),
        };
        let answer = self
            .ask(
                context,
                AUTHORIZE,
                || message.clone(),
                async |mut client, request| client.authorize(request).await,
            )
            .await;
        answer
            .and_then(caller)
            .inspect(|caller| context.called_by(caller.user_id))
            .inspect_err(|error| tell(error, &context.request_id))
    }

    /// The users of these ids, at most 500; ids that are nobody's are left out.
    ///
    /// # Errors
    /// [`AuthError`], except [`AuthError::InvalidToken`].
    pub async fn users(&self, context: &RequestContext, ids: &[Uuid]) -> Result<Vec<PublicUser>, AuthError> {
        let message = BatchGetUsersRequest {
            user_ids: ids.iter().map(Uuid::to_string).collect(),
        };
        let answer = self
            .ask(
                context,
                BATCH_GET_USERS,
                || message.clone(),
                async |mut client, request| client.batch_get_users(request).await,
            )
            .await
            .map_err(|error| match error {
                AuthError::InvalidToken => AuthError::Failed(unexpected("no token was sent")),
                other => other,
            });
        answer
            .and_then(|answer| answer.users.into_iter().map(user).collect())
            .inspect_err(|error| tell(error, &context.request_id))
    }

    /// Adds to the trail what was seen in a request.
    pub(crate) async fn record(
        &self,
        request_id: &Arc<str>,
        message: RecordSecurityEventRequest,
    ) -> Result<(), AuthError> {
        let context = RequestContext {
            request_id: Arc::clone(request_id),
            method: RECORD_SECURITY_EVENT.trim_start_matches('/').into(),
            deadline: Instant::now() + PATIENCE,
            traceparent: None,
            peer: None,
            caller: KnownCaller::default(),
        };
        let recorded = self.ask(
            &context,
            RECORD_SECURITY_EVENT,
            || message.clone(),
            async |mut client, request| client.record_security_event(request).await,
        );
        recorded.await.map(drop)
    }

    /// Watches the state of security from after this revision.
    pub(crate) async fn watch(&self, after_revision: i64) -> Result<Streaming<SecurityUpdate>, Status> {
        let mut request = tonic::Request::new(WatchSecurityStateRequest { after_revision });
        request
            .metadata_mut()
            .insert(SERVICE_TOKEN, self.service_token.clone());
        let mut client = self.tokens.clone().max_decoding_message_size(LARGEST_UPDATE);
        Ok(client.watch_security_state(request).await?.into_inner())
    }

    /// Sends a question, and once more if the connection turned out to be gone: what only reads, or is recorded once
    /// however often it is sent.
    async fn ask<Q, A>(
        &self,
        context: &RequestContext,
        method: &'static str,
        question: impl Fn() -> Q,
        send: impl AsyncFn(TokenServiceClient<Channel>, tonic::Request<Q>) -> Result<tonic::Response<A>, Status>,
    ) -> Result<A, AuthError> {
        let deadline = Instant::now() + context.time_left().min(PATIENCE);
        let attempt = async || {
            let mut request = context.onward(question());
            request.set_timeout(deadline.saturating_duration_since(Instant::now()));
            request
                .metadata_mut()
                .insert(SERVICE_TOKEN, self.service_token.clone());
            let call = RpcCall::begin(method, &mut request);
            let answer = send(self.tokens.clone(), request).await;
            call.end(&answer);
            answer
        };
        let asking = async {
            match attempt().await {
                // A refusal that the other side sent has no source; one of the transport does.
                Err(status) if status.code() == Code::Unavailable && status.source().is_some() => {
                    attempt().await
                }
                answer => answer,
            }
        };
        tokio::time::timeout_at(deadline.into(), asking)
            .await
            .unwrap_or_else(|_elapsed| Err(Status::deadline_exceeded("no whole answer in time")))
            .map(tonic::Response::into_inner)
            .map_err(refused)
    }
}

/// What a refusal of auth-service means to those who asked.
fn refused(status: Status) -> AuthError {
    match status.code() {
        Code::Unauthenticated => AuthError::InvalidToken,
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::ResourceExhausted => {
            AuthError::Unavailable(status)
        }
        Code::PermissionDenied => AuthError::Misconfigured(status),
        _ => AuthError::Failed(status),
    }
}

/// Tells an operator what a request was refused for, if they can do something about it: one line each.
fn tell(error: &AuthError, request_id: &str) {
    match error {
        AuthError::InvalidToken => {}
        AuthError::Unavailable(status) => tracing::warn!(
            request_id,
            code = ?status.code(),
            message = status.message(),
            "auth-service does not answer"
        ),
        AuthError::Misconfigured(_) => tracing::error!(
            request_id,
            "auth-service refused our SERVICE_TOKEN: the two must be the same"
        ),
        AuthError::Failed(status) => tracing::error!(
            request_id,
            code = ?status.code(),
            message = status.message(),
            "auth-service failed"
        ),
    }
}

fn caller(answer: AuthorizeResponse) -> Result<Caller, AuthError> {
    if !answer.is_active {
        return Err(AuthError::InvalidToken);
    }
    let auth_time = answer
        .auth_time
        .and_then(|time| DateTime::from_timestamp(time.seconds, u32::try_from(time.nanos).ok()?))
        .ok_or_else(|| AuthError::Failed(unexpected("no auth_time")))?;
    Ok(Caller {
        user_id: id(&answer.user_id)?,
        username: answer.username,
        is_staff: answer.is_staff,
        session_id: id(&answer.session_id)?,
        auth_time,
        factors: answer.factors,
        revision: answer.revision,
    })
}

fn user(user: PublicUserMessage) -> Result<PublicUser, AuthError> {
    Ok(PublicUser {
        id: id(&user.id)?,
        username: user.username,
        first_name: user.first_name,
        last_name: user.last_name,
        is_active: user.is_active,
        is_staff: user.is_staff,
    })
}

fn id(text: &str) -> Result<Uuid, AuthError> {
    text.parse()
        .map_err(|_| AuthError::Failed(unexpected("an id that is no UUID")))
}

fn unexpected(what: &str) -> Status {
    Status::internal(format!("auth-service answered with {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(code: Code) -> AuthError {
        refused(Status::new(code, "because"))
    }

    #[test]
    fn only_unauthenticated_is_about_the_token() {
        assert!(matches!(meaning(Code::Unauthenticated), AuthError::InvalidToken));
        assert!(matches!(
            meaning(Code::PermissionDenied),
            AuthError::Misconfigured(_)
        ));
        for code in [
            Code::Unavailable,
            Code::DeadlineExceeded,
            Code::Cancelled,
            Code::ResourceExhausted,
        ] {
            assert!(matches!(meaning(code), AuthError::Unavailable(_)), "{code:?}");
        }
        for code in [
            Code::Internal,
            Code::Unknown,
            Code::Unimplemented,
            Code::InvalidArgument,
        ] {
            assert!(matches!(meaning(code), AuthError::Failed(_)), "{code:?}");
        }
    }

    #[test]
    fn an_answer_without_an_active_account_lets_nobody_in() {
        let answer = AuthorizeResponse {
            user_id: Uuid::nil().to_string(),
            session_id: Uuid::nil().to_string(),
            auth_time: Some(Default::default()),
            is_staff: true,
            ..AuthorizeResponse::default()
        };
        assert!(matches!(caller(answer.clone()), Err(AuthError::InvalidToken)));
        let active = AuthorizeResponse {
            is_active: true,
            ..answer
        };
        assert!(caller(active.clone()).is_ok());
        let nobody = AuthorizeResponse {
            user_id: String::new(),
            ..active
        };
        assert!(matches!(caller(nobody), Err(AuthError::Failed(_))));
    }
}
