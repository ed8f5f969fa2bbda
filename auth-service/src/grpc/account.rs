//! `AccountService`.

use proto::auth::v1::{self as pb, account_service_server::AccountService};
use service_runtime::{grpc::context::RequestContext, mac::Mac, secret::Secret};
use tonic::{Request, Response, Status};

use crate::{
    domain::{
        account::{Accounts, Registration},
        erasure::Erasures,
        error::Error,
        export::Exports,
        profile::ProfileChange,
    },
    grpc::{Callers, caller::caller, encode, export, mask, once, profile, refusal::status},
    model::username::Username,
};

/// Serves `AccountService`.
#[derive(Clone)]
pub struct AccountApi {
    /// The rules.
    pub accounts: Accounts,
    /// The rules about its end.
    pub erasures: Erasures,
    /// The rules about reading all of it.
    pub exports: Exports,
    /// From where it is called.
    pub callers: Callers,
    /// Makes fingerprints of input.
    pub fingerprints: Mac,
}

/// What of a profile its owner cannot change.
const READ_ONLY: [&str; 8] = [
    "id",
    "is_active",
    "is_staff",
    "date_joined",
    "last_login",
    "etag",
    "pending_username",
    "has_totp",
];

#[tonic::async_trait]
impl AccountService for AccountApi {
    async fn register(&self, request: Request<pb::RegisterRequest>) -> Result<Response<pb::User>, Status> {
        let context = RequestContext::of(&request);
        let told = |error| status(error, &context);
        let (client, by) = (
            self.callers.client(&request),
            self.callers.actor(&request, &context, None),
        );
        let message = request.into_inner();
        let once = once::registration(&self.fingerprints, &message).map_err(told)?;
        let asked = Registration {
            profile: profile::registered(&message),
            username: message.username,
            password: Secret::new(message.password),
            confirm_password: Secret::new(message.confirm_password),
            once,
            client,
        };
        let user = self
            .accounts
            .register(asked, &by, context.deadline)
            .await
            .map_err(told)?;
        Ok(Response::new(encode::user(user)))
    }

    async fn verify_email(
        &self,
        request: Request<pb::VerifyEmailRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let context = RequestContext::of(&request);
        let by = self.callers.actor(&request, &context, None);
        let user = self.accounts.verify_email(&request.get_ref().token, &by).await;
        Ok(Response::new(encode::user(
            user.map_err(|error| status(error, &context))?,
        )))
    }

    async fn resend_verification(
        &self,
        request: Request<pb::ResendVerificationRequest>,
    ) -> Result<Response<pb::ResendVerificationResponse>, Status> {
        let context = RequestContext::of(&request);
        let queued = self
            .accounts
            .resend_verification(&request.get_ref().username, &self.callers.client(&request))
            .await;
        queued.map_err(|error| status(error, &context))?;
        Ok(Response::new(pb::ResendVerificationResponse {}))
    }

    async fn request_password_reset(
        &self,
        request: Request<pb::RequestPasswordResetRequest>,
    ) -> Result<Response<pb::RequestPasswordResetResponse>, Status> {
        let context = RequestContext::of(&request);
        let by = self.callers.actor(&request, &context, None);
        let queued = self
            .accounts
            .request_password_reset(&request.get_ref().username, &self.callers.client(&request), &by)
            .await;
        queued.map_err(|error| status(error, &context))?;
        Ok(Response::new(pb::RequestPasswordResetResponse {}))
    }

    async fn reset_password(
        &self,
        request: Request<pb::ResetPasswordRequest>,
    ) -> Result<Response<pb::ResetPasswordResponse>, Status> {
        let context = RequestContext::of(&request);
        let (client, by) = (
            self.callers.client(&request),
            self.callers.actor(&request, &context, None),
        );
        let message = request.into_inner();
        let (password, confirm) = (
            Secret::new(message.password),
            Secret::new(message.confirm_password),
        );
        let reset = self
            .accounts
            .reset_password(
                &message.token,
                &password,
                &confirm,
                (&client, &by),
                context.deadline,
            )
            .await;
        reset.map_err(|error| status(error, &context))?;
        Ok(Response::new(pb::ResetPasswordResponse {}))
    }

    async fn confirm_username(
        &self,
        request: Request<pb::ConfirmUsernameRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let context = RequestContext::of(&request);
        let by = self.callers.actor(&request, &context, None);
        let user = self
            .accounts
            .confirm_username(&request.get_ref().token, &by)
            .await;
        Ok(Response::new(encode::user(
            user.map_err(|error| status(error, &context))?,
        )))
    }

    async fn get_profile(
        &self,
        request: Request<pb::GetProfileRequest>,
    ) -> Result<Response<pb::Profile>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(encode::profile(caller.user.clone())))
    }

    async fn update_profile(
        &self,
        request: Request<pb::UpdateProfileRequest>,
    ) -> Result<Response<pb::Profile>, Status> {
        let context = RequestContext::of(&request);
        let told = |error| status(error, &context);
        let caller = caller(&request)?;
        let by = self.callers.actor(&request, &context, Some(&caller));
        let message = request.into_inner();
        let source = message.profile.unwrap_or_default();
        let (mut change, mut username) = (ProfileChange::default(), None);
        let decoded = mask::read(message.update_mask, &READ_ONLY, |path| match path {
            "username" => {
                username = Some(Username::parse(&source.username).map_err(|not| not.to_string())?);
                Ok(true)
            }
            _ => profile::Source::from(&source).set(path, &mut change),
        });
        let revision = decoded
            .and_then(|()| mask::revision(&message.etag))
            .map_err(told)?;
        let user = self
            .accounts
            .update_profile(&caller, &by, change, username, revision)
            .await
            .map_err(told)?;
        Ok(Response::new(encode::profile(user)))
    }

    async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> Result<Response<pb::ChangePasswordResponse>, Status> {
        let context = RequestContext::of(&request);
        let caller = caller(&request)?;
        let by = self.callers.actor(&request, &context, Some(&caller));
        let message = request.into_inner();
        let current = Secret::new(message.current_password);
        let (password, confirm) = (
            Secret::new(message.password),
            Secret::new(message.confirm_password),
        );
        let new = (&password, &confirm);
        let changed = self
            .accounts
            .change_password(&caller, &by, &current, new, context.deadline)
            .await;
        changed.map_err(|error: Error| status(error, &context))?;
        Ok(Response::new(pb::ChangePasswordResponse {}))
    }

    async fn export(
        &self,
        request: Request<pb::ExportRequest>,
    ) -> Result<Response<pb::PersonalData>, Status> {
        let context = RequestContext::of(&request);
        let caller = caller(&request)?;
        let by = self.callers.actor(&request, &context, Some(&caller));
        let export = self.exports.export(&caller, &by, &context).await;
        Ok(Response::new(export::encode(
            export.map_err(|error| status(error, &context))?,
        )))
    }

    async fn delete_account(
        &self,
        request: Request<pb::DeleteAccountRequest>,
    ) -> Result<Response<pb::DeleteAccountResponse>, Status> {
        let context = RequestContext::of(&request);
        let caller = caller(&request)?;
        let by = self.callers.actor(&request, &context, Some(&caller));
        let password = Secret::new(request.into_inner().password);
        let deleted = self
            .erasures
            .delete_account(&caller, &by, &password, context.deadline);
        deleted.await.map_err(|error| status(error, &context))?;
        Ok(Response::new(pb::DeleteAccountResponse {}))
    }
}
