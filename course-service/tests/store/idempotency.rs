//! A key gives the first answer again for a day, to the same input alone.

use std::convert::Infallible;

use chrono::TimeDelta;
use course_service::{
    model::course::Course,
    store::{Changed, Created},
};
use service_runtime::database::idempotency::Once;

use crate::{
    samples::{course, minute, person, read, stored},
    support::{Place, on_both},
};

on_both![
    a_retry_creates_nothing_and_gets_the_first_answer,
    other_input_is_refused,
    a_failed_call_leaves_its_key_free,
    a_retry_changes_nothing_and_gets_the_first_answer,
    a_change_of_nothing_is_remembered_without_a_new_version,
    old_answers_are_forgotten,
];

fn once(key: &str, input: &str) -> Once {
    Once {
        scope: "Create ann".to_owned(),
        key: key.to_owned(),
        fingerprint: input.as_bytes().to_vec(),
        former: Vec::new(),
    }
}

fn created(created: Created) -> Course {
    match created {
        Created::Done(course) => *course,
        other => panic!("{other:?}"),
    }
}

async fn a_retry_creates_nothing_and_gets_the_first_answer(place: &Place) {
    let key = once("k", "rust");
    let first = created(
        place
            .store
            .create(course("Rust"), Some(&key), minute(0))
            .await
            .unwrap(),
    );
    let retry = created(
        place
            .store
            .create(course("Rust"), Some(&key), minute(1))
            .await
            .unwrap(),
    );
    assert_eq!(retry, first);
    assert_eq!(read(&place.store, "rust-2").await, None);
}

async fn other_input_is_refused(place: &Place) {
    place
        .store
        .create(course("Rust"), Some(&once("k", "rust")), minute(0))
        .await
        .unwrap();
    let other = place
        .store
        .create(course("Go"), Some(&once("k", "go")), minute(1))
        .await
        .unwrap();
    assert!(matches!(other, Created::KeyReused), "{other:?}");
    assert_eq!(read(&place.store, "go").await, None);
}

async fn a_failed_call_leaves_its_key_free(place: &Place) {
    stored(&place.store, course("Rust")).await;
    let key = once("k", "rust");
    let taken = place
        .store
        .create(course("Rust"), Some(&key), minute(0))
        .await
        .unwrap();
    assert!(matches!(taken, Created::TitleTaken), "{taken:?}");
    created(
        place
            .store
            .create(course("Go"), Some(&once("k", "go")), minute(0))
            .await
            .unwrap(),
    );
}

async fn a_retry_changes_nothing_and_gets_the_first_answer(place: &Place) {
    let course = stored(&place.store, course("Rust")).await;
    let key = once("k", "bob");
    let bob = person("bob");
    let mut answers = Vec::new();
    for time in [1, 2] {
        let rule = |course: &mut Course| {
            course.add_instructor(bob.clone());
            Ok::<_, Infallible>(())
        };
        match place
            .store
            .change(course.id, Some(&key), minute(time), rule)
            .await
            .unwrap()
        {
            Changed::Done(course) => answers.push(course),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(read(&place.store, "rust").await.unwrap().instructors.len(), 2);
}

async fn a_change_of_nothing_is_remembered_without_a_new_version(place: &Place) {
    let course = stored(&place.store, course("Rust")).await;
    let key = once("k", "nothing");
    let rule = |_: &mut Course| Ok::<_, Infallible>(());
    place
        .store
        .change(course.id, Some(&key), minute(1), rule)
        .await
        .unwrap();
    assert_eq!(read(&place.store, "rust").await.unwrap(), course);
    let reused = place
        .store
        .change(course.id, Some(&once("k", "other")), minute(1), rule)
        .await
        .unwrap();
    assert!(matches!(reused, Changed::KeyReused), "{reused:?}");
}

async fn old_answers_are_forgotten(place: &Place) {
    for (key, time) in [("a", 0), ("b", 1), ("c", 2)] {
        let name = format!("Rust {key}");
        place
            .store
            .create(course(&name), Some(&once(key, key)), minute(time))
            .await
            .unwrap();
    }
    let a_day_later = minute(1) + TimeDelta::hours(24);
    assert_eq!(place.store.forget_old_answers(a_day_later, 1).await.unwrap(), 1);
    assert_eq!(place.store.forget_old_answers(a_day_later, 10).await.unwrap(), 1);
    assert_eq!(place.store.forget_old_answers(a_day_later, 10).await.unwrap(), 0);
    // A key that is too old counts as new, forgotten or not.
    let much_later = minute(2) + TimeDelta::hours(25);
    created(
        place
            .store
            .create(course("Go"), Some(&once("c", "go")), much_later)
            .await
            .unwrap(),
    );
}
