//! At most one key signs, whoever rotates.

use auth_service::{
    model::{event::SecurityEvent, event_kind::EventKind},
    store::signing_key::StoredKey,
};
use chrono::{DateTime, Utc};
use service_runtime::entropy::Entropy;

use crate::{
    on_both,
    world::{World, at},
};

on_both!(
    the_first_key_stays_the_only_one,
    a_rotation_retires_the_former_key,
    rotations_at_the_same_time_leave_one_key_that_signs,
    only_keys_retired_long_ago_are_removed,
    a_revoked_key_is_gone_and_one_signs,
    revocations_and_rotations_at_the_same_time_leave_one_key_that_signs,
);

fn key(kid: &str, created_at: DateTime<Utc>) -> StoredKey {
    StoredKey {
        kid: kid.to_owned(),
        public_key: vec![0; 32],
        sealed_private_key: vec![255, 0, 1],
        created_at,
        retired_at: None,
    }
}

async fn the_first_key_stays_the_only_one(world: World) {
    assert!(world.store.signing_keys().await.unwrap().is_empty());
    let kids: Vec<_> = (0..16).map(|place| key(&format!("k{place}"), at(0))).collect();
    let adding = kids.iter().map(|key| world.store.add_signing_key(key));
    for added in futures::future::join_all(adding).await {
        added.unwrap();
    }
    let stored = world.store.signing_keys().await.unwrap();
    assert_eq!(stored.len(), 1);
    assert!(kids.contains(&stored[0]));
}

async fn a_rotation_retires_the_former_key(world: World) {
    let (one, two) = (key("one", at(0)), key("two", at(1)));
    world.store.add_signing_key(&one).await.unwrap();
    world.store.rotate_signing_key(&two, at(2)).await.unwrap();
    let retired = StoredKey {
        retired_at: Some(at(2)),
        ..one
    };
    assert_eq!(
        world.store.signing_keys().await.unwrap(),
        [two, retired],
        "the newest first"
    );
}

async fn rotations_at_the_same_time_leave_one_key_that_signs(world: World) {
    world.store.add_signing_key(&key("first", at(0))).await.unwrap();
    for round in 0..10 {
        let new: Vec<_> = (0..8)
            .map(|place| key(&format!("r{round}-{place}"), at(round + 1)))
            .collect();
        let rotating = new
            .iter()
            .map(|key| world.store.rotate_signing_key(key, at(round + 1)));
        for rotated in futures::future::join_all(rotating).await {
            rotated.unwrap();
        }
        let stored = world.store.signing_keys().await.unwrap();
        let signing = stored.iter().filter(|key| key.retired_at.is_none());
        assert_eq!(signing.count(), 1, "round {round}");
    }
}

async fn only_keys_retired_long_ago_are_removed(world: World) {
    world.store.add_signing_key(&key("one", at(0))).await.unwrap();
    for (kid, minutes) in [("two", 10), ("three", 20)] {
        world
            .store
            .rotate_signing_key(&key(kid, at(minutes)), at(minutes))
            .await
            .unwrap();
    }
    assert_eq!(world.store.remove_signing_keys(at(10), at(21)).await.unwrap(), 0);
    assert_eq!(world.store.remove_signing_keys(at(11), at(21)).await.unwrap(), 1);
    let kids: Vec<_> = world.store.signing_keys().await.unwrap();
    assert_eq!(
        kids.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>(),
        ["three", "two"]
    );
    // The one that signs is never removed.
    assert_eq!(
        world.store.remove_signing_keys(at(9999), at(21)).await.unwrap(),
        1
    );
    assert_eq!(
        world.store.remove_signing_keys(at(9999), at(21)).await.unwrap(),
        0
    );
}

fn revoked() -> SecurityEvent {
    SecurityEvent {
        id: Entropy::default().new_id(at(0)).unwrap(),
        time: at(0),
        kind: EventKind::SigningKeyRevoked,
        actor_id: None,
        subject_id: None,
        session_id: None,
        ip_address: String::new(),
        request_id: String::new(),
        detail: String::new(),
    }
}

async fn a_revoked_key_is_gone_and_one_signs(world: World) {
    let store = &world.store;
    let kids = async || -> Vec<(String, bool)> {
        let keys = store.signing_keys().await.unwrap();
        keys.into_iter()
            .map(|key| (key.kid, key.retired_at.is_none()))
            .collect()
    };
    store.add_signing_key(&key("one", at(0))).await.unwrap();
    store.rotate_signing_key(&key("two", at(1)), at(1)).await.unwrap();
    let revoke = async |kid, next| {
        store
            .revoke_signing_key(kid, &key(next, at(2)), &revoked())
            .await
            .unwrap()
    };

    assert!(revoke("one", "unused").await);
    assert_eq!(
        kids().await,
        [("two".to_owned(), true)],
        "the one that signs stays"
    );
    assert!(!revoke("one", "unused").await, "gone already");
    let told = [("critical".to_owned(), "signing_key_revoked".to_owned())];
    assert_eq!(world.events().await, told, "once");
    assert!(revoke("two", "three").await);
    assert_eq!(kids().await, [("three".to_owned(), true)]);
}

async fn revocations_and_rotations_at_the_same_time_leave_one_key_that_signs(world: World) {
    let store = &world.store;
    store.add_signing_key(&key("first", at(0))).await.unwrap();
    for round in 0..10 {
        let signing = store.signing_keys().await.unwrap().remove(0).kid;
        let new: Vec<_> = (0..8)
            .map(|place| key(&format!("r{round}-{place}"), at(round + 1)))
            .collect();
        let event = revoked();
        let work = new.iter().enumerate().map(async |(place, key)| match place % 2 {
            0 => store.rotate_signing_key(key, at(round + 1)).await,
            _ => {
                let event = SecurityEvent {
                    id: Entropy::default().new_id(at(round + 1)).unwrap(),
                    ..event.clone()
                };
                store.revoke_signing_key(&signing, key, &event).await.map(drop)
            }
        });
        for done in futures::future::join_all(work).await {
            done.unwrap();
        }
        let stored = store.signing_keys().await.unwrap();
        assert!(stored.iter().all(|key| key.kid != signing), "round {round}");
        let signing = stored.iter().filter(|key| key.retired_at.is_none());
        assert_eq!(signing.count(), 1, "round {round}");
    }
}
