//! Sessions are opened, refreshed and ended by whoever is first, once.

use auth_service::{
    model::{
        event::SecurityEvent,
        event_kind::EventKind,
        session::{EndReason, Session},
        user::User,
    },
    store::session::SessionCursor,
};
use chrono::TimeDelta;
use uuid::Uuid;

use crate::{
    on_both,
    world::{World, at, event, hash_of, new_id, session, user},
};

on_both!(
    an_opened_session_is_kept_whole,
    only_an_active_account_with_that_password_opens_one,
    a_refresh_counts_on_once,
    a_session_that_is_over_is_not_refreshed,
    of_many_refreshes_one_wins,
    an_end_is_told_once,
    a_revocation_reaches_own_open_sessions_only,
    everybodys_sessions_end_a_few_at_a_time,
    all_sessions_of_one_user_end,
    who_may_act_is_read_from_both_rows,
    the_list_shows_open_sessions_newest_first,
    pages_hold_while_sessions_come_and_go,
);

async fn an_opened_session_is_kept_whole(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let opened = session(&ada, at(5));
    let hash = hash_of(&ada.username);
    let seen = world
        .store
        .open_session(&opened, &hash, None, &event(EventKind::LoginSucceeded, 5))
        .await
        .unwrap();
    let expected = User {
        last_login: Some(at(5)),
        revision: 2,
        ..ada
    };
    assert_eq!(seen, Some(expected));
    assert_eq!(world.store.session(opened.id).await.unwrap(), Some(opened));
    assert_eq!(
        world.events().await,
        [("info".to_owned(), "login_succeeded".to_owned())]
    );
    assert_eq!(world.store.session(new_id()).await.unwrap(), None);
}

async fn only_an_active_account_with_that_password_opens_one(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let bob = User {
        is_active: false,
        ..user("bob@example.org")
    };
    let bob = world.add(bob).await;
    let stranger = user("eve@example.org");
    for (user, hash) in [
        (&ada, "another".to_owned()),
        (&bob, hash_of(&bob.username)),
        (&stranger, hash_of(&stranger.username)),
    ] {
        let opened = world
            .store
            .open_session(
                &session(user, at(0)),
                &hash,
                None,
                &event(EventKind::LoginSucceeded, 0),
            )
            .await
            .unwrap();
        assert_eq!(opened, None, "{}", user.username);
    }
    assert_eq!(world.count("sessions").await, 0);
    assert_eq!(world.events().await, []);
    assert_eq!(world.now(&ada).await, ada);
}

async fn a_refresh_counts_on_once(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let opened = world.open(&ada, at(0)).await;
    let refresh = |counter| {
        world
            .store
            .refresh_session(opened.id, counter, "192.0.2.9", at(9), at(99))
    };
    assert!(!refresh(1).await.unwrap(), "not from a counter to come");
    assert!(refresh(0).await.unwrap());
    assert!(!refresh(0).await.unwrap());
    let expected = Session {
        refresh_counter: 1,
        ip_address: "192.0.2.9".to_owned(),
        last_used_at: at(9),
        expires_at: at(99),
        ..opened.clone()
    };
    assert_eq!(world.store.session(opened.id).await.unwrap(), Some(expected));
    assert!(refresh(1).await.unwrap());
}

async fn a_session_that_is_over_is_not_refreshed(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let expired = world.open(&ada, at(0)).await;
    let ended = world.open(&ada, at(0)).await;
    world
        .store
        .end_session(
            ended.id,
            EndReason::Logout,
            at(1),
            &event(EventKind::LoggedOut, 1),
        )
        .await
        .unwrap();
    for (session, now) in [(&expired, expired.expires_at), (&ended, at(2))] {
        let refreshed = world
            .store
            .refresh_session(session.id, 0, "", now, now + TimeDelta::days(1));
        assert!(!refreshed.await.unwrap());
    }
}

