//! Alarms: every critical event goes into one mail, the first at once, those that follow when the pause is over.

use auth_service::{
    model::{
        event::SecurityEvent,
        event_kind::EventKind,
        mail::{MailKind, NewMail},
    },
    store::erasure::Erased,
};
use chrono::TimeDelta;

use crate::{
    on_both,
    world::{World, at, event, new_id, notice, unverified, user},
};

on_both!(
    the_first_comes_at_once_and_what_follows_as_one,
    of_several_processes_one_raises_the_alarm,
    a_clock_that_was_wrong_silences_nobody,
    an_alarm_outlives_the_account_of_its_address,
);

const PAUSE: TimeDelta = TimeDelta::minutes(15);

fn alarm(minute: i64) -> NewMail {
    NewMail {
        id: new_id(),
        kind: MailKind::SecurityAlarm,
        created_at: at(minute),
        ..notice("office@example.org")
    }
}

async fn the_first_comes_at_once_and_what_follows_as_one(world: World) {
    let raise = async |mail: &NewMail| world.store.raise_alarm(mail, PAUSE).await.unwrap();
    world
        .store
        .record_events(&[
            event(EventKind::LoginFailed, 0),
            event(EventKind::AccessDenied, 0),
        ])
        .await
        .unwrap();
    assert!(!raise(&alarm(0)).await, "nothing critical");

    let first = event(EventKind::StaffGranted, 0);
    world
        .store
        .record_events(std::slice::from_ref(&first))
        .await
        .unwrap();
    let mail = alarm(0);
    assert!(raise(&mail).await);
    let told = world.store.alarm(mail.id, 9).await.unwrap();
    assert_eq!(told.counts, [("staff_granted".to_owned(), 1)]);
    assert_eq!(told.first[0].id, first.id);
    assert!(!raise(&alarm(100)).await, "it was told already");

    let flood: Vec<SecurityEvent> = (0..500)
        .map(|place| event(EventKind::RefreshReplayed, place % 7))
        .collect();
    world.store.record_events(&flood).await.unwrap();
    assert!(!raise(&alarm(14)).await, "the pause is not over");
    let mail = alarm(15);
    assert!(raise(&mail).await);
    let told = world.store.alarm(mail.id, 3).await.unwrap();
    assert_eq!(told.all(), 500);
    assert_eq!(told.first.len(), 3);
    assert_eq!(told.first[0].time, at(0));
    assert!(!raise(&alarm(100)).await);
    assert_eq!(world.mails().await.len(), 2);
}

/// Anybody may have registered the address at which the alarm rings.
async fn an_alarm_outlives_the_account_of_its_address(world: World) {
    let never_verified = world.add(unverified("office@example.org")).await;
    let critical = event(EventKind::StaffGranted, 0);
    world.store.record_events(&[critical]).await.unwrap();
    assert!(world.store.raise_alarm(&alarm(0), PAUSE).await.unwrap());
    assert_eq!(world.store.remove_unverified_users(at(1), 9).await.unwrap(), 1);
    assert_eq!(world.mails().await.len(), 1);
    assert_eq!(world.store.user(never_verified.id).await.unwrap(), None);

    let office = world.add(user("OFFICE@example.org")).await;
    let deleted = event(EventKind::AccountDeleted, 0);
    let erased = world.store.erase_user(office.id, None, &deleted);
    assert_eq!(erased.await.unwrap(), Erased::Yes);
    assert_eq!(world.mails().await.len(), 1);
}

async fn of_several_processes_one_raises_the_alarm(world: World) {
    for round in 0..5 {
        let events: Vec<SecurityEvent> = (0..10).map(|_| event(EventKind::StaffGranted, 0)).collect();
        world.store.record_events(&events).await.unwrap();
        let mails: Vec<NewMail> = (0..8).map(|_| alarm(round * 20)).collect();
        let raising = mails.iter().map(|mail| world.store.raise_alarm(mail, PAUSE));
        let raised = futures::future::join_all(raising).await;
        let raised: Vec<bool> = raised.into_iter().map(Result::unwrap).collect();
        assert_eq!(raised.iter().filter(|is_raised| **is_raised).count(), 1);
        let place = raised.iter().position(|is_raised| *is_raised).unwrap();
        let told = world.store.alarm(mails[place].id, 1).await.unwrap();
        assert_eq!(told.all(), 10, "round {round}");
    }
    assert_eq!(world.mails().await.len(), 5);
}

async fn a_clock_that_was_wrong_silences_nobody(world: World) {
    let critical = || [event(EventKind::StaffGranted, 0)];
    world.store.record_events(&critical()).await.unwrap();
    let year = 365 * 24 * 60;
    assert!(world.store.raise_alarm(&alarm(year), PAUSE).await.unwrap());
    world.store.record_events(&critical()).await.unwrap();
    assert!(world.store.raise_alarm(&alarm(0), PAUSE).await.unwrap());
}
