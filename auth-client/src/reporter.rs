//! Tells auth-service's trail who was refused what. A request never waits for it and never fails by it: denials are
//! gathered, those of one caller and method within ten seconds told as one, and sent on.

use std::{collections::VecDeque, net::IpAddr, sync::Arc};

use proto::auth::v1::RecordSecurityEventRequest;
use service_runtime::{
    clock::Clock,
    entropy::Entropy,
    grpc::context::RequestContext,
    lifecycle::Tasks,
    reports::{Report, Reports, Sink, Told},
};
use uuid::Uuid;

use crate::authorize::{AuthClient, AuthError, Caller};

/// Reports denials. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reporter {
    reports: Reports<Denial>,
    clock: Clock,
    entropy: Entropy,
}

/// Somebody called a method without the rights for it.
#[derive(Debug)]
struct Denial {
    id: Uuid,
    actor_id: Option<Uuid>,
    session_id: Option<Uuid>,
    client: Option<IpAddr>,
    request_id: Arc<str>,
    method: Arc<str>,
}

impl Reporter {
    /// Starts to send on what is reported, until the tasks have ended.
    pub fn start(auth: AuthClient, clock: Clock, entropy: Entropy, tasks: &Tasks) -> Self {
        let (reports, taken) = Reports::new("denials");
        taken.deliver_to(Sender(auth), tasks);
        Self {
            reports,
            clock,
            entropy,
        }
    }

    /// The request of this context was refused, because its caller may not do what it asks for. `client` is where it
    /// came from; without a caller it is a stranger's.
    pub fn denied(&self, context: &RequestContext, client: Option<IpAddr>, caller: Option<&Caller>) {
        let id = match self.entropy.new_id(self.clock.now()) {
            Ok(id) => id,
            Err(error) => {
                let request_id = &*context.request_id;
                tracing::error!(request_id, %error, "a denial is not told to the trail");
                return;
            }
        };
        self.reports.report(Denial {
            id,
            actor_id: caller.map(|caller| caller.user_id),
            session_id: caller.map(|caller| caller.session_id),
            client,
            request_id: Arc::clone(&context.request_id),
            method: Arc::clone(&context.method),
        });
    }
}

impl Report for Denial {
    /// Who, or for a stranger where, and what.
    type Key = (Option<Uuid>, Option<IpAddr>, Arc<str>);

    fn key(&self) -> Self::Key {
        let stranger = self.client.filter(|_| self.actor_id.is_none());
        (self.actor_id, stranger, Arc::clone(&self.method))
    }

    fn coarse_key(&self) -> Self::Key {
        (None, None, Arc::clone(&self.method))
    }

    fn coarsen(&mut self) {
        self.actor_id = None;
        self.session_id = None;
        self.client = None;
        self.request_id = "".into();
    }
}

/// Sends denials, one by one.
struct Sender(AuthClient);

impl Sink<Denial> for Sender {
    type Error = AuthError;

    async fn deliver(&mut self, batch: &mut VecDeque<Told<Denial>>) -> Result<(), AuthError> {
        while let Some(Told { report, times }) = batch.front() {
            self.0.record(&report.request_id, report.message(*times)).await?;
            batch.pop_front();
        }
        Ok(())
    }
}

impl Denial {
    fn message(&self, times: u32) -> RecordSecurityEventRequest {
        let text = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
        RecordSecurityEventRequest {
            id: self.id.to_string(),
            kind: "access_denied".to_owned(),
            actor_id: text(self.actor_id),
            session_id: text(self.session_id),
            ip_address: self.client.map(|client| client.to_string()).unwrap_or_default(),
            request_id: (*self.request_id).to_owned(),
            method: (*self.method).to_owned(),
            times: i32::try_from(times).unwrap_or(i32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_different_callers_names_none_of_them() {
        let mut denial = Denial {
            id: Uuid::from_u128(1),
            actor_id: Some(Uuid::from_u128(7)),
            session_id: Some(Uuid::from_u128(8)),
            client: Some([203, 0, 113, 7].into()),
            request_id: "req-7".into(),
            method: "CreateCourse".into(),
        };
        denial.coarsen();
        let expected = RecordSecurityEventRequest {
            id: Uuid::from_u128(1).to_string(),
            kind: "access_denied".to_owned(),
            method: "CreateCourse".to_owned(),
            times: 5000,
            ..Default::default()
        };
        assert_eq!(denial.message(5000), expected);
    }
}