async fn of_many_refreshes_one_wins(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let opened = world.open(&ada, at(0)).await;
    for counter in 0..20 {
        let calls = (0..32).map(|_| world.store.refresh_session(opened.id, counter, "", at(1), at(99)));
        let won = futures::future::join_all(calls)
            .await
            .into_iter()
            .map(|won| usize::from(won.unwrap()));
        assert_eq!(won.sum::<usize>(), 1, "counter {counter}");
    }
}

fn replay_of(session: &Session) -> SecurityEvent {
    SecurityEvent {
        subject_id: Some(session.user_id),
        session_id: Some(session.id),
        ..event(EventKind::RefreshReplayed, 1)
    }
}

async fn an_end_is_told_once(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let opened = world.open(&ada, at(0)).await;
    let end = |minutes| {
        let (store, event) = (world.store.clone(), replay_of(&opened));
        async move {
            let reason = EndReason::RefreshReplayed;
            store
                .end_session(event.session_id.unwrap(), reason, at(minutes), &event)
                .await
                .unwrap()
        }
    };
    assert!(end(1).await);
    assert!(!end(2).await);
    assert_eq!(
        world.events().await,
        [
            ("info".to_owned(), "login_succeeded".to_owned()),
            ("critical".to_owned(), "refresh_replayed".to_owned())
        ]
    );
    let ended = world.store.session(opened.id).await.unwrap().unwrap();
    assert_eq!(ended.ended_at, Some(at(1)));
    let replay = replay_of(&opened);
    let unknown = world
        .store
        .end_session(new_id(), EndReason::Logout, at(1), &replay);
    assert!(!unknown.await.unwrap());
}

async fn a_revocation_reaches_own_open_sessions_only(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let bob = world.add(user("bob@example.org")).await;
    let session = world.open(&ada, at(0)).await;
    let revoke = async |user: &User, now| {
        let event = event(EventKind::SessionRevoked, 1);
        let revoked = world.store.revoke_session(session.id, user.id, now, &event);
        revoked.await.unwrap()
    };
    assert!(!revoke(&bob, at(1)).await);
    assert!(!revoke(&ada, session.expires_at).await);
    assert!(world.is_open(&session).await);
    assert!(revoke(&ada, at(1)).await);
    assert!(!revoke(&ada, at(2)).await);
    assert!(!world.is_open(&session).await);
    let mut told = world.events().await;
    told.retain(|(_, kind)| kind == "session_revoked");
    assert_eq!(told.len(), 1);
}

async fn all_sessions_of_one_user_end(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let bob = world.add(user("bob@example.org")).await;
    let (one, two) = (world.open(&ada, at(0)).await, world.open(&ada, at(1)).await);
    let bobs = world.open(&bob, at(0)).await;
    for minutes in [2, 3] {
        let event = event(EventKind::LoggedOutEverywhere, minutes);
        let end = world
            .store
            .end_all_sessions(ada.id, EndReason::Logout, at(minutes), &event);
        end.await.unwrap();
    }
    assert!(!world.is_open(&one).await && !world.is_open(&two).await);
    assert!(world.is_open(&bobs).await);
    let ended = world.store.session(one.id).await.unwrap().unwrap();
    assert_eq!(ended.ended_at, Some(at(2)), "the first end counts");
}

async fn who_may_act_is_read_from_both_rows(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let bob = world.add(user("bob@example.org")).await;
    let session = world.open(&ada, at(0)).await;
    let may = |user_id, session_id, now| {
        let store = world.store.clone();
        async move {
            let active = store.active_user(user_id, session_id, now).await.unwrap();
            active.map(|(user, _)| user)
        }
    };
    let ada_now = world.now(&ada).await;
    assert_eq!(may(ada.id, session.id, at(1)).await, Some(ada_now));
    assert_eq!(may(bob.id, session.id, at(1)).await, None, "another's session");
    assert_eq!(may(ada.id, new_id(), at(1)).await, None, "no session");
    assert_eq!(may(ada.id, session.id, session.expires_at).await, None, "expired");
    let deactivated = world.store.change_user(ada.id, None, at(1), |user| {
        user.is_active = false;
        Ok::<_, ()>(Default::default())
    });
    deactivated.await.unwrap();
    assert_eq!(may(ada.id, session.id, at(1)).await, None, "inactive");
}

