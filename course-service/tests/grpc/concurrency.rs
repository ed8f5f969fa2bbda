//! Many at once: each race has exactly the winners it should have, round after round.

use std::{collections::BTreeSet, convert::Infallible, time::Duration};

use course_service::model;
use futures::future::join_all;
use proto::course::v1::{Course, CreateCourseRequest, UpdateCourseRequest};
use service_runtime::clock::Clock;
use tokio::{sync::oneshot, task::JoinSet};
use tonic::Code;

use crate::{
    caller::{Caller, Refused},
    support::{Place, on_both},
    world::{World, new_course, update},
};

on_both![
    fifty_creates_of_one_title_make_one_course,
    twenty_updates_with_one_etag_have_one_winner,
    updates_without_an_etag_all_count,
    titles_with_one_slug_base_get_their_own_slugs,
    the_last_two_instructors_cannot_both_leave,
    who_left_meanwhile_is_not_added_unasked,
    one_key_creates_one_course,
    one_instructor_added_by_many_is_there_once,
    one_slug_wanted_by_many_goes_to_one,
];

const ROUNDS: usize = 5;

/// Splits answers into what was done and why the rest was not.
fn split<T>(answers: Vec<Result<T, Refused>>) -> (Vec<T>, Vec<Refused>) {
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    for answer in answers {
        match answer {
            Ok(answer) => done.push(answer),
            Err(refusal) => refused.push(refusal),
        }
    }
    (done, refused)
}

fn all_are(refused: &[Refused], count: usize, what: (Code, &str)) {
    assert_eq!(refused.len(), count);
    for refusal in refused {
        assert_eq!(refusal.what(), what);
    }
}

async fn fifty_creates_of_one_title_make_one_course(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    for round in 0..ROUNDS {
        let title = format!("Rust {round}");
        let creates = (0..50).map(|_| ann.create(&title));
        let (done, refused) = split(join_all(creates).await);
        assert_eq!(done.len(), 1);
        all_are(&refused, 49, (Code::AlreadyExists, "TITLE_TAKEN"));
        assert_eq!(done[0].slug, format!("rust-{round}"));
    }
}

async fn twenty_updates_with_one_etag_have_one_winner(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    let mut course = ann.create("Rust").await.unwrap();
    for round in 0..ROUNDS {
        let updates = (0..20).map(|number| {
            let wanted = Course {
                description: format!("{round} {number}"),
                ..Course::default()
            };
            ann.update_course(UpdateCourseRequest {
                etag: course.etag.clone(),
                ..update("rust", &["description"], wanted)
            })
        });
        let (done, refused) = split(join_all(updates).await);
        assert_eq!(done.len(), 1);
        all_are(&refused, 19, (Code::Aborted, "ETAG_MISMATCH"));
        course = ann.get("rust").await.unwrap();
        assert_eq!(course, done[0]);
    }
}

async fn updates_without_an_etag_all_count(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.create("Rust").await.unwrap();
    for _ in 0..ROUNDS {
        // Price and free are settled against the course as it is: whatever comes last, they agree.
        let updates = (0..12).map(|number| {
            let wanted = match number % 3 {
                0 => (
                    &["is_free"][..],
                    Course {
                        is_free: true,
                        ..Course::default()
                    },
                ),
                1 => (
                    &["price"][..],
                    Course {
                        price: "5".to_owned(),
                        ..Course::default()
                    },
                ),
                _ => (
                    &["subtitle"][..],
                    Course {
                        subtitle: Some("x".to_owned()),
                        ..Course::default()
                    },
                ),
            };
            let ann = ann.clone();
            async move { ann.update("rust", wanted.0, wanted.1).await }
        });
        for course in join_all(updates).await {
            let course = course.unwrap();
            assert_eq!(course.is_free, course.price == "0.00", "{course:?}");
        }
        assert_eq!(ann.get("rust").await.unwrap().subtitle.as_deref(), Some("x"));
    }
}

