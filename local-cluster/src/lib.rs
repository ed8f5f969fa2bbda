//! The whole of Online Edu in one process: the three services on real sockets, as `cargo run` starts them and
//! as the journeys drive them. What people try is what the tests test.

mod settings;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use auth_service::StartError as AuthStartError;
use course_service::server::StartError as CourseStartError;
use service_runtime::{
    admin,
    clock::Clock,
    entropy::{Entropy, NoEntropy},
    lifecycle::Tasks,
    listen,
    readiness::Readiness,
    settings::{Environment, Faults, Values},
};

pub use settings::{Staff, prefixes, reachable, settings};

/// The latch that is open while the cluster serves.
const CLUSTER: &str = "cluster";

/// Why the cluster did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] Faults),
    /// An address is taken or not ours.
    #[error("{address} cannot be listened on")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// auth-service did not start.
    #[error("auth-service did not start")]
    Auth(#[from] AuthStartError),
    /// course-service did not start.
    #[error("course-service did not start")]
    Course(#[from] CourseStartError),
    /// The gateway or the admin listener did not start.
    #[error("the gateway did not start")]
    Gateway(#[source] io::Error),
    /// The operating system gave no random bytes.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
}

/// A running cluster.
#[derive(Debug)]
pub struct LocalCluster {
    /// Where people and browsers reach it.
    pub gateway: SocketAddr,
    /// Where auth-service serves gRPC.
    pub auth: SocketAddr,
    /// Where course-service serves gRPC.
    pub course: SocketAddr,
    /// Where `/livez` and `/readyz` are served.
    pub admin: SocketAddr,
    /// What services show each other.
    pub service_token: String,
    /// The first staff account, if it was made just now.
    pub new_staff: Option<Staff>,
    /// The folder that mail goes to; `None` when it goes to a mail server.
    pub mail_folder: Option<std::path::PathBuf>,
    grace: Duration,
    readiness: Readiness,
    front: Tasks,
    back: Tasks,
}

/// A cluster whose settings have been found good. Nothing has been bound, read or made for it yet.
#[derive(Debug)]
pub struct Plan {
    values: Values,
    configs: settings::Configs,
    staff: Staff,
}

impl Plan {
    /// Makes up what nobody set and checks the settings of all services.
    ///
    /// # Errors
    /// [`StartError::Settings`], naming everything that is wrong with them; [`StartError::Entropy`].
    pub fn of(values: Values) -> Result<Self, StartError> {
        let (values, staff) = settings::complete(values, &Entropy::default())?;
        let configs = settings::Configs::from_values(&values)?;
        Ok(Self {
            values,
            configs,
            staff,
        })
    }

    /// How to log; `None` when there is to be no log.
    pub fn logs_as(&self) -> Option<Environment> {
        let config = &self.configs.gateway;
        config.logging.then_some(config.environment)
    }
}

impl LocalCluster {
    /// Starts the three services; returns when all of them serve.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(values: Values, clock: Clock) -> Result<Self, StartError> {
        Self::run(Plan::of(values)?, clock).await
    }

    /// Starts the three services as planned; returns when all of them serve.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn run(plan: Plan, clock: Clock) -> Result<Self, StartError> {
        let Plan {
            values,
            configs,
            staff,
        } = plan;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // Bound before anything is read or written: a taken port stops the start with nothing done.
        let gateway = bind(configs.gateway.listen, cores)?;
        let auth = bind(configs.auth.listen, 1)?.remove(0);
        let course = bind(configs.course.listen, 1)?.remove(0);
        let admin = bind(configs.gateway.admin_listen, 1)?.remove(0);
        let gateway_address = address(&gateway[0])?;
        let (auth_address, course_address) = (address(&auth)?, address(&course)?);
        let admin_address = address(&admin)?;

        // The same settings, and where the services find each other.
        let values = settings::bound(values, gateway_address, auth_address, course_address);
        let configs = settings::Configs::from_values(&values)?;
        let service_token = values.get("SERVICE_TOKEN").unwrap_or_default().to_owned();
        let mail_folder = configs.gateway.mail_folder.clone();
        let grace = configs.gateway.shutdown_grace;

        let (front, back) = (Tasks::default(), Tasks::default());
        let started = auth_service::serve(configs.auth, auth, None, clock.clone(), &back).await?;
        course_service::server::serve(configs.course, course, None, clock, &back).await?;
        gateway::server::serve(&configs.gateway, gateway, &front).map_err(StartError::Gateway)?;
        let readiness = Readiness::default();
        admin::serve(admin, None, readiness.clone(), &back).map_err(StartError::Gateway)?;
        readiness.set(CLUSTER, true);
        Ok(Self {
            gateway: gateway_address,
            auth: auth_address,
            course: course_address,
            admin: admin_address,
            service_token,
            new_staff: started.staff_made.then_some(staff),
            mail_folder,
            grace,
            readiness,
            front,
            back,
        })
    }

    /// Resolves when a part of the cluster crashed.
    pub async fn crashed(&self) {
        tokio::select! {
            () = self.front.stopping() => {}
            () = self.back.stopping() => {}
        }
    }

    /// Stops taking requests, finishes those that run, and only then stops the services that they need; says
    /// whether everything ended well within the one grace that all of them have.
    pub async fn stop(self) -> bool {
        self.readiness.set(CLUSTER, false);
        let begun = Instant::now();
        self.front.stop();
        let front = self.front.finished(self.grace).await;
        self.back.stop();
        let left = self.grace.saturating_sub(begun.elapsed());
        self.back.finished(left).await && front
    }
}

/// A cluster that is let go of without [`LocalCluster::stop`] stops all the same; nobody learns how that went.
impl Drop for LocalCluster {
    fn drop(&mut self) {
        self.readiness.set(CLUSTER, false);
        self.front.stop();
        self.back.stop();
    }
}

fn bind(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, StartError> {
    listen::bind_many(address, count).map_err(|source| StartError::Listen { address, source })
}

fn address(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(StartError::Gateway)
}
