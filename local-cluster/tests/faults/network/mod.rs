//! The network between the parts is cut, loses packets, is narrow, is long, leads elsewhere, or comes and goes. Each
//! scenario is a process with a network of its own, and the kernel does the fault.

mod database;
mod far;
mod flapping;
mod loss;
mod moved;
mod narrow;
mod own;
mod partition;

use futures::StreamExt;

use self::own::Lost;
pub use self::own::is_own;
use crate::fleet::Filter;

/// How many scenarios run at once: they mostly wait.
const AT_ONCE: usize = 3;

/// The scenarios, those first that take longest. No name is a part of another one.
const NAMES: [&str; 13] = [
    "network_cut_before_auth_service_both",
    "network_cut_before_auth_service_asked",
    "network_cut_before_auth_service_answers",
    "network_cut_before_postgres_both",
    "network_cut_before_postgres_asked",
    "network_cut_before_postgres_answers",
    "network_flaps",
    "network_loses_1_percent",
    "network_loses_10_percent",
    "network_loses_30_percent",
    "network_names_lead_elsewhere",
    "network_is_narrow",
    "network_is_long",
];

/// Runs those that are wanted, each in a process of its own.
pub async fn run(filter: &Filter) {
    let wanted = NAMES.into_iter().filter(|name| filter.wants(name));
    let wanted: Vec<&str> = wanted.collect();
    if wanted.is_empty() || !own::can_be_made() {
        return;
    }
    futures::stream::iter(wanted)
        .for_each_concurrent(AT_ONCE, own::run)
        .await;
}

/// Runs the one that this process was made for.
pub async fn scenario(filter: &Filter) {
    own::ends_with_its_parent();
    for name in NAMES.into_iter().filter(|name| filter.wants(name)) {
        match name {
            "network_cut_before_auth_service_both" => partition::run(Lost::Both).await,
            "network_cut_before_auth_service_asked" => partition::run(Lost::Asked).await,
            "network_cut_before_auth_service_answers" => partition::run(Lost::Answers).await,
            "network_cut_before_postgres_both" => database::run(Lost::Both).await,
            "network_cut_before_postgres_asked" => database::run(Lost::Asked).await,
            "network_cut_before_postgres_answers" => database::run(Lost::Answers).await,
            "network_flaps" => flapping::run().await,
            "network_loses_1_percent" => loss::run(loss::LITTLE).await,
            "network_loses_10_percent" => loss::run(loss::MUCH).await,
            "network_loses_30_percent" => loss::run(loss::MOST).await,
            "network_names_lead_elsewhere" => moved::run().await,
            "network_is_narrow" => narrow::run().await,
            _ => far::run().await,
        }
    }
}
