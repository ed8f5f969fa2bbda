//! Asking for a mail takes as long for an address that nobody has as for one that gets it.

use std::time::Instant;

use auth_service::model::user::User;
use proto::auth::v1 as pb;

use crate::{
    alike::assert_alike,
    on_both_databases,
    support::{Service, as_service_from},
    waiting,
};

/// How often each kind is measured. Every time it is another address, because each gets a few mails only.
const ROUNDS: usize = 200;

on_both_databases!(
    asking_for_a_new_password_takes_as_long_for_nobody,
    asking_for_another_link_takes_as_long_for_nobody,
);

async fn asking_for_a_new_password_takes_as_long_for_nobody(service: Service) {
    let kinds = ["nobody", "an account", "an inactive account"];
    for round in 0..=ROUNDS {
        service.add_user(&address(1, round)).await;
        let inactive = |user| User {
            is_active: false,
            ..user
        };
        service.add(&address(2, round), inactive).await;
    }
    assert_alike(ROUNDS, &kinds, async |round, kind| {
        let request = pb::RequestPasswordResetRequest {
            username: address(kind, round),
        };
        let request = as_service_from(&client(round), request);
        let begun = Instant::now();
        service.accounts().request_password_reset(request).await.unwrap();
        begun.elapsed().as_secs_f64() * 1000.0
    })
    .await;
    assert_eq!(usize::try_from(service.mails().await).unwrap(), ROUNDS + 1);
}

async fn asking_for_another_link_takes_as_long_for_nobody(service: Service) {
    let kinds = ["nobody", "a verified account", "one that waits"];
    for round in 0..=ROUNDS {
        service.add_user(&address(1, round)).await;
        service.add(&address(2, round), waiting).await;
    }
    assert_alike(ROUNDS, &kinds, async |round, kind| {
        let request = pb::ResendVerificationRequest {
            username: address(kind, round),
        };
        let request = as_service_from(&client(round), request);
        let begun = Instant::now();
        service.accounts().resend_verification(request).await.unwrap();
        begun.elapsed().as_secs_f64() * 1000.0
    })
    .await;
    assert_eq!(usize::try_from(service.mails().await).unwrap(), ROUNDS + 1);
}

fn address(kind: usize, round: usize) -> String {
    format!("u{kind}-{round}@example.org")
}

/// Each round comes from another network, because each may ask for so many only.
fn client(round: usize) -> String {
    format!("198.51.{}.{}", round / 256, round % 256)
}
