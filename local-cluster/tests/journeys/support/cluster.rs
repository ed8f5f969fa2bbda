//! What a world runs: the cluster of `cargo run`, or two replicas of each service behind one gateway.

use std::{
    array,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use futures::{FutureExt, future::try_join_all};
use local_cluster::{LocalCluster, StartError};
use service_runtime::{clock::Clock, lifecycle::Tasks, listen, settings::Values};

/// What replicas show each other.
const SERVICE_TOKEN: &str = "a-service-token-of-the-tests-0123456789";
/// How long replicas may take to end.
const GRACE: Duration = Duration::from_secs(30);
/// What replicas derive keys from.
const SECRET_KEY: &str = "a-secret-key-of-the-tests-0123456789";

/// Running services. They stop with this value.
pub struct Cluster {
    /// Where REST is.
    pub gateway: SocketAddr,
    /// Where each auth-service serves gRPC.
    pub auths: Vec<SocketAddr>,
    /// Where each course-service serves gRPC.
    pub courses: Vec<SocketAddr>,
    /// What services show each other.
    pub service_token: String,
    parts: Parts,
}

enum Parts {
    Local(Box<LocalCluster>),
    Replicas(Replicas),
}

/// The tasks of all replicas; they stop with this value.
#[derive(Default)]
struct Replicas(Tasks);

impl Drop for Replicas {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Cluster {
    /// The one that `cargo run` starts.
    pub async fn local(values: Values, clock: Clock) -> Result<Self, StartError> {
        let cluster = LocalCluster::start(values, clock).await?;
        Ok(Self {
            gateway: cluster.gateway,
            auths: vec![cluster.auth],
            courses: vec![cluster.course],
            service_token: cluster.service_token.clone(),
            parts: Parts::Local(Box::new(cluster)),
        })
    }

    /// Two replicas of each service, each with a port and connections of its own, started at the same time on the
    /// same empty database, and a gateway that knows all of them.
    pub async fn replicas(values: Values, clock: Clock) -> Result<Self, StartError> {
        let [auths, courses]: [[TcpListener; 2]; 2] = array::from_fn(|_| array::from_fn(|_| bound()));
        let gateway = bound();
        let (gateway_at, auths_at, courses_at) = (address(&gateway), addresses(&auths), addresses(&courses));
        let values = values
            .with("SERVICE_TOKEN", SERVICE_TOKEN)
            .with("SECRET_KEY", SECRET_KEY)
            .with("BASE_URL", urls(&[gateway_at]))
            .with("AUTH_URL", urls(&auths_at))
            .with("COURSE_URL", urls(&courses_at));
        let replicas = Replicas::default();
        let tasks = &replicas.0;

        let config = auth_service::Config::from_values(&values)?;
        let started =
            auths.map(|listener| auth_service::serve(config.clone(), listener, None, clock.clone(), tasks));
        let started = try_join_all(started).await?;
        let made = started.iter().filter(|started| started.staff_made).count();
        assert_eq!(made, 1, "the first staff account is made once");
        let config = course_service::config::Config::from_values(&values)?;
        let started = courses.map(|listener| {
            course_service::server::serve(config.clone(), listener, None, clock.clone(), tasks)
        });
        try_join_all(started).await?;
        let config = gateway::config::Config::from_values(&values)?;
        gateway::server::serve(&config, vec![gateway], tasks).map_err(StartError::Gateway)?;
        Ok(Self {
            gateway: gateway_at,
            auths: auths_at,
            courses: courses_at,
            service_token: SERVICE_TOKEN.to_owned(),
            parts: Parts::Replicas(replicas),
        })
    }

    /// The cluster of `cargo run`, for what only that one has.
    pub fn as_local(&self) -> &LocalCluster {
        match &self.parts {
            Parts::Local(cluster) => cluster,
            Parts::Replicas(_) => panic!("these are replicas"),
        }
    }

    /// Whether a part of it crashed; a crash stops the others.
    pub fn has_crashed(&self) -> bool {
        match &self.parts {
            Parts::Local(cluster) => cluster.crashed().now_or_never().is_some(),
            Parts::Replicas(Replicas(tasks)) => tasks.is_stopping(),
        }
    }

    /// Stops it in order; says whether everything ended well.
    pub async fn stop(self) -> bool {
        match self.parts {
            Parts::Local(cluster) => cluster.stop().await,
            Parts::Replicas(Replicas(ref tasks)) => {
                tasks.stop();
                tasks.finished(GRACE).await
            }
        }
    }
}

fn bound() -> TcpListener {
    listen::bind(([127, 0, 0, 1], 0).into()).unwrap()
}

fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().unwrap()
}

fn addresses(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    listeners.iter().map(address).collect()
}

/// The same as AUTH_URL and COURSE_URL list them.
fn urls(addresses: &[SocketAddr]) -> String {
    let urls: Vec<_> = addresses
        .iter()
        .map(|address| format!("http://{address}"))
        .collect();
    urls.join(",")
}
