//! Unknown, wrong, inactive and throttled logins take the same time. What skips the hash is faster by nine tenths.

use std::time::Instant;

use proto::auth::v1 as pb;

use crate::{
    alike::assert_alike,
    on_both_databases,
    support::{PASSWORD, Service, as_service_from},
};

/// From where an account is throttled.
const THROTTLED: &str = "192.0.2.1";

on_both_databases!(no_failed_login_is_told_from_another_by_its_time);

async fn no_failed_login_is_told_from_another_by_its_time(service: Service) {
    for username in ["wrong@example.org", "throttled@example.org"] {
        service.add_user(username).await;
    }
    let inactive = |user| auth_service::model::user::User {
        is_active: false,
        ..user
    };
    service.add("inactive@example.org", inactive).await;
    // The last one has the right password, which must not show.
    let kinds = [
        ("a wrong password", "wrong@example.org", "a guess"),
        ("nobody", "nobody@example.org", PASSWORD),
        ("no address", "nobody", PASSWORD),
        ("an inactive account", "inactive@example.org", PASSWORD),
        ("a throttled guess", "throttled@example.org", "a guess"),
        ("a throttled right password", "throttled@example.org", PASSWORD),
    ];
    for _ in 0..10 {
        failed(&service, "throttled@example.org", "a guess", THROTTLED).await;
    }
    assert_alike(60, &kinds.map(|(name, ..)| name), async |round, kind| {
        let (name, username, password) = kinds[kind];
        // Each round is another client, so that only what shall be throttled is.
        let client = match name.starts_with("a throttled") {
            true => THROTTLED.to_owned(),
            false => format!("198.51.100.{round}"),
        };
        failed(&service, username, password, &client).await
    })
    .await;
}

/// The time of a login that fails, in milliseconds.
async fn failed(service: &Service, username: &str, password: &str, client: &str) -> f64 {
    let request = pb::LoginRequest {
        username: username.to_owned(),
        password: password.to_owned(),
        code: String::new(),
    };
    let request = as_service_from(client, request);
    let begun = Instant::now();
    let answer = service.sessions().login(request).await;
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    assert!(answer.is_err(), "{username}");
    took
}
