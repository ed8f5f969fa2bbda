//! `FactorService`, and how refusals that have to do with second factors are told.

use chrono::TimeDelta;
use proto::auth::v1::{self as pb, factor_service_server::FactorService};
use service_runtime::{
    field::FieldError,
    grpc::{
        context::{RequestContext, login_needed, step_up_needed},
        refusal::Refusal,
    },
    secret::Secret,
};
use tonic::{Code, Request, Response, Status};

use crate::{
    domain::factor::{FactorError, Factors, RECENT_LOGIN},
    grpc::{Callers, encode, qr, refusal::status},
    model::session::FRESH,
};

/// Serves `FactorService`.
#[derive(Clone)]
pub struct FactorApi {
    /// The rules.
    pub factors: Factors,
    /// Who calls.
    pub callers: Callers,
}

#[tonic::async_trait]
impl FactorService for FactorApi {
    async fn start_totp(
        &self,
        request: Request<pb::StartTotpRequest>,
    ) -> Result<Response<pb::StartTotpResponse>, Status> {
        let context = RequestContext::of(&request);
        let told = |error| status(error, &context);
        let caller = self.callers.user(&request, &context).await?;
        let enrolment = self.factors.start(&caller).await.map_err(told)?;
        Ok(Response::new(pb::StartTotpResponse {
            qr_svg: qr::svg(enrolment.uri.expose()).map_err(told)?,
            secret: enrolment.secret.expose().clone(),
            uri: enrolment.uri.expose().clone(),
        }))
    }

    async fn confirm_totp(
        &self,
        request: Request<pb::ConfirmTotpRequest>,
    ) -> Result<Response<pb::RecoveryCodes>, Status> {
        let context = RequestContext::of(&request);
        let caller = self.callers.user(&request, &context).await?;
        let by = self.callers.actor(&caller, &request, &context);
        let code = Secret::new(request.into_inner().code);
        let codes = self.factors.confirm(&caller, &code, &by).await;
        let codes = codes.map_err(|error| status(error, &context))?;
        Ok(Response::new(encode::recovery_codes(codes)))
    }

    async fn remove_totp(
        &self,
        request: Request<pb::RemoveTotpRequest>,
    ) -> Result<Response<pb::RemoveTotpResponse>, Status> {
        let context = RequestContext::of(&request);
        let caller = self.callers.user(&request, &context).await?;
        let by = self.callers.actor(&caller, &request, &context);
        let code = Secret::new(request.into_inner().code);
        let removed = self.factors.remove(&caller, &code, &by).await;
        removed.map_err(|error| status(error, &context))?;
        Ok(Response::new(pb::RemoveTotpResponse {}))
    }

    async fn renew_recovery_codes(
        &self,
        request: Request<pb::RenewRecoveryCodesRequest>,
    ) -> Result<Response<pb::RecoveryCodes>, Status> {
        let context = RequestContext::of(&request);
        let caller = self.callers.user(&request, &context).await?;
        let by = self.callers.actor(&caller, &request, &context);
        let code = Secret::new(request.into_inner().code);
        let codes = self.factors.renew_recovery_codes(&caller, &code, &by).await;
        let codes = codes.map_err(|error| status(error, &context))?;
        Ok(Response::new(encode::recovery_codes(codes)))
    }
}

/// What the caller is told.
pub(super) fn refused(error: FactorError) -> Status {
    let refusal = match error {
        FactorError::Required => Refusal::new(
            Code::Unauthenticated,
            "SECOND_FACTOR_REQUIRED",
            "A code of your authenticator app is required.",
        ),
        FactorError::Missing => Refusal::new(
            Code::FailedPrecondition,
            "SECOND_FACTOR_MISSING",
            "This account has no second factor. Set one up first.",
        ),
        FactorError::Exists => Refusal::new(
            Code::FailedPrecondition,
            "SECOND_FACTOR_EXISTS",
            "This account has a second factor. Remove it first.",
        ),
        FactorError::NotStarted => Refusal::new(
            Code::FailedPrecondition,
            "SECOND_FACTOR_NOT_STARTED",
            "There is nothing to confirm. Begin again.",
        ),
        FactorError::WrongCode => {
            let sentence = "The code is wrong, or was used already.";
            Refusal::fields("CODE_INVALID", vec![FieldError::new("code", sentence)])
        }
        FactorError::Throttled(wait) => Refusal::new(
            Code::ResourceExhausted,
            "CODE_THROTTLED",
            "Too many wrong codes. Please wait, or use a recovery code.",
        )
        .retry_after(wait),
        FactorError::NotFresh => return step_up_needed(span(FRESH)),
        FactorError::NotRecent => return login_needed(span(RECENT_LOGIN)),
    };
    refusal.into()
}

fn span(delta: TimeDelta) -> std::time::Duration {
    delta.to_std().unwrap_or_default()
}
