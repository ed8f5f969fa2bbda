//! Courses are found as they were stored, and change one at a time.

use std::convert::Infallible;

use course_service::{
    model::{course::Course, description::Description, price::Price, state::State, subtitle::Subtitle},
    store::{Changed, Created, Error, Store},
};

use crate::{
    samples::{course, minute, nobody, read, stored, title},
    support::{Place, on_both},
};

on_both![
    the_database_answers,
    a_course_is_found_as_it_was_stored,
    a_title_is_taken_whatever_its_case,
    a_change_is_stored_and_counted,
    every_field_can_change,
    a_rule_that_changes_nothing_writes_nothing,
    a_refused_change_leaves_no_trace,
    a_course_that_is_not_there_cannot_change,
    a_title_cannot_be_taken_by_a_change,
    a_second_start_finds_what_was_stored,
];

fn allow(_: &mut Course) -> Result<(), Infallible> {
    Ok(())
}

fn done<E: std::fmt::Debug>(changed: Changed<E>) -> Course {
    match changed {
        Changed::Done(course) => *course,
        other => panic!("{other:?}"),
    }
}

async fn the_database_answers(place: &Place) {
    place.store.answers().await.unwrap();
    place.store.close().await;
    let gone = place.store.answers().await;
    assert!(matches!(gone, Err(Error::Unavailable(_))), "{gone:?}");
}

async fn a_course_is_found_as_it_was_stored(place: &Place) {
    let mut course = course("Привет, 'мир'; DROP TABLE courses --");
    course.subtitle = Subtitle::parse("%_\\").unwrap();
    course.state = State::Archived;
    let course = stored(&place.store, course).await;
    assert_eq!(
        read(&place.store, "privet-mir-drop-table-courses").await,
        Some(course)
    );
    assert_eq!(read(&place.store, "nothing").await, None);
}

async fn a_title_is_taken_whatever_its_case(place: &Place) {
    stored(&place.store, course("Été à Paris")).await;
    let again = place
        .store
        .create(course("ÉTÉ À PARIS"), None, minute(1))
        .await
        .unwrap();
    assert!(matches!(again, Created::TitleTaken), "{again:?}");
    // Nothing of it stays: the slug it would have got is free.
    assert_eq!(read(&place.store, "ete-a-paris-2").await, None);
    let other = stored(&place.store, course("Ete a Paris")).await;
    assert_eq!(other.slug.as_str(), "ete-a-paris-2");
}

async fn a_change_is_stored_and_counted(place: &Place) {
    let course = stored(&place.store, course("Rust")).await;
    let rule = |course: &mut Course| {
        course.price = Price::FREE;
        Ok::<_, Infallible>(())
    };
    let changed = done(
        place
            .store
            .change(course.id, None, minute(1), rule)
            .await
            .unwrap(),
    );
    assert_eq!((changed.revision, changed.updated_at), (2, minute(1)));
    assert_eq!(changed.created_at, course.created_at);
    assert_ne!(changed.etag(), course.etag());
    assert_eq!(read(&place.store, "rust").await, Some(changed));
}

async fn every_field_can_change(place: &Place) {
    let course = stored(&place.store, course("Rust")).await;
    let mut wanted = course.clone();
    wanted.title = title("Go");
    wanted.subtitle = Subtitle::parse("goes").unwrap();
    wanted.slug = crate::samples::slug("gopher");
    wanted.description = Description::parse("None of it.".to_owned()).unwrap();
    wanted.price = Price::parse("0.01").unwrap();
    wanted.state = State::Published;
    let rule = |course: &mut Course| {
        course.clone_from(&wanted);
        Ok::<_, Infallible>(())
    };
    done(
        place
            .store
            .change(course.id, None, minute(1), rule)
            .await
            .unwrap(),
    );
    wanted.revision = 2;
    wanted.updated_at = minute(1);
    assert_eq!(read(&place.store, "gopher").await, Some(wanted));
}

async fn a_rule_that_changes_nothing_writes_nothing(place: &Place) {
    let course = stored(&place.store, course("Rust")).await;
    let same = done(
        place
            .store
            .change(course.id, None, minute(1), allow)
            .await
            .unwrap(),
    );
    assert_eq!(same, course);
    assert_eq!(read(&place.store, "rust").await, Some(course));
}

async fn a_refused_change_leaves_no_trace(place: &Place) {
    let course = stored(&place.store, course("Rust")).await;
    let rule = |course: &mut Course| {
        course.title = title("Go");
        Err("no")
    };
    let refused = place
        .store
        .change(course.id, None, minute(1), rule)
        .await
        .unwrap();
    assert!(matches!(refused, Changed::Refused("no")), "{refused:?}");
    assert_eq!(read(&place.store, "rust").await, Some(course));
}

async fn a_course_that_is_not_there_cannot_change(place: &Place) {
    let absent = place
        .store
        .change(nobody(), None, minute(1), allow)
        .await
        .unwrap();
    assert!(matches!(absent, Changed::Absent), "{absent:?}");
}

async fn a_title_cannot_be_taken_by_a_change(place: &Place) {
    stored(&place.store, course("Rust")).await;
    let other = stored(&place.store, course("Go")).await;
    let to = |text: &'static str| {
        move |course: &mut Course| {
            course.title = title(text);
            Ok::<_, Infallible>(())
        }
    };
    let taken = place
        .store
        .change(other.id, None, minute(1), to("rUST"))
        .await
        .unwrap();
    assert!(matches!(taken, Changed::TitleTaken), "{taken:?}");
    assert_eq!(read(&place.store, "go").await, Some(other.clone()));
    // Its own title in another case is free for it.
    let own = place
        .store
        .change(other.id, None, minute(1), to("GO"))
        .await
        .unwrap();
    assert_eq!(done(own).title.as_str(), "GO");
}

async fn a_second_start_finds_what_was_stored(place: &Place) {
    let course = stored(&place.store, course("Rust")).await;
    let again = Store::connect(&place.url).await.unwrap();
    again.migrate().await.unwrap();
    assert_eq!(read(&again, "rust").await, Some(course));
}
