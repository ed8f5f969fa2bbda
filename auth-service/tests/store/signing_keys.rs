//! Keys pass through their states one after another, whoever moves them: at most one signs, at most one is next.

use auth_service::{
    model::{
        event::{EventFilter, SecurityEvent},
        event_kind::EventKind,
        signing_key::{
            KeyState::{self, Active, Next, Retiring},
            NewKey, StoredKey,
        },
    },
    store::signing_key::Revoked,
};
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use service_runtime::on;

use crate::{
    on_both,
    world::{World, at, event},
};

on_both!(
    the_first_keys_stay_the_only_ones,
    what_is_missing_is_added,
    a_rotation_moves_every_key_by_one_state,
    no_key_signs_before_it_may,
    the_database_itself_refuses_a_key_that_signs_before_it_may,
    a_schedule_waits_for_the_key_that_signs,
    rotations_at_the_same_time_rotate_once,
    only_keys_retired_long_ago_are_removed,
    a_revoked_next_key_is_replaced,
    a_revoked_retiring_key_is_gone,
    for_a_revoked_active_key_the_next_one_signs_at_once,
    where_nothing_is_next_a_revoked_active_key_is_replaced,
    every_key_is_revoked,
    every_key_that_is_added_is_told,
    revocations_and_rotations_at_the_same_time_leave_one_that_signs_and_one_that_is_next,
    a_key_is_sealed_anew_once,
    the_release_before_goes_on_beside_a_next_key,
    keys_of_the_release_before_are_taken_over,
);

/// A key that may sign a minute after it was made.
fn key(kid: &str, minutes: i64) -> NewKey {
    NewKey {
        kid: kid.to_owned(),
        public_key: vec![0; 32],
        sealed_private_key: vec![255, 0, 1],
        created_at: at(minutes),
        may_sign_from: at(minutes + 1),
        event: SecurityEvent {
            detail: kid.to_owned(),
            ..event(EventKind::SigningKeyAdded, minutes)
        },
    }
}

fn stored(key: &NewKey, state: KeyState, since: DateTime<Utc>) -> StoredKey {
    let NewKey {
        kid,
        public_key,
        sealed_private_key,
        may_sign_from,
        ..
    } = key.clone();
    StoredKey {
        kid,
        public_key,
        sealed_private_key,
        state,
        since,
        may_sign_from,
    }
}

fn revoked() -> SecurityEvent {
    event(EventKind::SigningKeyRevoked, 0)
}

impl World {
    async fn begin(&self, active: &str, next: &str) {
        self.store
            .complete_signing_keys(&key(active, 0), &key(next, 0))
            .await
            .unwrap();
    }

    async fn rotate(&self, following: &str, minutes: i64) -> bool {
        self.store
            .rotate_signing_keys(&key(following, minutes), None, at(minutes))
            .await
            .unwrap()
    }

    async fn revoke(&self, which: Revoked<'_>, active: &str, next: &str) -> bool {
        let new = [key(active, 0), key(next, 0)];
        self.store
            .revoke_signing_keys(which, &new, &revoked())
            .await
            .unwrap()
    }

    /// The ids and states of all keys.
    async fn states(&self) -> Vec<(String, KeyState)> {
        let keys = self.store.signing_keys().await.unwrap();
        keys.into_iter().map(|key| (key.kid, key.state)).collect()
    }

    /// The details of the events of this kind, in order.
    async fn told(&self, kind: EventKind) -> Vec<String> {
        let filter = EventFilter {
            kind: Some(kind.as_str()),
            ..EventFilter::default()
        };
        let events = self.store.list_events(&filter, None, 100).await.unwrap();
        let mut details: Vec<String> = events.into_iter().map(|event| event.detail).collect();
        details.sort();
        details
    }

    /// Does what no method does; says how many rows it is about.
    async fn do_by_hand(&self, statement: &'static str) -> Result<u64, sqlx::Error> {
        on!(&self.database, |pool| {
            sqlx::query(statement)
                .execute(pool)
                .await
                .map(|done| done.rows_affected())
        })
    }
}

fn states(expected: &[(&str, KeyState)]) -> Vec<(String, KeyState)> {
    expected
        .iter()
        .map(|(kid, state)| ((*kid).to_owned(), *state))
        .collect()
}

