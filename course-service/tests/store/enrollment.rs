//! Enrolments are one for a person and a course, and the course counts them.

use std::convert::Infallible;

use chrono::{DateTime, TimeDelta, Utc};
use course_service::{
    model::{
        course::Course,
        enrollment::{Enrollment, EnrollmentState, IsNew},
        payment::PaymentReference,
        price::Price,
        state::State,
    },
    store::{Changed, Confirmed, Enrolled},
};
use service_runtime::entropy::Entropy;
use uuid::Uuid;

use crate::{
    samples::{course, minute, nobody, read, stored},
    support::{Place, on_both},
};

on_both![
    an_enrolment_is_found_as_it_was_stored,
    a_course_that_changed_meanwhile_is_not_sold_as_it_was,
    enrolments_of_one_moment_have_an_order,
    a_course_is_purged_after_its_enrolments_and_no_payment_is,
];

fn new_id() -> Uuid {
    Entropy::default().new_id(minute(0)).unwrap()
}

fn reference(text: &str) -> PaymentReference {
    PaymentReference::parse(text).unwrap()
}

async fn published(place: &Place, name: &str, price: &str) -> Course {
    let mut course = course(name);
    course.price = Price::parse(price).unwrap();
    course.state = State::Published;
    stored(&place.store, course).await
}

async fn enroll(place: &Place, course: &Course, student: Uuid, now: DateTime<Utc>) -> Enrolled {
    let enrolled = place.store.enroll(new_id(), course, student, None, now);
    enrolled.await.unwrap()
}

fn done(enrolled: Enrolled) -> Enrollment {
    match enrolled {
        Enrolled::Done(enrollment, IsNew(true)) => *enrollment,
        other => panic!("{other:?}"),
    }
}

/// Changes a course in the database.
async fn change(place: &Place, id: Uuid, change: impl Fn(&mut Course)) {
    let rule = |course: &mut Course| {
        change(course);
        Ok::<_, Infallible>(())
    };
    let changed = place.store.change(id, None, minute(5), rule).await.unwrap();
    assert!(matches!(changed, Changed::Done(_)));
}

async fn an_enrolment_is_found_as_it_was_stored(place: &Place) {
    let (course, student) = (published(place, "Rust", "10.99").await, new_id());
    let enrolled = done(enroll(place, &course, student, minute(1)).await);
    let expected = Enrollment {
        id: enrolled.id,
        slug: course.slug.clone(),
        title: course.title.clone(),
        student_id: student,
        state: EnrollmentState::Pending,
        price: course.price,
        currency: course.currency.clone(),
        enrolled_at: minute(1),
        updated_at: minute(1),
    };
    assert_eq!(enrolled, expected);
    let of_course = place.store.students(course.id, None, 10).await.unwrap();
    let own = place.store.enrollments_of(student, None, 10).await.unwrap();
    assert_eq!(
        (&of_course[..], &own[..]),
        (&[expected.clone()][..], &[expected][..])
    );
    assert_eq!(place.store.students(nobody(), None, 10).await.unwrap(), []);
    let state = place.store.enrollment_state(course.id, student).await.unwrap();
    assert_eq!(state, Some(EnrollmentState::Pending));
    let none = place.store.enrollment_state(course.id, nobody()).await.unwrap();
    assert_eq!(none, None);
    let absent = place
        .store
        .confirm(course.id, nobody(), &reference("INV-1"), minute(2))
        .await
        .unwrap();
    assert_eq!(absent, Confirmed::Absent);
    assert!(!place.store.cancel(course.id, nobody(), minute(2)).await.unwrap());
}

async fn a_course_that_changed_meanwhile_is_not_sold_as_it_was(place: &Place) {
    let (course, student) = (published(place, "Rust", "0.00").await, new_id());
    for worse in [
        |course: &mut Course| course.price = Price::parse("5.00").unwrap(),
        |course: &mut Course| course.state = State::Archived,
        |course: &mut Course| course.state = State::Draft,
        |course: &mut Course| course.deleted_at = Some(minute(5)),
    ] {
        change(place, course.id, worse).await;
        let refused = enroll(place, &course, student, minute(6)).await;
        assert_eq!(refused, Enrolled::NotOpen);
        assert_eq!(
            place.store.enrollments_of(student, None, 10).await.unwrap(),
            [],
            "nothing is written"
        );
        change(place, course.id, |now| {
            now.price = course.price;
            now.state = course.state;
            now.deleted_at = None;
        })
        .await;
    }
    // Whatever else changed keeps nobody out.
    change(place, course.id, |course| {
        course.description =
            course_service::model::description::Description::parse("New".to_owned()).unwrap();
    })
    .await;
    done(enroll(place, &course, student, minute(7)).await);
    assert_eq!(read(&place.store, "rust").await.unwrap().student_count, 1);
}

async fn enrolments_of_one_moment_have_an_order(place: &Place) {
    let course = published(place, "Rust", "0.00").await;
    let mut all = Vec::new();
    for number in 0..7 {
        // Four of one moment, three of the moment after.
        let moment = minute(1) + TimeDelta::microseconds(number / 4);
        let enrolled = done(enroll(place, &course, new_id(), moment).await);
        all.push((enrolled.enrolled_at, enrolled.id));
    }
    all.sort_unstable();
    all.reverse();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = place.store.students(course.id, after, 2).await.unwrap();
        seen.extend(page.iter().map(|one| (one.enrolled_at, one.id)));
        after = page.last().map(|last| (last.enrolled_at, last.id));
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, all);
}

async fn a_course_is_purged_after_its_enrolments_and_no_payment_is(place: &Place) {
    let store = &place.store;
    let (gone, stays) = (
        published(place, "Rust", "5.00").await,
        published(place, "Go", "5.00").await,
    );
    let student = new_id();
    for course in [&gone, &stays] {
        done(enroll(place, course, student, minute(1)).await);
    }
    done(enroll(place, &gone, new_id(), minute(1)).await);
    let paid = store
        .confirm(gone.id, student, &reference("INV-1"), minute(2))
        .await;
    assert!(matches!(paid.unwrap(), Confirmed::Done(_)));
    change(place, gone.id, |course| course.deleted_at = Some(minute(5))).await;
    let other = new_id();
    done(enroll(place, &stays, other, minute(3)).await);
    assert_eq!(store.purge_enrollments(minute(5), 10).await.unwrap(), 0);
    // In small steps, so that a course with many students holds up nobody; the course comes last.
    for limit in [1, 9] {
        assert_eq!(store.purge_deleted(minute(6), 10).await.unwrap(), 0);
        assert_eq!(store.purge_enrollments(minute(6), limit).await.unwrap(), 1);
    }
    assert_eq!(store.purge_deleted(minute(6), 10).await.unwrap(), 1);
    let left: Vec<_> = store.enrollment_ids(student, 10).await.unwrap();
    assert_eq!(left.len(), 1);
    let again = store
        .confirm(stays.id, student, &reference("INV-1"), minute(7))
        .await;
    assert_eq!(again.unwrap(), Confirmed::ReferenceUsed);
}
