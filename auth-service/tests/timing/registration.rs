//! Where it is hidden who has an account, registering a taken address takes as long as registering a free one.

use std::time::Instant;

use service_runtime::settings::Values;

use crate::{
    alike::assert_alike,
    on_both_databases,
    support::{Service, as_service_from, registration},
    waiting,
};

/// How often each kind is measured, each time with another address.
const ROUNDS: usize = 60;

on_both_databases!(registering_a_taken_address_takes_as_long_as_a_free_one);

async fn registering_a_taken_address_takes_as_long_as_a_free_one(service: Service) {
    let hiding = |values: Values| values.with("ACCOUNTS_DISCLOSE_EXISTING", "false");
    let service = service.restarted(hiding).await.unwrap();
    let kinds = ["a free address", "a taken one", "one that waits for its link"];
    let address = |kind, round| format!("u{kind}-{round}@example.org");
    for round in 0..=ROUNDS {
        service.add_user(&address(1, round)).await;
        service.add(&address(2, round), waiting).await;
    }
    assert_alike(ROUNDS, &kinds, async |round, kind| {
        let request = registration(&address(kind, round));
        let request = as_service_from(&format!("198.51.100.{round}"), request);
        let begun = Instant::now();
        service.accounts().register(request).await.unwrap();
        begun.elapsed().as_secs_f64() * 1000.0
    })
    .await;
    assert_eq!(usize::try_from(service.mails().await).unwrap(), 3 * (ROUNDS + 1));
}