async fn the_first_keys_stay_the_only_ones(world: World) {
    assert!(world.store.signing_keys().await.unwrap().is_empty());
    let before = world.store.security_revision().await.unwrap();
    let pairs: Vec<_> = (0..16)
        .map(|place| (key(&format!("a{place}"), 0), key(&format!("n{place}"), 0)))
        .collect();
    let adding = pairs
        .iter()
        .map(|(active, next)| world.store.complete_signing_keys(active, next));
    for added in join_all(adding).await {
        added.unwrap();
    }
    let kept = world.store.signing_keys().await.unwrap();
    let is_one_pair = pairs.iter().any(|(active, next)| {
        // The first one has nobody to wait for.
        let first = StoredKey {
            may_sign_from: at(0),
            ..stored(active, Active, at(0))
        };
        kept == [first, stored(next, Next, at(0))]
    });
    assert!(is_one_pair, "{kept:?}");
    let after = world.store.security_revision().await.unwrap();
    assert_eq!(after, before + 1, "told once");
}

async fn what_is_missing_is_added(world: World) {
    world.begin("one", "two").await;
    world
        .do_by_hand("DELETE FROM signing_keys WHERE kid = 'two'")
        .await
        .unwrap();
    world.begin("unused", "three").await;
    assert_eq!(world.states().await, states(&[("one", Active), ("three", Next)]));
    world
        .do_by_hand("DELETE FROM signing_keys WHERE kid = 'one'")
        .await
        .unwrap();
    world.begin("four", "unused").await;
    assert_eq!(world.states().await, states(&[("four", Active), ("three", Next)]));
}

async fn a_rotation_moves_every_key_by_one_state(world: World) {
    let (one, two, three) = (key("one", 0), key("two", 0), key("three", 2));
    world.store.complete_signing_keys(&one, &two).await.unwrap();
    assert!(
        world
            .store
            .rotate_signing_keys(&three, None, at(2))
            .await
            .unwrap()
    );
    let retiring = StoredKey {
        may_sign_from: at(0),
        ..stored(&one, Retiring, at(2))
    };
    let expected = [stored(&two, Active, at(2)), stored(&three, Next, at(2)), retiring];
    assert_eq!(world.store.signing_keys().await.unwrap(), expected);
    assert!(world.rotate("four", 4).await);
    let expected = [
        ("three", Active),
        ("four", Next),
        ("two", Retiring),
        ("one", Retiring),
    ];
    assert_eq!(world.states().await, states(&expected), "the latest first");
}

async fn no_key_signs_before_it_may(world: World) {
    world.begin("one", "two").await;
    let before = world.store.security_revision().await.unwrap();
    let early = at(1) - TimeDelta::microseconds(1);
    let rotated = world
        .store
        .rotate_signing_keys(&key("three", 0), None, early)
        .await;
    assert!(!rotated.unwrap());
    assert_eq!(world.states().await, states(&[("one", Active), ("two", Next)]));
    assert_eq!(world.store.security_revision().await.unwrap(), before);
    assert!(world.rotate("three", 1).await);
}

async fn the_database_itself_refuses_a_key_that_signs_before_it_may(world: World) {
    world.begin("one", "two").await;
    world
        .do_by_hand("DELETE FROM signing_keys WHERE kid = 'one'")
        .await
        .unwrap();
    for statement in [
        "UPDATE signing_keys SET is_next = FALSE, retired_at = NULL",
        "UPDATE signing_keys SET is_next = FALSE, retired_at = NULL, active_from = created_at",
        "UPDATE signing_keys SET retired_at = NULL",
        "UPDATE signing_keys SET may_sign_from = NULL",
    ] {
        assert!(world.do_by_hand(statement).await.is_err(), "{statement}");
    }
    let statement = "UPDATE signing_keys SET is_next = FALSE, retired_at = NULL, active_from = may_sign_from";
    assert_eq!(world.do_by_hand(statement).await.unwrap(), 1);
}

async fn a_schedule_waits_for_the_key_that_signs(world: World) {
    world.begin("one", "two").await;
    let rotate = async |following: &str, active_by: i64, minutes: i64| {
        let key = key(following, minutes);
        let rotated = world
            .store
            .rotate_signing_keys(&key, Some(at(active_by)), at(minutes));
        rotated.await.unwrap()
    };
    assert!(!rotate("three", -1, 9).await);
    assert!(rotate("three", 0, 10).await);
    assert!(!rotate("four", 9, 19).await, "the new one has its own time");
    assert!(rotate("four", 10, 20).await);
}

