//! The trail: only ever added to, read by every filter, and removed when its time is over.

use auth_service::{
    model::{
        event::{EventFilter, SecurityEvent, Severity},
        event_kind::EventKind,
    },
    store::event::EventCursor,
};
use service_runtime::on;
use uuid::Uuid;

use crate::{
    on_both,
    world::{World, at, event, new_id},
};

on_both!(
    every_filter_lists_what_it_says_in_pages,
    an_event_is_recorded_once,
    events_stay_as_they_are,
    only_events_that_have_had_their_time_are_removed,
);

async fn every_filter_lists_what_it_says_in_pages(world: World) {
    let (ada, bob) = (new_id(), new_id());
    let by = |who: Uuid, event| SecurityEvent {
        actor_id: Some(who),
        ..event
    };
    let about = |whom: Uuid, event| SecurityEvent {
        subject_id: Some(whom),
        session_id: Some(whom),
        ..event
    };
    let events = [
        about(ada, by(ada, event(EventKind::LoginSucceeded, 0))),
        about(bob, event(EventKind::LoginFailed, 1)),
        about(bob, event(EventKind::LoginFailed, 1)),
        about(bob, by(ada, event(EventKind::StaffGranted, 2))),
        by(bob, event(EventKind::AccessDenied, 3)),
        about(ada, event(EventKind::LoginFailed, 4)),
    ];
    world.store.record_events(&events).await.unwrap();
    let any = EventFilter::default;
    let of = |severity| EventFilter {
        severity: Some(severity),
        ..any()
    };
    let failed = EventFilter {
        kind: Some("login_failed"),
        ..any()
    };
    let filters = [
        (any(), vec![5, 4, 3, 2, 1, 0]),
        (of(Severity::Info), vec![5, 4, 3, 2, 1, 0]),
        (of(Severity::Warning), vec![4, 3]),
        (of(Severity::Critical), vec![3]),
        (failed.clone(), vec![5, 2, 1]),
        (
            EventFilter {
                actor_id: Some(ada),
                ..any()
            },
            vec![3, 0],
        ),
        (
            EventFilter {
                subject_id: Some(bob),
                ..any()
            },
            vec![3, 2, 1],
        ),
        (
            EventFilter {
                since: Some(at(1)),
                until: Some(at(3)),
                ..any()
            },
            vec![3, 2, 1],
        ),
        (
            EventFilter {
                severity: Some(Severity::Info),
                subject_id: Some(bob),
                since: Some(at(0)),
                until: Some(at(9)),
                ..failed
            },
            vec![2, 1],
        ),
        (
            EventFilter {
                severity: Some(Severity::Critical),
                kind: Some("staff_granted"),
                actor_id: Some(ada),
                subject_id: Some(bob),
                since: Some(at(2)),
                until: None,
            },
            vec![3],
        ),
        (
            EventFilter {
                actor_id: Some(new_id()),
                ..any()
            },
            vec![],
        ),
    ];
    for (filter, expected) in filters {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = world.store.list_events(&filter, after.as_ref(), 2).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(EventCursor {
                time: last.time,
                id: last.id,
            });
            seen.extend(page.iter().map(|event| event.id));
        }
        // Those of one moment are in the order of their ids, which chance has made.
        let mut expected: Vec<&SecurityEvent> = expected.into_iter().map(|place| &events[place]).collect();
        expected.sort_by_key(|event| std::cmp::Reverse((event.time, event.id)));
        let expected: Vec<Uuid> = expected.into_iter().map(|event| event.id).collect();
        assert_eq!(seen, expected, "{filter:?}");
    }
    let all = world.store.list_events(&any(), None, 100).await.unwrap();
    let first = &all[5];
    assert_eq!(
        (first.time, first.severity, first.kind.as_str()),
        (at(0), Severity::Info, "login_succeeded")
    );
    assert_eq!((first.actor_id, first.session_id), (Some(ada), Some(ada)));
    assert_eq!(
        (
            first.ip_address.as_str(),
            first.request_id.as_str(),
            first.detail.as_str()
        ),
        ("2001:db8::1", "r", "d")
    );
}

async fn an_event_is_recorded_once(world: World) {
    let denied = event(EventKind::AccessDenied, 0);
    let other = SecurityEvent {
        detail: "something else".to_owned(),
        ..denied.clone()
    };
    world
        .store
        .record_events(&[denied.clone(), denied])
        .await
        .unwrap();
    world.store.record_events(&[other]).await.unwrap();
    let all = world
        .store
        .list_events(&EventFilter::default(), None, 9)
        .await
        .unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].detail, "d");
}

/// Does something to the table that no method does.
async fn tried(world: &World, statement: &'static str) -> Result<u64, sqlx::Error> {
    on!(&world.database, |pool| sqlx::query(statement)
        .execute(pool)
        .await
        .map(|done| done.rows_affected()))
}

async fn events_stay_as_they_are(world: World) {
    let events = [
        event(EventKind::LoginFailed, 0),
        event(EventKind::StaffGranted, 1),
    ];
    world.store.record_events(&events).await.unwrap();
    let before = world.store.list_events(&EventFilter::default(), None, 9).await;
    for statement in [
        "UPDATE security_events SET detail = 'nothing happened'",
        "UPDATE security_events SET severity = 'info' WHERE severity = 'critical'",
        "DELETE FROM security_events",
        "DELETE FROM security_events WHERE severity = 'info'",
    ] {
        let error = tried(&world, statement).await.unwrap_err();
        assert!(
            error.to_string().contains("security events stay as they are"),
            "{statement}: {error}"
        );
    }
    if matches!(world.database, service_runtime::database::Database::Postgres(_)) {
        let error = tried(&world, "TRUNCATE security_events CASCADE")
            .await
            .unwrap_err();
        assert!(error.to_string().contains("stay as they are"), "{error}");
    }
    let after = world.store.list_events(&EventFilter::default(), None, 9).await;
    assert_eq!(before.unwrap(), after.unwrap());
}

async fn only_events_that_have_had_their_time_are_removed(world: World) {
    let events: Vec<SecurityEvent> = (0..6)
        .map(|minute| event(EventKind::RefreshReplayed, minute))
        .collect();
    world.store.record_events(&events).await.unwrap();
    for (limit, removed) in [(2, 2), (2, 1), (2, 0)] {
        assert_eq!(
            world.store.remove_old_events(at(3), limit).await.unwrap(),
            removed
        );
    }
    // An older bound does not move the mark back, and removes nothing.
    assert_eq!(world.store.remove_old_events(at(1), 9).await.unwrap(), 0);
    let left = world.store.list_events(&EventFilter::default(), None, 9).await;
    let left: Vec<Uuid> = left.unwrap().iter().map(|event| event.id).collect();
    assert_eq!(left, [events[5].id, events[4].id, events[3].id]);
    assert_eq!(
        world.count("security_alarms").await,
        3,
        "what waits for an alarm goes with its event"
    );
    tried(&world, "DELETE FROM security_events").await.unwrap_err();
}
