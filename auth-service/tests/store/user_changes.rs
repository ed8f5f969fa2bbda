//! Changing an account: from the row as it is, all of it or nothing, and never without a staff user left.

use auth_service::{
    model::{
        event::SecurityEvent, event_kind::EventKind, mail_token::Purpose, session::EndReason, user::User,
    },
    store::user::{Effects, NotChanged},
};

use crate::{
    on_both,
    world::{World, at, full_profile, link, new_id, staff, user},
};

on_both!(
    a_change_writes_everything_and_its_effects,
    a_change_needs_its_user_and_version,
    a_refused_change_leaves_no_trace,
    of_many_changes_from_one_version_one_wins,
    the_last_active_staff_user_stays,
    an_inactive_staff_user_does_not_count,
    two_who_demote_each_other_leave_one,
);

async fn set(
    world: &World,
    user: &User,
    revision: Option<i64>,
    change: impl FnOnce(&mut User),
) -> Result<User, NotChanged<()>> {
    world
        .store
        .change_user(user.id, revision, at(1), |user| {
            change(user);
            Ok(Effects::default())
        })
        .await
}

async fn a_change_writes_everything_and_its_effects(world: World) {
    world.add(staff("root@example.org")).await;
    let ada = world.add(user("ada@example.org")).await;
    let session = world.open(&ada, at(0)).await;
    let before = world.now(&ada).await;
    let (token, mail) = link(&ada, Purpose::ConfirmUsername);
    let event = SecurityEvent {
        id: new_id(),
        time: at(1),
        kind: EventKind::StaffRevoked,
        actor_id: Some(ada.id),
        subject_id: Some(ada.id),
        session_id: Some(session.id),
        ip_address: "192.0.2.1".to_owned(),
        request_id: "r".to_owned(),
        detail: "d".to_owned(),
    };
    let changed = world
        .store
        .change_user(ada.id, Some(before.revision), at(1), |user| {
            assert_eq!(user.profile, before.profile, "the row as it is");
            user.profile = full_profile();
            user.is_active = false;
            user.is_staff = true;
            user.verified_at = Some(at(7));
            user.pending_username = Some("new@example.org".to_owned());
            Ok::<_, ()>(Effects {
                tokens: vec![token.clone()],
                mails: vec![mail],
                end_sessions: Some(EndReason::Deactivated),
                events: vec![event],
            })
        });
    let expected = User {
        profile: full_profile(),
        is_active: false,
        is_staff: true,
        verified_at: Some(at(7)),
        pending_username: Some("new@example.org".to_owned()),
        revision: before.revision + 1,
        ..before.clone()
    };
    assert_eq!(changed.await.unwrap(), expected);
    assert_eq!(world.now(&ada).await, expected);
    assert!(!world.is_used(&token).await);
    assert_eq!(world.mails().await.len(), 1);
    let ended = world.store.session(session.id).await.unwrap().unwrap();
    assert_eq!(ended.ended_at, Some(at(1)));
    assert_eq!(
        world.events().await,
        [
            ("info".to_owned(), "login_succeeded".to_owned()),
            ("warning".to_owned(), "staff_revoked".to_owned())
        ]
    );
    let order = auth_service::model::user::UserOrder::Joined;
    let found = world
        .store
        .list_users("ада o'brien", order, None, 9)
        .await
        .unwrap();
    assert_eq!(found, [expected], "a search finds the new names");
}

async fn a_change_needs_its_user_and_version(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let rename = |user: &mut User| user.profile.first_name = "Ada".to_owned();
    for revision in [0, 2, -1, i64::MAX] {
        let refused = set(&world, &ada, Some(revision), rename).await;
        assert!(matches!(refused, Err(NotChanged::OtherRevision)), "{revision}");
    }
    let gone = user("gone@example.org");
    for revision in [None, Some(1)] {
        let refused = set(&world, &gone, revision, rename).await;
        assert!(matches!(refused, Err(NotChanged::NotFound)));
    }
    assert_eq!(world.now(&ada).await, ada);
    assert_eq!(set(&world, &ada, Some(1), rename).await.unwrap().revision, 2);
    assert_eq!(set(&world, &ada, None, rename).await.unwrap().revision, 3);
}

async fn a_refused_change_leaves_no_trace(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let refused = world.store.change_user(ada.id, None, at(1), |user| {
        user.is_active = false;
        Err::<Effects, _>("no")
    });
    assert!(matches!(refused.await, Err(NotChanged::Refused("no"))));
    assert_eq!(world.now(&ada).await, ada);
}

async fn of_many_changes_from_one_version_one_wins(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    for round in 1..=10 {
        let changes = (0..20).map(|place| {
            set(&world, &ada, Some(round), move |user| {
                user.profile.bio = format!("{round} {place}");
            })
        });
        let outcomes = futures::future::join_all(changes).await;
        let won: Vec<_> = outcomes
            .iter()
            .filter_map(|outcome| outcome.as_ref().ok())
            .collect();
        assert_eq!(won.len(), 1, "round {round}");
        assert_eq!(world.now(&ada).await, *won[0]);
        let lost = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Err(NotChanged::OtherRevision)));
        assert_eq!(lost.count(), 19, "round {round}");
    }
}

async fn the_last_active_staff_user_stays(world: World) {
    let (one, two) = (
        world.add(staff("one@example.org")).await,
        world.add(staff("two@example.org")).await,
    );
    set(&world, &one, None, |user| user.is_staff = false)
        .await
        .unwrap();
    for demote in [(|user| user.is_staff = false) as fn(&mut User), |user| {
        user.is_active = false
    }] {
        let refused = set(&world, &two, None, demote).await;
        assert!(matches!(refused, Err(NotChanged::LastStaffUser)));
    }
    assert_eq!(world.now(&two).await, two, "nothing was written");
    let renamed = set(&world, &two, None, |user| user.profile.bio = "b".to_owned());
    assert!(renamed.await.unwrap().is_staff, "other changes are free");
    set(&world, &one, None, |user| user.is_staff = true)
        .await
        .unwrap();
    set(&world, &two, None, |user| user.is_staff = false)
        .await
        .unwrap();
}

async fn an_inactive_staff_user_does_not_count(world: World) {
    let active = world.add(staff("active@example.org")).await;
    let inactive = User {
        is_active: false,
        ..staff("inactive@example.org")
    };
    let inactive = world.add(inactive).await;
    let refused = set(&world, &active, None, |user| user.is_staff = false).await;
    assert!(matches!(refused, Err(NotChanged::LastStaffUser)));
    // Demoting the inactive one takes nothing away.
    set(&world, &inactive, None, |user| user.is_staff = false)
        .await
        .unwrap();
}

async fn two_who_demote_each_other_leave_one(world: World) {
    let (one, two) = (
        world.add(staff("one@example.org")).await,
        world.add(staff("two@example.org")).await,
    );
    for round in 0..40 {
        let demote = |user: &mut User| user.is_staff = false;
        let (first, second) =
            futures::join!(set(&world, &one, None, demote), set(&world, &two, None, demote));
        let outcomes = [first, second];
        let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let last = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Err(NotChanged::LastStaffUser)))
            .count();
        assert_eq!((won, last), (1, 1), "round {round}: {outcomes:?}");
        for user in [&one, &two] {
            set(&world, user, None, |user| user.is_staff = true)
                .await
                .unwrap();
        }
    }
}