async fn the_list_shows_open_sessions_newest_first(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let bob = world.add(user("bob@example.org")).await;
    world.open(&bob, at(0)).await;
    let old = world.open(&ada, at(-24 * 60)).await;
    let ended = world.open(&ada, at(1)).await;
    let (one, two) = (world.open(&ada, at(2)).await, world.open(&ada, at(3)).await);
    world
        .store
        .end_session(
            ended.id,
            EndReason::Logout,
            at(4),
            &event(EventKind::LoggedOut, 4),
        )
        .await
        .unwrap();
    let listed = world.store.list_sessions(ada.id, at(4), None, 10).await.unwrap();
    assert_eq!(listed, [two, one]);
    let earlier = world.store.list_sessions(ada.id, at(-1), None, 1).await.unwrap();
    assert_eq!(earlier.len(), 1);
    assert_ne!(earlier[0].id, old.id, "the limit keeps the newest");
}

async fn pages_hold_while_sessions_come_and_go(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let mut own = Vec::new();
    for place in 0..9 {
        // Three at a time were opened at the same moment: the id tells them apart.
        own.push(world.open(&ada, at(place / 3)).await);
    }
    let mut seen: Vec<Session> = Vec::new();
    loop {
        let after = seen.last().map(|last| SessionCursor {
            created_at: last.created_at,
            id: last.id,
        });
        let page = world.store.list_sessions(ada.id, at(5), after.as_ref(), 2).await;
        let page = page.unwrap();
        if page.is_empty() {
            break;
        }
        world.open(&ada, at(4)).await;
        let shown = page[0].id;
        world
            .store
            .revoke_session(shown, ada.id, at(5), &event(EventKind::SessionRevoked, 5))
            .await
            .unwrap();
        seen.extend(page);
    }
    own.sort_by_key(|session| std::cmp::Reverse((session.created_at, session.id)));
    let ids = |sessions: &[Session]| sessions.iter().map(|session| session.id).collect::<Vec<_>>();
    assert_eq!(ids(&seen), ids(&own));
}

async fn everybodys_sessions_end_a_few_at_a_time(world: World) {
    let (ada, bob) = (
        world.add(user("ada@example.org")).await,
        world.add(user("bob@example.org")).await,
    );
    let mut open = Vec::new();
    for opened_at in [at(0), at(1), at(2)] {
        open.push(world.open(&ada, opened_at).await);
        open.push(world.open(&bob, opened_at).await);
    }
    let expired = world.open(&ada, at(0) - TimeDelta::days(2)).await;
    let logged_out = open.pop().unwrap();
    let event = event(EventKind::LoggedOut, 3);
    let end = world
        .store
        .end_session(logged_out.id, EndReason::Logout, at(3), &event);
    assert!(end.await.unwrap());

    let end = |after| {
        world
            .store
            .end_anybodys_sessions(after, EndReason::Operator, at(4), 2, None)
    };
    let (mut ended, mut after) = (Vec::new(), Uuid::nil());
    loop {
        let mut batch = end(after).await.unwrap();
        batch.sort();
        assert!(batch.len() <= 2);
        let Some(last) = batch.last() else { break };
        after = *last;
        ended.extend(batch);
    }
    let mut expected: Vec<Uuid> = open.iter().map(|session| session.id).collect();
    expected.sort();
    assert_eq!(ended, expected, "each once, and in order");
    assert!(end(Uuid::nil()).await.unwrap().is_empty(), "nothing is left");
    let ended_at = async |session: &Session| world.store.session(session.id).await.unwrap().unwrap().ended_at;
    assert_eq!(ended_at(&open[0]).await, Some(at(4)));
    assert_eq!(ended_at(&logged_out).await, Some(at(3)), "it keeps its own end");
    assert_eq!(ended_at(&expired).await, None);
}