async fn titles_with_one_slug_base_get_their_own_slugs(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    for round in 0..ROUNDS {
        let titles: Vec<String> = (0..20)
            .map(|number| format!("Rust{round}{}", "!".repeat(number)))
            .collect();
        let (done, refused) = split(join_all(titles.iter().map(|title| ann.create(title))).await);
        assert_eq!(refused, []);
        let slugs: BTreeSet<_> = done.into_iter().map(|course| course.slug).collect();
        let numbered = (2..=20).map(|number| format!("rust{round}-{number}"));
        assert_eq!(slugs, numbered.chain([format!("rust{round}")]).collect());
    }
}

async fn the_last_two_instructors_cannot_both_leave(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob) = (world.staff("ann"), world.staff("bob"));
    for round in 0..2 * ROUNDS {
        let slug = ann.create(&format!("Rust {round}")).await.unwrap().slug;
        ann.add(&slug, bob.id).await.unwrap();
        let leave = async |caller: &Caller| caller.remove(&slug, caller.id).await;
        let (first, second) = futures::join!(leave(&ann), leave(&bob));
        let (done, refused) = split(vec![first, second]);
        assert_eq!(done.len(), 1, "{refused:?}");
        assert_eq!(refused[0].what(), (Code::FailedPrecondition, "LAST_INSTRUCTOR"));
        assert_eq!(ann.instructors(&slug).await.unwrap().len(), 1);
    }
}

async fn who_left_meanwhile_is_not_added_unasked(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob) = (world.staff("ann"), world.staff("bob"));
    let course = ann.create("Rust").await.unwrap();
    ann.add("rust", bob.id).await.unwrap();
    world.auth.change(bob.id, |user| user.is_staff = false);
    let (begun, leaving) = oneshot::channel();
    let (go_on, rest) = std::sync::mpsc::channel();
    let leave = move |course: &mut model::course::Course| {
        begun.send(()).unwrap();
        // Until the other call has seen the course as it was, and waits for this one.
        tokio::task::block_in_place(|| rest.recv()).unwrap();
        course.instructors.retain(|one| one.person.id != bob.id);
        Ok::<_, Infallible>(())
    };
    let (store, id) = (place.store.clone(), course.id.parse().unwrap());
    let mut other = JoinSet::new();
    other.spawn(async move { store.change(id, None, Clock::system().now(), leave).await });
    leaving.await.unwrap();
    let release = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        go_on.send(()).unwrap();
    };
    let (added, ()) = futures::join!(ann.add("rust", bob.id), release);
    other.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(added.unwrap_err().what(), (Code::Aborted, "LOST_RACE"));
    assert_eq!(ann.instructors("rust").await.unwrap(), ["ann"]);
}

async fn one_key_creates_one_course(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    for round in 0..ROUNDS {
        let message = CreateCourseRequest {
            request_id: format!("key-{round}"),
            ..new_course(&format!("Rust {round}"))
        };
        let creates = (0..16).map(|_| ann.create_course(message.clone()));
        let (done, refused) = split(join_all(creates).await);
        assert_eq!(refused, []);
        assert!(done.iter().all(|course| *course == done[0]));
    }
}

async fn one_instructor_added_by_many_is_there_once(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob) = (world.staff("ann"), world.staff("bob"));
    for round in 0..ROUNDS {
        let slug = ann.create(&format!("Rust {round}")).await.unwrap().slug;
        let (done, refused) = split(join_all((0..16).map(|_| ann.add(&slug, bob.id))).await);
        assert_eq!((done.len(), refused), (16, vec![]));
        assert_eq!(ann.instructors(&slug).await.unwrap(), ["ann", "bob"]);
    }
}

async fn one_slug_wanted_by_many_goes_to_one(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    for round in 0..ROUNDS {
        let mut slugs = Vec::new();
        for number in 0..8 {
            slugs.push(
                ann.create(&format!("Course {round} {number}"))
                    .await
                    .unwrap()
                    .slug,
            );
        }
        let wanted = Course {
            slug: format!("wanted-{round}"),
            ..Course::default()
        };
        let updates = slugs
            .iter()
            .map(|slug| ann.update(slug, &["slug"], wanted.clone()));
        let (done, refused) = split(join_all(updates).await);
        assert_eq!(done.len(), 1);
        all_are(&refused, 7, (Code::AlreadyExists, "SLUG_TAKEN"));
    }
}
