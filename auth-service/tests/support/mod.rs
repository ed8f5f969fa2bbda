//! auth-service to test with: the real service on a real socket and a real database, its mail received by a real
//! SMTP server, its clock in the test's hand.

#![allow(dead_code, unused_imports, reason = "each test binary uses its part")]

mod account;
mod answer;
mod factor;
mod service;

pub use account::{PASSWORD, Session, mask, registration, stored_password};
pub use answer::{Refused, refused};
pub use factor::SetUp;
pub use service::{SERVICE_TOKEN, Service, as_service, as_service_from, as_user, refusal_of};
pub use test_support::ground::Ground;

/// Runs each of the named async functions, which take a [`Service`], on both databases.
#[macro_export]
macro_rules! on_both_databases {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::support::Service::on_sqlite().await).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(service) = $crate::support::Service::on_postgres().await {
                    super::$test(service).await;
                }
            })*
        }
    };
}
