//! The log of security changes has a row for each, in the order of commits, from the transaction that did it.

use auth_service::{
    model::{
        event_kind::EventKind,
        security_change::{RecordedChange, SecurityChange},
        session::EndReason,
        user::User,
    },
    store::user::Effects,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{
    on_both,
    world::{World, at, event, hash_of, notice, staff, user},
};

on_both!(
    what_ends_a_session_is_recorded,
    what_changes_a_user_is_recorded,
    what_changes_nothing_is_not_recorded,
    changes_of_one_transaction_share_a_revision,
    an_answer_has_the_revision_at_which_it_is_so,
    revisions_are_in_the_order_of_commits,
    old_changes_are_removed_from_the_oldest_on,
);

async fn all(world: &World) -> Vec<RecordedChange> {
    world.store.security_changes(0, i64::MAX).await.unwrap()
}

/// What was recorded since a revision.
async fn since(world: &World, revision: i64) -> Vec<SecurityChange> {
    let recorded = world.store.security_changes(revision, i64::MAX).await.unwrap();
    recorded.into_iter().map(|recorded| recorded.change).collect()
}

async fn what_ends_a_session_is_recorded(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    for minute in 0..4 {
        let session = world.open(&ada, at(minute)).await;
        let before = world.store.security_revision().await.unwrap();
        match minute {
            0 => assert!(
                world
                    .store
                    .end_session(
                        session.id,
                        EndReason::Logout,
                        at(5),
                        &event(EventKind::LoggedOut, 5)
                    )
                    .await
                    .unwrap()
            ),
            1 => assert!(
                world
                    .store
                    .revoke_session(session.id, ada.id, at(5), &event(EventKind::SessionRevoked, 5))
                    .await
                    .unwrap()
            ),
            2 => world
                .store
                .end_all_sessions(ada.id, EndReason::Logout, at(5), &event(EventKind::LoggedOut, 5))
                .await
                .unwrap(),
            _ => {
                let ended = world
                    .store
                    .end_anybodys_sessions(Uuid::nil(), EndReason::Operator, at(5), 10, None)
                    .await;
                assert_eq!(ended.unwrap(), [session.id]);
            }
        }
        assert_eq!(
            since(&world, before).await,
            [SecurityChange::SessionEnded(session.id)],
            "{minute}"
        );
        assert_eq!(world.store.security_revision().await.unwrap(), before + 1);
    }
}

async fn what_changes_a_user_is_recorded(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let changes: [fn(&mut User); 2] = [
        |user| user.is_staff = !user.is_staff,
        |user| user.is_active = !user.is_active,
    ];
    // Another staff user, so that ada may stop being one.
    world.add(staff("root@example.org")).await;
    for change in changes {
        for _ in ["there", "and back"] {
            let before = world.store.security_revision().await.unwrap();
            let changed = world.store.change_user(ada.id, None, at(1), |user| {
                change(user);
                Ok::<_, ()>(Effects::default())
            });
            changed.await.unwrap();
            assert_eq!(since(&world, before).await, [SecurityChange::UserChanged(ada.id)]);
        }
    }
    let session = world.open(&ada, at(2)).await;
    let before = world.store.security_revision().await.unwrap();
    let (notice, former) = (notice(&ada.username), hash_of(&ada.username));
    let event = event(EventKind::PasswordChanged, 3);
    let changed = world.store.change_password(
        ada.id,
        session.id,
        &former,
        "another hash",
        (&notice, &event),
        at(3),
    );
    assert!(changed.await.unwrap());
    assert_eq!(
        since(&world, before).await,
        [SecurityChange::UserChanged(ada.id)],
        "the session stays"
    );
}

async fn what_changes_nothing_is_not_recorded(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let session = world.open(&ada, at(0)).await;
    world
        .store
        .end_session(
            session.id,
            EndReason::Logout,
            at(1),
            &event(EventKind::LoggedOut, 1),
        )
        .await
        .unwrap();
    let before = all(&world).await;
    let store = &world.store;
    store
        .end_session(
            session.id,
            EndReason::Logout,
            at(1),
            &event(EventKind::LoggedOut, 1),
        )
        .await
        .unwrap();
    store
        .revoke_session(session.id, ada.id, at(1), &event(EventKind::SessionRevoked, 1))
        .await
        .unwrap();
    store
        .end_all_sessions(ada.id, EndReason::Logout, at(1), &event(EventKind::LoggedOut, 1))
        .await
        .unwrap();
    store
        .end_anybodys_sessions(Uuid::nil(), EndReason::Operator, at(1), 10, None)
        .await
        .unwrap();
    let renamed = store.change_user(ada.id, None, at(1), |user| {
        user.profile.first_name = "Ada".to_owned();
        Ok::<_, ()>(Effects::default())
    });
    renamed.await.unwrap();
    let refused = store.change_user(ada.id, None, at(1), |user| {
        user.is_staff = true;
        Err::<Effects, _>(())
    });
    assert!(refused.await.is_err());
    assert_eq!(all(&world).await, before);
}

async fn changes_of_one_transaction_share_a_revision(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let mut expected = vec![SecurityChange::UserChanged(ada.id)];
    for minute in 0..3 {
        expected.push(SecurityChange::SessionEnded(
            world.open(&ada, at(minute)).await.id,
        ));
    }
    let before = world.store.security_revision().await.unwrap();
    let deactivated = world.store.change_user(ada.id, None, at(5), |user| {
        user.is_active = false;
        Ok::<_, ()>(Effects {
            end_sessions: Some(EndReason::Deactivated),
            ..Effects::default()
        })
    });
    deactivated.await.unwrap();
    let recorded = world.store.security_changes(before, i64::MAX).await.unwrap();
    assert!(recorded.iter().all(|recorded| recorded.revision == before + 1));
    let mut changes = since(&world, before).await;
    changes.sort();
    expected.sort();
    assert_eq!(changes, expected);
    assert!(
        world
            .store
            .security_changes(before, before)
            .await
            .unwrap()
            .is_empty()
    );
}

async fn an_answer_has_the_revision_at_which_it_is_so(world: World) {
    world.add(staff("root@example.org")).await;
    let ada = world.add(user("ada@example.org")).await;
    let session = world.open(&ada, at(0)).await;
    for revision in 0..3 {
        let answer = world.store.active_user(ada.id, session.id, at(0)).await.unwrap();
        let (user, found) = answer.unwrap();
        assert_eq!((user.is_staff, found), (revision % 2 == 1, revision));
        let changed = world.store.change_user(ada.id, None, at(1), |user| {
            user.is_staff = !user.is_staff;
            Ok::<_, ()>(Effects::default())
        });
        changed.await.unwrap();
    }
}

async fn revisions_are_in_the_order_of_commits(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let mut sessions = Vec::new();
    for minute in 0..40 {
        sessions.push(world.open(&ada, at(minute)).await.id);
    }
    let store = world.store.clone();
    // Who follows the log while it is written must not find anything behind where it has read.
    let (done, is_done) = tokio::sync::watch::channel(false);
    let mut reading = JoinSet::new();
    reading.spawn(async move {
        let (mut seen, mut read) = (Vec::new(), 0);
        loop {
            let last = *is_done.borrow();
            let revision = store.security_revision().await.unwrap();
            let changes = store.security_changes(read, revision).await.unwrap();
            seen.extend(changes.iter().map(|recorded| recorded.change));
            read = revision;
            if last {
                return seen;
            }
        }
    });
    let mut ending = JoinSet::new();
    for id in sessions.clone() {
        let store = world.store.clone();
        ending.spawn(async move {
            store
                .end_session(id, EndReason::Logout, at(50), &event(EventKind::LoggedOut, 50))
                .await
        });
    }
    for ended in ending.join_all().await {
        assert!(ended.unwrap());
    }
    done.send(true).unwrap();
    let mut seen = reading.join_all().await.concat();
    seen.sort();
    let mut expected: Vec<_> = sessions.into_iter().map(SecurityChange::SessionEnded).collect();
    expected.sort();
    assert_eq!(seen, expected);
}

async fn old_changes_are_removed_from_the_oldest_on(world: World) {
    assert_eq!(world.store.oldest_security_revision().await.unwrap(), None);
    let ada = world.add(user("ada@example.org")).await;
    for minute in 1..=4 {
        let session = world.open(&ada, at(0)).await;
        world
            .store
            .end_session(
                session.id,
                EndReason::Logout,
                at(minute),
                &event(EventKind::LoggedOut, minute),
            )
            .await
            .unwrap();
    }
    let last = world.store.security_revision().await.unwrap();
    let remove = async |before, limit| {
        world
            .store
            .remove_old_security_changes(at(before), limit)
            .await
            .unwrap()
    };
    assert_eq!(remove(1, 10).await, 0);
    assert_eq!(remove(4, 2).await, 2);
    assert_eq!(
        world.store.oldest_security_revision().await.unwrap(),
        Some(last - 1)
    );
    assert_eq!(remove(4, 2).await, 1);
    assert_eq!(remove(99, 2).await, 1);
    assert_eq!(world.store.oldest_security_revision().await.unwrap(), None);
    assert_eq!(
        world.store.security_revision().await.unwrap(),
        last,
        "the revision stays"
    );
}
