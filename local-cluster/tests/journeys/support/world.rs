//! A running cluster with its ground, its mail server and the people who use it.

use std::{net::SocketAddr, path::Path, time::Duration};

use chrono::{DateTime, Utc};
use local_cluster::StartError;
use serde_json::json;
use service_runtime::{clock::Clock, settings::Values};
use test_support::{
    ground::Ground,
    smtp::{Message, SmtpServer},
};
use tonic::transport::{Channel, Endpoint};

use super::{Caller, Cluster};

/// The address of the first staff account.
pub const STAFF: &str = "grace.hopper@example.org";
/// The password of everyone.
pub const PASSWORD: &str = "zebra kettle umbrella";

/// How long a mail may take to arrive.
const MAIL_WITHIN: Duration = Duration::from_secs(20);
/// When the clocks of the tests start.
const START: &str = "2026-03-01T12:00:00Z";

/// A running cluster with everything around it.
pub struct World {
    pub cluster: Cluster,
    /// Who gets its mail.
    pub smtp: SmtpServer,
    /// The clock of its accounts, sessions and courses.
    pub clock: Clock,
    /// What it stands on.
    pub ground: Ground,
    http: reqwest::Client,
}

impl World {
    /// On SQLite.
    pub async fn on_sqlite() -> Self {
        Self::on(Ground::sqlite()).await
    }

    /// On PostgreSQL; `None` where there is none, which has been said.
    pub async fn on_postgres() -> Option<Self> {
        Some(Self::on(Ground::postgres().await?).await)
    }

    /// Two replicas of each service on PostgreSQL; `None` where there is none, which has been said.
    pub async fn on_replicas() -> Option<Self> {
        let ground = Ground::postgres().await?;
        let (smtp, clock) = (SmtpServer::start().await, clock());
        let cluster = Cluster::replicas(settings(&ground, &smtp), clock.clone()).await;
        Some(Self::around(
            cluster.expect("the replicas start"),
            ground,
            smtp,
            clock,
        ))
    }

    /// On this ground.
    pub async fn on(ground: Ground) -> Self {
        Self::with(ground, |values| values).await
    }

    /// On this ground, with settings of the test's own.
    pub async fn with(ground: Ground, set: impl FnOnce(Values) -> Values) -> Self {
        Self::start(ground, SmtpServer::start().await, clock(), set)
            .await
            .expect("the cluster starts")
    }

    /// Starts a cluster.
    pub async fn start(
        ground: Ground,
        smtp: SmtpServer,
        clock: Clock,
        set: impl FnOnce(Values) -> Values,
    ) -> Result<Self, StartError> {
        let cluster = Cluster::local(set(settings(&ground, &smtp)), clock.clone()).await?;
        Ok(Self::around(cluster, ground, smtp, clock))
    }

    fn around(cluster: Cluster, ground: Ground, smtp: SmtpServer, clock: Clock) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self {
            cluster,
            smtp,
            clock,
            ground,
            http,
        }
    }

    /// Stops it and starts it again on the same ground, with settings of the test's own.
    pub async fn restarted(self, set: impl FnOnce(Values) -> Values) -> Result<Self, StartError> {
        assert!(self.cluster.stop().await, "everything ends well");
        Self::start(self.ground, self.smtp, self.clock, set).await
    }

    /// Its settings, and some of the test's own.
    pub fn settings(&self, set: impl FnOnce(Values) -> Values) -> Values {
        set(settings(&self.ground, &self.smtp))
    }

    /// Its `DATA_DIR`.
    pub fn folder(&self) -> &Path {
        self.ground.folder()
    }

    /// Where REST is.
    pub fn url(&self) -> String {
        format!("http://{}", self.cluster.gateway)
    }

    /// Somebody without a token.
    pub fn anonymous(&self) -> Caller {
        Caller::anonymous(self.http.clone(), self.url())
    }

    /// The first staff user, logged in.
    pub async fn staff(&self) -> Caller {
        self.anonymous().login(STAFF, PASSWORD).await
    }

    /// Somebody who registered, confirmed the address and logged in: `ada` has `ada@example.org`.
    pub async fn user(&self, name: &str) -> Caller {
        let username = format!("{name}@example.org");
        self.register(&username).await;
        let token = self.token_to(&username).await;
        let body = json!({"token": token});
        self.anonymous()
            .post("/api/v1/auth/verify-email", body)
            .await
            .is(200);
        self.anonymous().login(&username, PASSWORD).await
    }

    /// The same, made staff by the first staff user.
    pub async fn another_staff(&self, name: &str) -> Caller {
        let user = self.user(name).await;
        let path = format!("/api/v1/users/{}", user.id());
        let staff = self.staff().await;
        staff.patch(&path, json!({"is_staff": true})).await.is(200);
        user
    }

    /// Registers an address; the account waits for its mail to be confirmed.
    pub async fn register(&self, username: &str) {
        let body = json!({"username": username, "password": PASSWORD, "confirm_password": PASSWORD});
        self.anonymous().post("/api/v1/auth/register", body).await.is(201);
    }

    /// The next mail to this address.
    pub async fn mail_to(&self, address: &str) -> Message {
        self.smtp.next_to(address, MAIL_WITHIN).await
    }

    /// The link in the next mail to this address.
    pub async fn link_to(&self, address: &str) -> String {
        test_support::mail::link(self.mail_to(address).await).expect("the mail holds a link")
    }

    /// The token in the next mail to this address.
    pub async fn token_to(&self, address: &str) -> String {
        test_support::mail::token(self.mail_to(address).await).expect("the mail holds a token")
    }

    /// The way to auth-service.
    pub fn auth(&self) -> Channel {
        channel(&self.cluster.auths)
    }

    /// The way to course-service.
    pub fn courses(&self) -> Channel {
        channel(&self.cluster.courses)
    }
}

/// The settings that put a cluster on this ground, with every listener on a free port.
pub fn standing_on(ground: &Ground) -> Values {
    let values = Values::default().with("DATA_DIR", ground.folder().display().to_string());
    let values = match ground.postgres_url() {
        Some(url) => values.with("DATABASE_URL", url),
        None => values,
    };
    ["GATEWAY_LISTEN", "AUTH_LISTEN", "COURSE_LISTEN", "ADMIN_LISTEN"]
        .into_iter()
        .fold(values, |values, name| values.with(name, "127.0.0.1:0"))
}

/// The same, with a first staff account and a way for its mail.
fn settings(ground: &Ground, smtp: &SmtpServer) -> Values {
    standing_on(ground)
        .with("STAFF_USERNAME", STAFF)
        .with("STAFF_PASSWORD", PASSWORD)
        .with("EMAIL_HOST", smtp.address().ip().to_string())
        .with("EMAIL_PORT", smtp.port().to_string())
        .with("EMAIL_USE_TLS", "false")
}

fn clock() -> Clock {
    Clock::turnable(START.parse::<DateTime<Utc>>().unwrap())
}

/// A way to all of these addresses: each call takes the one with fewer calls on it.
fn channel(addresses: &[SocketAddr]) -> Channel {
    let endpoints = addresses
        .iter()
        .map(|address| Endpoint::from_shared(format!("http://{address}")).unwrap());
    Channel::balance_list(endpoints)
}
