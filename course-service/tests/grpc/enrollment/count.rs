//! A course counts its students, whatever happens at once, and is edited none the less.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use futures::future::join_all;
use proto::course::v1::{Course, EnrollmentState};
use tonic::Code;

use super::counted;
use crate::{
    caller::Caller,
    support::{Place, on_both},
    world::World,
};
use EnrollmentState::Active;

on_both![
    who_enrols_makes_no_other_version,
    enrolling_at_once_is_one_enrolment,
    a_course_is_edited_while_people_enrol,
    the_number_of_students_is_true_whatever_happens_at_once,
];

async fn who_enrols_makes_no_other_version(place: &Place) {
    let world = World::at(place).await;
    let (ann, sam) = (world.staff("ann"), world.user("sam"));
    let before = ann.published("Rust", "0.00").await.unwrap();
    sam.enroll("rust").await.unwrap();
    let after = ann.get("rust").await.unwrap();
    // Whoever has the course in a cache is told of the new number.
    assert_ne!(before.etag, after.etag);
    let expected = Course {
        student_count: 1,
        etag: after.etag.clone(),
        ..before.clone()
    };
    assert_eq!(after, expected);
    // Whoever was editing it meanwhile loses nothing.
    let subtitled = |etag: &str, subtitle: &str| {
        let course = Course {
            subtitle: Some(subtitle.to_owned()),
            ..Course::default()
        };
        let mut message = crate::world::update("rust", &["subtitle"], course);
        message.etag = etag.to_owned();
        message
    };
    ann.update_course(subtitled(&before.etag, "One")).await.unwrap();
    for old in [&before.etag, &after.etag] {
        let refused = ann.update_course(subtitled(old, "Two")).await.unwrap_err();
        assert_eq!(refused.what(), (Code::Aborted, "ETAG_MISMATCH"), "{old}");
    }
    let current = ann.get("rust").await.unwrap();
    for no_version in [
        format!("{}x", current.etag.replace('.', "x.")),
        ".".to_owned(),
        ".1".to_owned(),
    ] {
        let refused = ann
            .update_course(subtitled(&no_version, "Two"))
            .await
            .unwrap_err();
        assert_eq!(refused.what(), (Code::Aborted, "ETAG_MISMATCH"), "{no_version}");
    }
    // As etags were before there was a number in them.
    let (version, _) = current.etag.split_once('.').unwrap();
    let current = ann.update_course(subtitled(version, "Two")).await.unwrap();
    let elevated = world.with_second_factor(&ann, TimeDelta::zero());
    sam.cancel("rust").await.unwrap();
    elevated.delete("rust", &current.etag).await.unwrap();
}

async fn enrolling_at_once_is_one_enrolment(place: &Place) {
    let world = World::at(place).await;
    let (ann, sam) = (world.staff("ann"), world.user("sam"));
    for round in 0..10 {
        let slug = ann
            .published(&format!("Course {round}"), "0.00")
            .await
            .unwrap()
            .slug;
        let all = join_all((0..16).map(|_| sam.enroll_once(&slug, ""))).await;
        let all: Vec<_> = all.into_iter().map(Result::unwrap).collect();
        let ids: BTreeSet<_> = all.iter().map(|(enrolled, _)| &enrolled.id).collect();
        assert_eq!(ids.len(), 1, "round {round}");
        let new = all.iter().filter(|(_, is_new)| *is_new).count();
        assert_eq!(new, 1, "round {round}");
        assert_eq!(counted(&ann, &slug).await, 1, "round {round}");
    }
}

async fn a_course_is_edited_while_people_enrol(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob) = (world.staff("ann"), world.staff("bob"));
    ann.published("Rust", "0.00").await.unwrap();
    let people = (0..10).map(|number| world.user(&format!("user-{number}")));
    let people: Vec<_> = people.collect();
    let come_and_go = people.iter().map(async |student| {
        for _ in 0..6 {
            student.enroll("rust").await.unwrap();
            student.cancel("rust").await.unwrap();
        }
        student.enroll("rust").await.unwrap();
    });
    let edit = async {
        for number in 0..20 {
            let course = Course {
                title: format!("Rust {number}"),
                ..Course::default()
            };
            ann.update("rust", &["title"], course).await.unwrap();
            ann.add("rust", bob.id).await.unwrap();
            ann.remove("rust", bob.id).await.unwrap();
        }
    };
    tokio::join!(join_all(come_and_go), edit);
    let course = ann.get("rust").await.unwrap();
    assert_eq!((course.student_count, &*course.title), (10, "Rust 19"));
}

async fn the_number_of_students_is_true_whatever_happens_at_once(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob) = (world.staff("ann"), world.staff("bob"));
    ann.published("Rust", "0.00").await.unwrap();
    let students: Vec<_> = (0..12)
        .map(|number| world.user(&format!("user-{number}")))
        .collect();
    let come_and_go = async |number: usize, student: &Caller| {
        for step in 0..8 {
            let done = match (number + step) % 3 {
                0 => student.cancel("rust").await,
                _ => student.enroll("rust").await.map(drop),
            };
            if let Err(refused) = done {
                let may_be = ["ENROLLMENT_NOT_FOUND", "LOST_RACE"];
                assert!(may_be.contains(&&*refused.reason), "{refused:?}");
            }
        }
    };
    let change_the_price = async || {
        for step in 0..8 {
            let price = Course {
                price: if step % 2 == 0 { "1.00" } else { "0.00" }.to_owned(),
                is_free: step % 2 == 1,
                ..Course::default()
            };
            ann.update("rust", &["price", "is_free"], price).await.unwrap();
        }
    };
    let confirm = async || {
        let mut confirmed = 0;
        for step in 0..4 {
            for (number, student) in students.iter().enumerate() {
                match bob
                    .confirm("rust", student.id, &format!("INV-{step}-{number}"))
                    .await
                {
                    Ok(_) => confirmed += 1,
                    Err(refused) => {
                        let may_be = ["ENROLLMENT_NOT_FOUND", "ENROLLMENT_NOT_PENDING"];
                        assert!(may_be.contains(&&*refused.reason), "{refused:?}");
                    }
                }
            }
        }
        confirmed
    };
    let all = students.iter().enumerate();
    let all = join_all(all.map(|(number, student)| come_and_go(number, student)));
    let (_, (), confirmed) = tokio::join!(all, change_the_price(), confirm());
    let listed = ann.students("rust").await.unwrap();
    let active = listed.iter().filter(|(_, state)| *state == Active).count();
    assert_eq!(
        usize::try_from(counted(&ann, "rust").await).unwrap(),
        active,
        "{listed:?}, {confirmed} confirmed"
    );
    assert!(listed.len() <= students.len());
}
