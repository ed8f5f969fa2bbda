//! While auth-service is down anonymous reads go on; whatever needs rights waits, and nothing is let through.

use std::time::{Duration, Instant};

use proto::course::v1::{Course, ListCoursesRequest};
use tonic::Code;

use crate::{
    caller::{Caller, Refused},
    fake_auth::Mood,
    support::{Place, on_both},
    world::World,
};

on_both![
    anonymous_reads_go_on_and_rights_wait,
    nothing_listening_is_the_same,
    a_slow_answer_is_no_answer,
    names_are_asked_for_before_anything_is_written,
    anonymous_calls_ask_nobody,
    the_request_id_goes_along,
];

fn is_wait(refused: &Refused) {
    assert_eq!(refused.what(), (Code::Unavailable, "AUTH_UNAVAILABLE"));
    assert!(refused.retry_after.is_some_and(|after| after > Duration::ZERO));
    assert!(!refused.message.contains("SELECT"));
}

async fn reads(caller: &Caller) -> [Result<(), Refused>; 3] {
    [
        caller.get("rust").await.map(|_| ()),
        caller
            .list_courses(ListCoursesRequest::default())
            .await
            .map(|_| ()),
        caller.instructors("rust").await.map(|_| ()),
    ]
}

async fn writes(caller: &Caller) -> [Result<(), Refused>; 4] {
    [
        caller.create("Go").await.map(|_| ()),
        caller
            .update(
                "rust",
                &["title"],
                Course {
                    title: "Go".to_owned(),
                    ..Course::default()
                },
            )
            .await
            .map(|_| ()),
        caller.add("rust", caller.id).await.map(|_| ()),
        caller.remove("rust", caller.id).await,
    ]
}

async fn anonymous_reads_go_on_and_rights_wait(place: &Place) {
    let world = World::at(place).await;
    let (ann, ben) = (world.staff("ann"), world.user("ben"));
    ann.create("Rust").await.unwrap();
    let before = ann.publish("rust").await.unwrap();
    for mood in [Mood::Unavailable, Mood::Busy, Mood::Distrustful, Mood::Broken] {
        world.auth.feel(mood);
        for read in reads(&world.anyone()).await {
            read.unwrap();
        }
        for write in writes(&world.anyone()).await {
            assert_eq!(
                write.unwrap_err().what(),
                (Code::Unauthenticated, "TOKEN_REQUIRED")
            );
        }
        for caller in [&ann, &ben, &world.impostor()] {
            for read in reads(caller).await {
                is_wait(&read.unwrap_err());
            }
            for write in writes(caller).await {
                is_wait(&write.unwrap_err());
            }
        }
    }
    world.auth.feel(Mood::Well);
    assert_eq!(ann.get("rust").await.unwrap(), before);
    ann.create("Go").await.unwrap();
}

async fn nothing_listening_is_the_same(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.create("Rust").await.unwrap();
    ann.publish("rust").await.unwrap();
    let cut_off = World::without_auth(place).await;
    for read in reads(&cut_off.anyone()).await {
        read.unwrap();
    }
    let bob = cut_off.staff("bob");
    for read in reads(&bob).await {
        is_wait(&read.unwrap_err());
    }
    for write in writes(&bob).await {
        is_wait(&write.unwrap_err());
    }
}

async fn a_slow_answer_is_no_answer(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    world.auth.feel(Mood::Asleep);
    let begun = Instant::now();
    is_wait(&ann.create("Rust").await.unwrap_err());
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

async fn names_are_asked_for_before_anything_is_written(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.create("Rust").await.unwrap();
    let calls = world.auth.calls();
    ann.create("Go").await.unwrap();
    // One question for the rights, one for the names: constant, whatever the course.
    assert_eq!(world.auth.calls() - calls, 2);
}

async fn anonymous_calls_ask_nobody(place: &Place) {
    let world = World::at(place).await;
    let _ = reads(&world.anyone()).await;
    let _ = writes(&world.anyone()).await;
    assert_eq!(world.auth.calls(), 0);
}

async fn the_request_id_goes_along(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    let mut request = ann.request(ListCoursesRequest::default());
    request
        .metadata_mut()
        .insert("x-request-id", "from-the-caller".parse().unwrap());
    ann.client.clone().list_courses(request).await.unwrap();
    assert_eq!(world.auth.last_request_id().as_deref(), Some("from-the-caller"));
}
