//! `UserService`.

use proto::auth::v1::{self as pb, user_service_server::UserService};
use service_runtime::grpc::context::RequestContext;
use tonic::{Request, Response, Status};

use crate::{
    domain::{
        event::Events,
        user::{Granter, UserChange, UserQuery, Users},
    },
    grpc::{Callers, caller::caller, encode, event, mask, profile, refusal::status},
};

/// Serves `UserService`.
#[derive(Clone)]
pub struct UserApi {
    /// The rules.
    pub users: Users,
    /// The trail.
    pub events: Events,
    /// From where it is called.
    pub callers: Callers,
}

/// What of a user staff cannot change. A new address is proved by its owner.
const READ_ONLY: [&str; 5] = ["id", "username", "date_joined", "last_login", "etag"];

#[tonic::async_trait]
impl UserService for UserApi {
    async fn list_users(
        &self,
        request: Request<pb::ListUsersRequest>,
    ) -> Result<Response<pb::ListUsersResponse>, Status> {
        caller(&request)?;
        let context = RequestContext::of(&request);
        let message = request.get_ref();
        let query = UserQuery {
            search: &message.search,
            order_by: &message.order_by,
            page_size: message.page_size,
            page_token: &message.page_token,
        };
        let (users, next_page_token) = self
            .users
            .list(query)
            .await
            .map_err(|error| status(error, &context))?;
        Ok(Response::new(pb::ListUsersResponse {
            users: users.into_iter().map(encode::user).collect(),
            next_page_token,
        }))
    }

    async fn get_user(&self, request: Request<pb::GetUserRequest>) -> Result<Response<pb::User>, Status> {
        caller(&request)?;
        let context = RequestContext::of(&request);
        let user = self.users.get(&request.get_ref().id).await;
        Ok(Response::new(encode::user(
            user.map_err(|error| status(error, &context))?,
        )))
    }

    async fn update_user(
        &self,
        request: Request<pb::UpdateUserRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let context = RequestContext::of(&request);
        let told = |error| status(error, &context);
        let caller = caller(&request)?;
        let by = self.callers.actor(&request, &context, Some(&caller));
        let message = request.into_inner();
        let source = message.user.unwrap_or_default();
        let mut change = UserChange::default();
        let decoded = mask::read(message.update_mask, &READ_ONLY, |path| {
            match path {
                "is_active" => change.is_active = Some(source.is_active),
                "is_staff" => change.is_staff = Some(source.is_staff),
                _ => return profile::Source::from(&source).set(path, &mut change.profile),
            }
            Ok(true)
        });
        let revision = decoded
            .and_then(|()| mask::revision(&message.etag))
            .map_err(told)?;
        let user = self
            .users
            .update(Granter::Staff(&caller), &by, &message.id, change, revision)
            .await
            .map_err(told)?;
        Ok(Response::new(encode::user(user)))
    }

    async fn list_security_events(
        &self,
        request: Request<pb::ListSecurityEventsRequest>,
    ) -> Result<Response<pb::ListSecurityEventsResponse>, Status> {
        caller(&request)?;
        let context = RequestContext::of(&request);
        let told = |error| status(error, &context);
        let query = event::query(request.get_ref()).map_err(told)?;
        let (events, next_page_token) = self.events.list(query).await.map_err(told)?;
        Ok(Response::new(pb::ListSecurityEventsResponse {
            security_events: events.into_iter().map(event::encode).collect(),
            next_page_token,
        }))
    }
}
