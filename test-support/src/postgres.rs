//! A real PostgreSQL for tests: one server per test process, one database per test.
//!
//! The server is the one that `TEST_POSTGRES_URL` names, or else a cluster made in a temporary directory from
//! the installed binaries. Such a cluster never outlives the test process, however that ends: see `watchdog`.

mod account;
mod cluster;
mod database;
mod disk;
mod installation;
mod settings;
mod watchdog;

use tokio::sync::OnceCell;

pub use cluster::Cluster;
pub use database::TestDatabase;

use crate::left_out;

/// The name under which tests that need PostgreSQL are left out.
const TESTS: &str = "PostgreSQL tests";

/// Where the databases of this process are made.
#[derive(Debug)]
enum Server {
    /// Somebody else's, by the URL of a database on it from which others may be created.
    Given(String),
    /// Ours.
    Cluster(Cluster),
}

/// The folder of PostgreSQL's programs on this computer, if they are here.
#[must_use]
pub fn programs() -> Option<std::path::PathBuf> {
    installation::Installation::find().map(|found| found.program(""))
}

static SERVER: OnceCell<Option<Server>> = OnceCell::const_new();

/// A new, empty database on the server of this test process. `None`: there is no PostgreSQL here, which has
/// been said, and the test is to end.
///
/// # Panics
///
/// In CI if there is no PostgreSQL; anywhere if there is one and it cannot be used.
pub async fn database() -> Option<TestDatabase> {
    match SERVER.get_or_init(server).await {
        Some(Server::Given(url)) => Some(TestDatabase::create_on_given(url).await),
        Some(Server::Cluster(cluster)) => Some(cluster.database().await),
        None => None,
    }
}

async fn server() -> Option<Server> {
    match std::env::var("TEST_POSTGRES_URL") {
        Ok(url) if !url.is_empty() => {
            left_out::is_here(TESTS);
            Some(Server::Given(url))
        }
        _ => Cluster::start().await.map(Server::Cluster),
    }
}
