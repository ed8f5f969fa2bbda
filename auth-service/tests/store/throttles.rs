//! Throttles: what one statement lets in, alone and among many, whatever the clock does.

use auth_service::{
    domain::throttle::Throttle,
    model::{
        event_kind::EventKind,
        throttle::{Lane, Limit, Weight},
    },
    store::password::Forgiven,
};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use service_runtime::{clock::Clock, mac::Mac};
use std::time::Duration;

use crate::{
    on_both,
    world::{World, at, event, new_id, notice, user},
};

on_both!(
    no_history_lets_in_more_than_the_limit,
    attempts_at_the_same_moment_share_one_limit,
    a_clock_that_was_ahead_keeps_nobody_out,
    a_refusal_costs_nothing_and_being_right_forgives,
    an_account_counts_once_for_its_network,
    lanes_of_one_attempt_never_wait_in_a_circle,
    lanes_go_when_nothing_is_owed,
    a_reset_forgives_its_account_only,
    passwords_run_out_for_whoever_guesses_and_whoever_knows,
);

const LIMIT: Limit = Limit {
    kind: "login",
    burst: 4,
    interval: Duration::from_secs(10),
};

fn lane(account: &str, network: &str, weight: Weight) -> Lane {
    Lane {
        limit: LIMIT,
        account: account.as_bytes().to_vec(),
        network: network.as_bytes().to_vec(),
        weight,
    }
}

fn of(kind: &'static str, lane: Lane) -> Lane {
    let limit = Limit { kind, ..lane.limit };
    Lane { limit, ..lane }
}

async fn attempt(world: &World, lane: Lane, now: DateTime<Utc>) -> bool {
    world.store.attempt(&[lane], now).await.unwrap()[0].let_in
}

/// Against a model that knows only what a limit promises: in any stretch of a history no more is let in than the burst
/// and one for each interval by which the clock went forward.
async fn no_history_lets_in_more_than_the_limit(world: World) {
    let step = prop_oneof![6 => 0..12_000_i64, 1 => -60_000..0_i64, 1 => 0..90_000_i64];
    let histories = proptest::collection::vec(step, 60);
    let mut runner = TestRunner::deterministic();
    for history in 0..12 {
        let steps = histories.new_tree(&mut runner).unwrap().current();
        let (mut now, mut forward, mut let_in) = (at(0), 0, Vec::new());
        for step in steps {
            now += TimeDelta::milliseconds(step);
            forward += step.max(0);
            if attempt(&world, lane(&format!("a{history}"), "", Weight::One), now).await {
                let_in.push(forward);
            }
        }
        assert!(let_in.len() >= 4, "history {history} lets the burst in");
        for (first, begun) in let_in.iter().enumerate() {
            for (last, ended) in let_in.iter().enumerate().skip(first) {
                let most = 4 + (ended - begun) / 10_000;
                let count = i64::try_from(last - first + 1).unwrap();
                assert!(
                    count <= most,
                    "history {history}: {count} of {most} from {begun} to {ended}"
                );
            }
        }
    }
}

async fn attempts_at_the_same_moment_share_one_limit(world: World) {
    for round in 0..5 {
        let account = format!("a{round}");
        let attempts = (0..64).map(|_| attempt(&world, lane(&account, "n", Weight::One), at(0)));
        let let_in = futures::future::join_all(attempts).await;
        assert_eq!(let_in.into_iter().filter(|is| *is).count(), 4, "round {round}");
    }
}

async fn a_clock_that_was_ahead_keeps_nobody_out(world: World) {
    for _ in 0..5 {
        attempt(&world, lane("a", "", Weight::One), at(600)).await;
    }
    assert!(!attempt(&world, lane("a", "", Weight::One), at(0)).await);
    let soon = at(0) + TimeDelta::seconds(10);
    assert!(
        attempt(&world, lane("a", "", Weight::One), soon).await,
        "after one interval"
    );
    assert!(!attempt(&world, lane("a", "", Weight::One), soon).await);
    // Who owed nothing by that clock owes nothing by this one.
    let hour = TimeDelta::hours(1);
    assert!(attempt(&world, lane("b", "", Weight::Forgives), at(600) + hour).await);
    assert!(attempt(&world, lane("b", "", Weight::Forgives), at(600)).await);
}

async fn a_refusal_costs_nothing_and_being_right_forgives(world: World) {
    for _ in 0..4 {
        assert!(attempt(&world, lane("a", "n", Weight::One), at(0)).await);
    }
    for weight in [Weight::One, Weight::Nothing, Weight::Forgives, Weight::One] {
        assert!(
            !attempt(&world, lane("a", "n", weight), at(0)).await,
            "{weight:?}"
        );
    }
    let later = at(0) + TimeDelta::seconds(10);
    assert!(
        attempt(&world, lane("a", "n", Weight::Nothing), later).await,
        "refusals were not counted"
    );
    assert!(attempt(&world, lane("a", "n", Weight::Forgives), later).await);
    for _ in 0..4 {
        assert!(
            attempt(&world, lane("a", "n", Weight::One), later).await,
            "nothing is owed"
        );
    }
    assert!(!attempt(&world, lane("a", "n", Weight::One), later).await);
}

