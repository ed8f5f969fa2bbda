//! One who watches, and what they hear.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use proto::auth::v1::{self as pb, SecurityUpdate};
use tokio::time::timeout;
use tonic::Streaming;

use crate::support::{Service, Session, as_service};

/// How long anything may take to be told on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// One who watches.
pub struct Watcher(pub Streaming<SecurityUpdate>);

impl Watcher {
    pub async fn from(service: &Service, after_revision: i64) -> Self {
        let request = as_service(pb::WatchSecurityStateRequest { after_revision });
        let watching = service.tokens().watch_security_state(request).await;
        Self(watching.unwrap().into_inner())
    }

    pub async fn next(&mut self) -> SecurityUpdate {
        let next = timeout(PATIENCE, self.0.message()).await;
        next.expect("something is told")
            .unwrap()
            .expect("the stream goes on")
    }

    /// Everything up to the next heartbeat: its revision, and what was told before it.
    pub async fn told(&mut self) -> (i64, Vec<SecurityUpdate>) {
        let mut told = Vec::new();
        loop {
            let update = self.next().await;
            let heartbeat = SecurityUpdate {
                revision: update.revision,
                ..SecurityUpdate::default()
            };
            if update == heartbeat {
                return (update.revision, told);
            }
            told.push(update);
        }
    }

    /// Everything up to the first heartbeat after something was told.
    pub async fn hears(&mut self) -> Told {
        let begun = Instant::now();
        loop {
            let (_, told) = self.told().await;
            if !told.is_empty() {
                return Told::of(&told);
            }
            assert!(begun.elapsed() < PATIENCE, "nothing is told");
        }
    }
}

/// What was told, whatever its order.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    pub ended_sessions: BTreeSet<String>,
    pub changed_users: BTreeSet<String>,
    pub kids: Option<Vec<String>>,
}

impl Told {
    pub fn of(updates: &[SecurityUpdate]) -> Self {
        let verification = updates
            .iter()
            .rev()
            .find_map(|update| update.verification.clone());
        Self {
            ended_sessions: updates
                .iter()
                .flat_map(|update| update.ended_sessions.clone())
                .collect(),
            changed_users: updates
                .iter()
                .flat_map(|update| update.changed_users.clone())
                .collect(),
            kids: verification.map(|verification| {
                let keys = verification.jwks.unwrap().keys;
                keys.into_iter().map(|key| key.kid).collect()
            }),
        }
    }
}

/// Which session somebody has.
pub async fn session_of(service: &Service, session: &Session) -> String {
    let request = pb::AuthorizeRequest {
        access_token: session.access.clone(),
    };
    let about = service.tokens().authorize(as_service(request)).await.unwrap();
    about.into_inner().session_id
}
