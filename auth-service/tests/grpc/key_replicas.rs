//! Signing keys and secrets change while several replicas serve from one database.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use auth_service::{Config, domain::signing_key::LEAD, open_keys};
use proto::auth::v1::{
    self as pb, session_service_client::SessionServiceClient, token_service_client::TokenServiceClient,
};
use service_runtime::{entropy::Entropy, lifecycle::Tasks, settings::Values};
use tonic::{Code, transport::Channel};

use crate::{
    on_both_databases,
    support::{Service, Session, as_service},
};

const ADA: &str = "ada@example.org";
const OLD: &str = "the-secret-key-of-the-tests-0123456789";
const NEW: &str = "another-secret-key-of-the-tests-987654";
/// How long replicas may take to notice.
const PATIENCE: Duration = Duration::from_secs(20);

on_both_databases!(
    a_revoked_key_is_refused_by_every_replica_and_sessions_go_on,
    replicas_in_the_midst_of_a_change_of_secret_understand_each_other,
);

/// A way to a replica.
#[derive(Clone)]
struct Replica(Channel);

impl Replica {
    /// Another one beside a service, with settings of its own, for as long as the tasks go on.
    async fn beside(service: &Service, tasks: &Tasks, set: impl FnOnce(Values) -> Values) -> Self {
        Self(service.replica(tasks, set).await)
    }

    /// Whether an access token is good here.
    async fn knows(&self, access: &str) -> bool {
        let request = pb::AuthorizeRequest {
            access_token: access.to_owned(),
        };
        let mut tokens = TokenServiceClient::new(self.0.clone());
        match tokens.authorize(as_service(request)).await {
            Ok(_) => true,
            Err(status) if status.code() == Code::Unauthenticated => false,
            Err(status) => panic!("{status:?}"),
        }
    }

    async fn refresh(&self, session: &Session) -> Session {
        let request = pb::RefreshRequest {
            refresh: session.refresh.clone(),
        };
        let refreshed = SessionServiceClient::new(self.0.clone()).refresh(request).await;
        refreshed.expect("the session goes on").into_inner().into()
    }

    /// The ids of the keys it publishes, the signing one first.
    async fn kids(&self) -> Vec<String> {
        let mut tokens = TokenServiceClient::new(self.0.clone());
        let jwks = tokens.get_jwks(pb::GetJwksRequest {}).await.unwrap();
        let keys = jwks.into_inner().keys;
        keys.into_iter().map(|key| key.kid).collect()
    }
}

async fn a_revoked_key_is_refused_by_every_replica_and_sessions_go_on(service: Service) {
    let ada = service.user(ADA).await;
    let tasks = Tasks::default();
    let replicas = [
        Replica(service.channel()),
        Replica::beside(&service, &tasks, |values| values).await,
    ];
    for replica in &replicas {
        assert!(replica.knows(&ada.access).await);
    }
    let [revoked, waiting] = <[String; 2]>::try_from(replicas[0].kids().await).unwrap();

    // The operator's command, as a process of its own.
    let mut command = Command::new(env!("CARGO_BIN_EXE_auth-service"));
    let values = service.values();
    for name in [
        "DATA_DIR",
        "AUTH_DATABASE_URL",
        "SERVICE_TOKEN",
        "SECRET_KEY",
        "BASE_URL",
    ] {
        command.env(name, values.get(name).unwrap());
    }
    command.args(["keys", "revoke", &revoked]);
    let ended = tokio::task::block_in_place(|| command.output()).unwrap();
    assert!(ended.status.success(), "{ended:?}");

    let begun = Instant::now();
    for replica in &replicas {
        while replica.knows(&ada.access).await {
            assert!(begun.elapsed() < PATIENCE, "the token is still good");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let next = replicas[0].refresh(&ada).await;
    for replica in &replicas {
        let kids = replica.kids().await;
        assert!(kids.len() == 2 && !kids.contains(&revoked), "{kids:?}");
        assert_eq!(kids[0], waiting, "the next one signs");
        assert!(replica.knows(&next.access).await, "signed by the new key");
        assert!(!replica.knows(&ada.access).await);
    }
    tasks.stop();
}

async fn replicas_in_the_midst_of_a_change_of_secret_understand_each_other(service: Service) {
    let tasks = Tasks::default();
    // Every replica reads both; this one uses the new one already.
    let service = service
        .restarted(|values| values.with("SECRET_KEY", format!("{OLD},{NEW}")))
        .await
        .unwrap();
    let new_first = |values: Values| values.with("SECRET_KEY", format!("{NEW},{OLD}"));
    let (before, after) = (
        Replica(service.channel()),
        Replica::beside(&service, &tasks, new_first).await,
    );
    let mut ada = service.user(ADA).await;
    // Those that come next are sealed with the new secret.
    for rotated in [false, true] {
        if rotated {
            let config = Config::from_values(&new_first(service.values())).unwrap();
            let keys = open_keys(&config, &service.store, &service.clock, &Entropy::default()).await;
            service.clock.turn(LEAD);
            keys.unwrap().rotate().await.unwrap();
            let begun = Instant::now();
            for replica in [&before, &after] {
                while replica.kids().await.len() < 3 {
                    assert!(begun.elapsed() < PATIENCE, "the new key is not known");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
        for (one, other) in [(&before, &after), (&after, &before), (&before, &after)] {
            ada = one.refresh(&ada).await;
            assert!(one.knows(&ada.access).await && other.knows(&ada.access).await);
            // A retry elsewhere gets the same successor, though maybe written with the other secret: whichever of
            // the two goes on, the other one is a retry and no replay.
            let [retried, again] = [one.refresh(&ada).await, other.refresh(&ada).await];
            ada = one.refresh(&again).await;
            other.refresh(&retried).await;
        }
    }
    tasks.stop();
}
