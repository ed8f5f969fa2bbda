//! What is held about a person is read for that person, without what is others'.

use auth_service::model::{event::SecurityEvent, mail_token::Purpose};
use uuid::Uuid;

use crate::{
    erasure::deleted,
    on_both,
    world::{World, at, new_id, staff, user},
};

on_both!(what_is_held_about_a_person_is_read_without_what_is_others);

async fn what_is_held_about_a_person_is_read_without_what_is_others(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let bob = world.add(staff("bob@example.org")).await;
    world.open(&ada, at(1)).await;
    let newest = world.open(&ada, at(2)).await;
    world.open(&bob, at(3)).await;
    world.add_token(&ada, Purpose::ResetPassword).await;
    world.queue("ADA@example.org").await;
    world.queue("bob@example.org").await;
    let event = |actor: Option<Uuid>, subject: Option<Uuid>, minutes| SecurityEvent {
        id: new_id(),
        time: at(minutes),
        actor_id: actor,
        subject_id: subject,
        detail: "a detail".to_owned(),
        ..deleted(&ada)
    };
    for event in [
        event(Some(ada.id), Some(ada.id), 4),
        event(Some(bob.id), Some(ada.id), 5),
        event(Some(ada.id), Some(bob.id), 6),
        event(None, Some(ada.id), 7),
        event(Some(bob.id), Some(bob.id), 8),
        event(Some(ada.id), None, 3),
    ] {
        world.store.tell_of_export(&event).await.unwrap();
    }
    let held = world.store.held(ada.id, 9).await.unwrap();
    assert!(held.factor.is_none() && held.recovery_codes.is_empty());
    assert_eq!(held.sessions.len(), 2);
    assert_eq!(held.sessions[0].id, newest.id);
    assert_eq!((held.links.len(), held.mails.len()), (1, 2));
    let own = Some("2001:db8::1");
    let seen: Vec<_> = held
        .events
        .iter()
        .map(|event| {
            let by_and_about = (event.by_them, event.about_them);
            (
                event.time,
                by_and_about,
                event.ip_address.as_deref(),
                event.detail.as_str(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (at(7), (false, true), own, "a detail"),
            (at(6), (true, false), own, ""),
            (at(5), (false, true), None, "a detail"),
            (at(4), (true, true), own, "a detail"),
            (at(3), (true, false), own, "a detail"),
        ]
    );
    let few = world.store.held(ada.id, 1).await.unwrap();
    assert_eq!((few.sessions.len(), few.mails.len(), few.events.len()), (1, 1, 1));
    assert_eq!(few.events[0].time, at(7));
}