async fn an_account_counts_once_for_its_network(world: World) {
    let fail = async |account: &str| {
        let lanes = [
            lane(account, "n", Weight::One),
            of("login_network", lane("", "n", Weight::OneIfFirstIsClear)),
        ];
        world.store.attempt(&lanes, at(0)).await.unwrap()[1].let_in
    };
    for _ in 0..10 {
        assert!(fail("ada").await);
    }
    for account in ["bob", "cy", "dan"] {
        assert!(fail(account).await, "{account}");
    }
    assert!(!fail("eve").await, "the fifth account");
    assert!(!fail("ada").await, "everybody there is meant");
}

/// Accounts and networks crosswise, and what is owed forgiven and removed meanwhile: nobody is turned away.
async fn lanes_of_one_attempt_never_wait_in_a_circle(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let attempts = (0..200).map(|place| {
        let (account, network) = (["a", "b", "c"][place % 3], ["m", "n"][place % 2]);
        let lanes = [
            lane(account, network, Weight::One),
            of("login_strangers", lane(account, "", Weight::One)),
            of("login_network", lane("", network, Weight::OneIfFirstIsClear)),
        ];
        let store = world.store.clone();
        async move {
            store.attempt(&lanes, at(0)).await.unwrap();
            if place % 10 == 0 {
                store.remove_old_throttles(at(100), 9).await.unwrap();
            }
        }
    });
    let resets = (0..10).map(|_| {
        let (world, ada) = (&world, &ada);
        async move {
            let token = world
                .add_token(ada, auth_service::model::mail_token::Purpose::ResetPassword)
                .await;
            let forgiven = Forgiven {
                accounts: vec![b"a".to_vec(), b"b".to_vec()],
                networks: None,
            };
            let (mail, event) = (notice("ada@example.org"), event(EventKind::PasswordReset, 0));
            let reset =
                world
                    .store
                    .reset_password(token.id, ada.id, "new", (&mail, &event), &forgiven, at(0));
            reset.await.unwrap();
        }
    });
    futures::join!(
        futures::future::join_all(attempts),
        futures::future::join_all(resets)
    );
}

async fn lanes_go_when_nothing_is_owed(world: World) {
    for account in ["a", "b", "c"] {
        attempt(&world, lane(account, "", Weight::One), at(0)).await;
    }
    attempt(&world, lane("d", "", Weight::One), at(9)).await;
    let paid = at(0) + TimeDelta::seconds(10);
    assert_eq!(world.store.remove_old_throttles(paid, 9).await.unwrap(), 0);
    let after = paid + TimeDelta::seconds(1);
    assert_eq!(world.store.remove_old_throttles(after, 2).await.unwrap(), 2);
    assert_eq!(world.store.remove_old_throttles(after, 2).await.unwrap(), 1);
    assert_eq!(world.count("throttles").await, 1);
}

async fn a_reset_forgives_its_account_only(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let owing = |account| {
        [
            lane(account, "n", Weight::One),
            of("login_strangers", lane(account, "", Weight::One)),
            of("code", lane(account, "", Weight::One)),
        ]
    };
    for account in ["ada", "bob"] {
        world.store.attempt(&owing(account), at(1)).await.unwrap();
    }
    let token = world
        .add_token(&ada, auth_service::model::mail_token::Purpose::ResetPassword)
        .await;
    let forgiven = Forgiven {
        accounts: vec![b"ada".to_vec()],
        networks: Some(vec![7; 16]),
    };
    let (mail, event) = (notice("ada@example.org"), event(EventKind::PasswordReset, 1));
    let reset = world
        .store
        .reset_password(token.id, ada.id, "new", (&mail, &event), &forgiven, at(1));
    assert!(reset.await.unwrap());
    assert_eq!(world.count("throttles").await, 4, "her codes and all of his stay");
    let credentials = world.store.credentials("ada@example.org").await.unwrap().unwrap();
    assert_eq!(credentials.known_networks, [7; 16]);
}

async fn passwords_run_out_for_whoever_guesses_and_whoever_knows(world: World) {
    let throttle = Throttle {
        store: world.store.clone(),
        clock: Clock::turnable(at(0)),
        tags: Mac::derive(&[], "throttle"),
        link_lifetime: Duration::from_secs(900),
    };
    let (ada, bob) = (new_id(), new_id());
    let password = async |user, right| throttle.password(user, right).await.unwrap().is_let_in();
    for _ in 0..9 {
        assert!(password(ada, false).await);
    }
    assert!(password(ada, true).await, "and all is forgiven");
    for _ in 0..10 {
        assert!(password(ada, false).await);
    }
    assert!(!password(ada, true).await, "a right one is one too many");
    assert!(password(bob, true).await);
    throttle.clock.turn(TimeDelta::minutes(1));
    assert!(password(ada, true).await);
}
