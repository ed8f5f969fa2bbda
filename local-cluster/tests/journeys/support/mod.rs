//! What the journeys stand on: a world with a cluster and a mailbox in it, callers, and their answers.

mod answer;
mod call;
mod caller;
mod cluster;
pub mod dynamic;
pub mod page;
pub mod raw;
pub mod shape;
pub mod world;

pub use answer::Answer;
pub use call::Call;
pub use caller::Caller;
pub use cluster::Cluster;
pub use test_support::ground::Ground;
pub use world::{PASSWORD, STAFF, World};

/// Runs each of the named async functions, which take a [`World`], on both databases, and on PostgreSQL also across
/// replicas.
#[macro_export]
macro_rules! on_every_ground {
    ($($test:ident),* $(,)?) => {
        $crate::on_both_databases!($($test),*);
        mod on_replicas {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(world) = $crate::support::World::on_replicas().await {
                    super::$test(&world).await;
                    assert!(world.cluster.stop().await, "everything ends well");
                }
            })*
        }
    };
}

/// Runs each of the named async functions, which take a [`World`], on both databases: for what each replica does by
/// itself, such as refusing what it cannot read.
#[macro_export]
macro_rules! on_both_databases {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let world = $crate::support::World::on_sqlite().await;
                super::$test(&world).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(world) = $crate::support::World::on_postgres().await {
                    super::$test(&world).await;
                }
            })*
        }
    };
}
