//! What the journeys stand on: a world with a cluster and a mailbox in it, callers, and their answers.

mod answer;
mod call;
mod caller;
pub mod dynamic;
mod ground;
pub mod page;
pub mod raw;
pub mod shape;
pub mod world;

pub use answer::Answer;
pub use call::Call;
pub use caller::Caller;
pub use ground::Ground;
pub use world::{PASSWORD, STAFF, World};

/// Runs each of the named async functions, which take a [`World`], on both databases.
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
