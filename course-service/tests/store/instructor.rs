//! The index of instructors is true to the courses.

use std::convert::Infallible;

use course_service::{
    model::{course::Course, instructor::Person},
    store::Changed,
};
use uuid::Uuid;

use crate::{
    samples::{course_by, minute, person, read, stored},
    support::{Place, on_both},
};

on_both![
    who_teaches_is_found_by_course_and_by_user,
    those_who_leave_are_found_no_longer,
    positions_are_not_used_twice,
    names_that_differ_between_courses_are_a_doubt,
    names_are_not_settled_while_others_are_written,
    people_and_their_courses_come_in_pages,
    those_who_teach_nothing_are_forgotten,
];

async fn change(place: &Place, id: Uuid, rule: impl FnOnce(&mut Course)) -> Course {
    let rule = |course: &mut Course| {
        rule(course);
        Ok::<_, Infallible>(())
    };
    match place.store.change(id, None, minute(1), rule).await.unwrap() {
        Changed::Done(course) => *course,
        other => panic!("{other:?}"),
    }
}

fn names(course: &Course) -> Vec<&str> {
    let names = course.instructors.iter();
    names
        .map(|instructor| instructor.person.first_name.as_str())
        .collect()
}

async fn who_teaches_is_found_by_course_and_by_user(place: &Place) {
    let (ann, bob) = (person("ann"), person("bob"));
    let rust = stored(&place.store, course_by(ann.clone(), "Rust")).await;
    change(place, rust.id, |course| course.add_instructor(bob.clone())).await;
    assert_eq!(names(&read(&place.store, "rust").await.unwrap()), ["ann", "bob"]);
    for user in [&ann, &bob] {
        assert_eq!(place.store.taught_by(user.id, None, 10).await.unwrap(), [rust.id]);
    }
    let mut people = people(place).await;
    people.sort_by(|a, b| a.first_name.cmp(&b.first_name));
    assert_eq!(people, [ann, bob]);
}

async fn those_who_leave_are_found_no_longer(place: &Place) {
    let (ann, bob) = (person("ann"), person("bob"));
    let rust = stored(&place.store, course_by(ann.clone(), "Rust")).await;
    change(place, rust.id, |course| course.add_instructor(bob.clone())).await;
    change(place, rust.id, |course| {
        course.instructors.retain(|one| one.person.id != ann.id)
    })
    .await;
    assert_eq!(names(&read(&place.store, "rust").await.unwrap()), ["bob"]);
    assert!(place.store.taught_by(ann.id, None, 10).await.unwrap().is_empty());
    assert_eq!(place.store.taught_by(bob.id, None, 10).await.unwrap(), [rust.id]);
}

async fn positions_are_not_used_twice(place: &Place) {
    let rust = stored(&place.store, course_by(person("ann"), "Rust")).await;
    for name in ["bob", "cy"] {
        change(place, rust.id, |course| course.add_instructor(person(name))).await;
    }
    change(place, rust.id, |course| drop(course.instructors.remove(1))).await;
    change(place, rust.id, |course| drop(course.instructors.pop())).await;
    let course = change(place, rust.id, |course| course.add_instructor(person("dee"))).await;
    let positions: Vec<_> = course.instructors.iter().map(|one| one.position).collect();
    assert_eq!((names(&course), positions), (vec!["ann", "dee"], vec![1, 6]));
}

/// Who teaches, without the doubts about their names.
async fn people(place: &Place) -> Vec<Person> {
    let known = place.store.people(None, 10).await.unwrap();
    known.into_iter().map(|known| known.person).collect()
}

async fn doubts(place: &Place) -> i64 {
    place.store.people(None, 10).await.unwrap()[0].doubts
}

fn renamed(person: &Person) -> Person {
    Person {
        first_name: "Anna".to_owned(),
        ..person.clone()
    }
}

async fn names_that_differ_between_courses_are_a_doubt(place: &Place) {
    let ann = person("ann");
    stored(&place.store, course_by(ann.clone(), "Rust")).await;
    stored(&place.store, course_by(ann.clone(), "C")).await;
    assert_eq!(doubts(place).await, 0);
    stored(&place.store, course_by(renamed(&ann), "Go")).await;
    assert_eq!((people(place).await, doubts(place).await), (vec![ann.clone()], 1));
    let expected = place.store.expect_names(&renamed(&ann)).await.unwrap();
    assert_eq!(people(place).await, [renamed(&ann)]);
    place.store.settle_names(ann.id, expected).await.unwrap();
    assert_eq!(doubts(place).await, 0);
}

async fn names_are_not_settled_while_others_are_written(place: &Place) {
    let ann = person("ann");
    stored(&place.store, course_by(ann.clone(), "Rust")).await;
    let expected = place.store.expect_names(&renamed(&ann)).await.unwrap();
    stored(&place.store, course_by(ann.clone(), "Go")).await;
    place.store.settle_names(ann.id, expected).await.unwrap();
    assert!(doubts(place).await > 0);
    assert_eq!(place.store.expect_names(&person("nobody")).await.unwrap(), 0);
}

async fn people_and_their_courses_come_in_pages(place: &Place) {
    let ann = person("ann");
    let mut courses = Vec::new();
    for name in ["Rust", "Go", "C"] {
        courses.push(stored(&place.store, course_by(ann.clone(), name)).await.id);
        stored(&place.store, course_by(person("bob"), &format!("{name} by Bob"))).await;
    }
    courses.sort();
    let first = place.store.taught_by(ann.id, None, 2).await.unwrap();
    let rest = place
        .store
        .taught_by(ann.id, first.last().copied(), 2)
        .await
        .unwrap();
    assert_eq!([first, rest].concat(), courses);

    let first = place.store.people(None, 3).await.unwrap();
    let rest = place
        .store
        .people(first.last().map(|last| last.person.id), 3)
        .await
        .unwrap();
    assert_eq!((first.len(), rest.len()), (3, 1));
    assert!(
        first
            .iter()
            .chain(&rest)
            .is_sorted_by_key(|known| known.person.id)
    );
}

async fn those_who_teach_nothing_are_forgotten(place: &Place) {
    let (ann, bob) = (person("ann"), person("bob"));
    let rust = stored(&place.store, course_by(ann.clone(), "Rust")).await;
    change(place, rust.id, |course| course.add_instructor(bob.clone())).await;
    assert_eq!(place.store.forget_former_instructors().await.unwrap(), 0);
    change(place, rust.id, |course| {
        course.instructors.retain(|one| one.person.id != ann.id)
    })
    .await;
    assert_eq!(place.store.forget_former_instructors().await.unwrap(), 1);
    assert_eq!(people(place).await, [bob]);
}
