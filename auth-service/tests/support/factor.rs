//! People with a second factor.

use chrono::TimeDelta;
use proto::auth::v1 as pb;
use test_support::authenticator::Authenticator;

use super::{PASSWORD, Service, Session, as_user};

/// Somebody who has set up a second factor, in the session that did it.
#[derive(Clone)]
pub struct SetUp {
    pub session: Session,
    pub app: Authenticator,
    pub recovery_codes: Vec<String>,
}

impl SetUp {
    /// A code that was not used: time goes on to the next one.
    pub fn next_code(&self, service: &Service) -> String {
        service.clock.turn(TimeDelta::seconds(30));
        self.app.code(service.clock.now())
    }

    /// Logs in with [`PASSWORD`] and the next code.
    pub async fn login(&self, service: &Service) -> Session {
        let code = self.next_code(service);
        let login = service.login_with_code(&self.session.user.username, PASSWORD, &code);
        login.await.expect("the login works")
    }
}

impl Service {
    /// Adds an active account that sets up a second factor.
    pub async fn coded(&self, username: &str) -> SetUp {
        let session = self.user(username).await;
        self.set_up(&session).await
    }

    /// Sets up a second factor in this session.
    pub async fn set_up(&self, session: &Session) -> SetUp {
        let app = self.begin(session).await;
        let code = app.code(self.clock.now());
        let confirmed = self.confirm(session, &code).await;
        SetUp {
            session: session.clone(),
            app,
            recovery_codes: confirmed.unwrap().into_inner().recovery_codes,
        }
    }

    /// Begins to set one up.
    pub async fn begin(&self, session: &Session) -> Authenticator {
        let request = as_user(&session.access, pb::StartTotpRequest {});
        let begun = self.factors().start_totp(request).await.unwrap().into_inner();
        assert!(begun.qr_svg.contains("<svg") && begun.uri.contains(&begun.secret));
        Authenticator::scan(&begun.uri)
    }

    /// Confirms with a code.
    pub async fn confirm(
        &self,
        session: &Session,
        code: &str,
    ) -> Result<tonic::Response<pb::RecoveryCodes>, tonic::Status> {
        let code = code.to_owned();
        let request = as_user(&session.access, pb::ConfirmTotpRequest { code });
        self.factors().confirm_totp(request).await
    }

    /// Steps up with a code.
    pub async fn step_up(
        &self,
        access: &str,
        code: &str,
    ) -> Result<tonic::Response<pb::SteppedUp>, tonic::Status> {
        let code = code.to_owned();
        let request = as_user(access, pb::StepUpRequest { code });
        self.sessions().step_up(request).await
    }

    /// Removes the second factor, with a code or without.
    pub async fn remove_factor(
        &self,
        access: &str,
        code: &str,
    ) -> Result<tonic::Response<pb::RemoveTotpResponse>, tonic::Status> {
        let code = code.to_owned();
        let request = as_user(access, pb::RemoveTotpRequest { code });
        self.factors().remove_totp(request).await
    }
}