async fn rotations_at_the_same_time_rotate_once(world: World) {
    world.begin("first", "r0-0").await;
    for round in 1..=10 {
        let before = world.states().await;
        let new: Vec<_> = (0..8)
            .map(|place| key(&format!("r{round}-{place}"), round * 2))
            .collect();
        // Operators and schedules.
        let rotating = new.iter().enumerate().map(|(place, key)| {
            let active_by = (place % 2 == 0).then_some(at(round * 2 - 1));
            world.store.rotate_signing_keys(key, active_by, at(round * 2))
        });
        let rotated = join_all(rotating).await;
        let rotated = rotated.into_iter().filter(|rotated| *rotated.as_ref().unwrap());
        assert_eq!(rotated.count(), 1, "round {round}");
        let after = world.states().await;
        assert_eq!(after.len(), before.len() + 1);
        assert_eq!(
            after[0],
            (before[1].0.clone(), Active),
            "the one that waited signs"
        );
        assert_eq!((after[1].1, after[2].1), (Next, Retiring));
    }
}

async fn only_keys_retired_long_ago_are_removed(world: World) {
    world.begin("one", "two").await;
    assert!(world.rotate("three", 10).await && world.rotate("four", 20).await);
    let remove = async |before| world.store.remove_signing_keys(at(before), at(21)).await.unwrap();
    assert_eq!(remove(10).await, 0);
    assert_eq!(remove(11).await, 1);
    let left = [("three", Active), ("four", Next), ("two", Retiring)];
    assert_eq!(world.states().await, states(&left));
    // What signs or will sign is never removed, not even in thousands of years.
    let ages = TimeDelta::days(366 * 7_000).num_minutes();
    assert_eq!(remove(ages).await, 1);
    assert_eq!(remove(ages).await, 0);
}

async fn a_revoked_next_key_is_replaced(world: World) {
    world.begin("one", "two").await;
    assert!(world.revoke(Revoked::One("two"), "unused", "three").await);
    assert_eq!(world.states().await, states(&[("one", Active), ("three", Next)]));
    assert!(!world.revoke(Revoked::One("two"), "unused", "four").await);
    assert_eq!(world.told(EventKind::SigningKeyRevoked).await.len(), 1, "once");
}

async fn a_revoked_retiring_key_is_gone(world: World) {
    world.begin("one", "two").await;
    assert!(world.rotate("three", 2).await);
    assert!(world.revoke(Revoked::One("one"), "unused", "unused").await);
    assert_eq!(world.states().await, states(&[("two", Active), ("three", Next)]));
}

async fn for_a_revoked_active_key_the_next_one_signs_at_once(world: World) {
    world.begin("one", "two").await;
    // It might not have signed for another minute.
    assert!(world.revoke(Revoked::One("one"), "unused", "three").await);
    assert_eq!(world.states().await, states(&[("two", Active), ("three", Next)]));
    let signing = world.store.signing_keys().await.unwrap().remove(0);
    assert_eq!((signing.since, signing.may_sign_from), (at(0), at(0)));
}

async fn where_nothing_is_next_a_revoked_active_key_is_replaced(world: World) {
    world.begin("one", "two").await;
    world
        .do_by_hand("DELETE FROM signing_keys WHERE kid = 'two'")
        .await
        .unwrap();
    assert!(world.revoke(Revoked::One("one"), "three", "four").await);
    assert_eq!(world.states().await, states(&[("three", Active), ("four", Next)]));
}

async fn every_key_is_revoked(world: World) {
    world.begin("one", "two").await;
    assert!(world.rotate("three", 2).await);
    assert!(world.revoke(Revoked::All, "four", "five").await);
    assert_eq!(world.states().await, states(&[("four", Active), ("five", Next)]));
    assert_eq!(world.told(EventKind::SigningKeyRevoked).await.len(), 1);
}

async fn every_key_that_is_added_is_told(world: World) {
    let mut expected = Vec::new();
    let added = async |expected: &mut Vec<&'static str>, more: &[&'static str]| {
        expected.extend(more);
        expected.sort_unstable();
        assert_eq!(world.told(EventKind::SigningKeyAdded).await, *expected);
    };
    world.begin("one", "two").await;
    added(&mut expected, &["one", "two"]).await;
    world.begin("unused", "unused").await;
    added(&mut expected, &[]).await;
    assert!(!world.rotate("unused", 0).await, "it may not sign yet");
    added(&mut expected, &[]).await;
    assert!(world.rotate("three", 2).await);
    added(&mut expected, &["three"]).await;
    assert!(world.revoke(Revoked::One("three"), "unused", "four").await);
    added(&mut expected, &["four"]).await;
    assert!(world.revoke(Revoked::All, "five", "six").await);
    added(&mut expected, &["five", "six"]).await;
    assert!(!world.revoke(Revoked::One("one"), "unused", "unused").await);
    added(&mut expected, &[]).await;
}

