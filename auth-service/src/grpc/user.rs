//! `UserService`.

use proto::auth::v1::{self as pb, user_service_server::UserService};
use service_runtime::grpc::context::RequestContext;
use tonic::{Request, Response, Status};

use crate::{
    domain::user::{UserChange, UserQuery, Users},
    grpc::{Callers, encode, mask, profile, refusal::status},
};

/// Serves `UserService`.
#[derive(Clone)]
pub struct UserApi {
    /// The rules.
    pub users: Users,
    /// Who calls.
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
        let context = RequestContext::of(&request);
        self.callers.staff(&request, &context).await?;
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
        let context = RequestContext::of(&request);
        self.callers.staff(&request, &context).await?;
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
        let caller = self.callers.staff(&request, &context).await?;
        let by = self.callers.actor(&caller, &request, &context);
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
            .update(&by, &message.id, change, revision)
            .await
            .map_err(told)?;
        Ok(Response::new(encode::user(user)))
    }
}