async fn revocations_and_rotations_at_the_same_time_leave_one_that_signs_and_one_that_is_next(world: World) {
    world.begin("first", "second").await;
    for round in 1..=10 {
        let before = world.states().await;
        let revoked_key = &before[usize::from(round % 3 == 0)].0;
        let work = (0..8).map(async |place| {
            let name = |part| format!("r{round}-{place}-{part}");
            if place % 2 == 0 {
                let following = key(&name('f'), round * 2);
                let rotated = world.store.rotate_signing_keys(&following, None, at(round * 2));
                rotated.await.map(drop)
            } else {
                let new = [key(&name('a'), round * 2), key(&name('n'), round * 2)];
                let event = revoked();
                let which = Revoked::One(revoked_key);
                world
                    .store
                    .revoke_signing_keys(which, &new, &event)
                    .await
                    .map(drop)
            }
        });
        for done in join_all(work).await {
            done.unwrap();
        }
        let after = world.states().await;
        assert!(after.iter().all(|(kid, _)| kid != revoked_key), "round {round}");
        let is_settled = matches!(&after[..], [(_, Active), (_, Next), rest @ ..]
            if rest.iter().all(|(_, state)| *state == Retiring));
        assert!(is_settled, "round {round}: {after:?}");
    }
}

async fn a_key_is_sealed_anew_once(world: World) {
    world.begin("one", "two").await;
    let seal = async |former: &[u8], sealed: &[u8]| {
        let resealed = world.store.reseal_signing_key("one", former, sealed);
        resealed.await.unwrap();
        let keys = world.store.signing_keys().await.unwrap();
        [
            keys[0].sealed_private_key.clone(),
            keys[1].sealed_private_key.clone(),
        ]
    };
    assert_eq!(seal(&[255, 0, 1], &[7]).await, [vec![7], vec![255, 0, 1]]);
    assert_eq!(seal(&[255, 0, 1], &[8]).await, [vec![7], vec![255, 0, 1]]);
}

/// The statements of the release before.
const SIGNS_BEFORE: &str = "SELECT count(*) FROM signing_keys WHERE retired_at IS NULL AND kid = 'one'";
const RETIRES_BEFORE: &str =
    "UPDATE signing_keys SET retired_at = '2026-03-01T12:02:00+00:00' WHERE retired_at IS NULL";
const ADDS_BEFORE: &str = "INSERT INTO signing_keys (kid, public_key, sealed_private_key, created_at) \
                           SELECT 'old', public_key, sealed_private_key, created_at FROM signing_keys \
                           WHERE kid = 'one' ON CONFLICT DO NOTHING";
const REMOVES_BEFORE: &str = "DELETE FROM signing_keys WHERE retired_at < '2100-01-01T00:00:00+00:00'";

async fn the_release_before_goes_on_beside_a_next_key(world: World) {
    world.begin("one", "two").await;
    let signing: i64 = on!(&world.database, |pool| {
        sqlx::query_scalar(SIGNS_BEFORE).fetch_one(pool).await
    })
    .unwrap();
    assert_eq!(signing, 1);
    assert_eq!(world.do_by_hand(ADDS_BEFORE).await.unwrap(), 0, "one signs");
    assert_eq!(world.do_by_hand(RETIRES_BEFORE).await.unwrap(), 1);
    assert_eq!(world.do_by_hand(ADDS_BEFORE).await.unwrap(), 1);
    let rotated = [("old", Active), ("two", Next), ("one", Retiring)];
    assert_eq!(world.states().await, states(&rotated));
    assert_eq!(world.do_by_hand(REMOVES_BEFORE).await.unwrap(), 1);
    assert_eq!(world.states().await, states(&[("old", Active), ("two", Next)]));
    assert!(world.rotate("three", 2).await, "and this one goes on after it");
}

async fn keys_of_the_release_before_are_taken_over(world: World) {
    world.begin("one", "two").await;
    world.do_by_hand(RETIRES_BEFORE).await.unwrap();
    world.do_by_hand(ADDS_BEFORE).await.unwrap();
    world
        .do_by_hand("DELETE FROM signing_keys WHERE kid <> 'old'")
        .await
        .unwrap();
    world.begin("unused", "next").await;
    let keys = world.store.signing_keys().await.unwrap();
    assert_eq!((keys[0].kid.as_str(), keys[0].since), ("old", at(0)));
    let three = key("three", 2);
    let rotated = world.store.rotate_signing_keys(&three, Some(at(0)), at(2));
    assert!(rotated.await.unwrap());
    let expected = [("next", Active), ("three", Next), ("old", Retiring)];
    assert_eq!(world.states().await, states(&expected));
}
