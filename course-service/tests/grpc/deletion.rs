//! Deleting a course, taking that back, and what everybody sees meanwhile.

use chrono::TimeDelta;
use futures::future::join_all;
use proto::course::v1::{Course, ListCoursesRequest};
use service_runtime::clock::Clock;
use tonic::Code;

use crate::{
    caller::{Caller, Refused},
    support::{Place, on_both},
    world::World,
};

on_both![
    a_deleted_course_is_there_for_nobody,
    a_deletion_is_taken_back_and_the_course_is_what_it_was,
    only_a_fresh_second_factor_deletes,
    the_second_factor_is_asked_only_of_those_who_may,
    the_version_must_be_named_and_be_the_current_one,
    a_deleted_course_keeps_its_title_and_slug,
    what_is_deleted_is_changed_by_nobody,
    one_of_many_deletes_wins_and_no_update_is_lost_in_it,
    deleting_and_taking_back_at_once_ends_in_one_of_the_two,
    names_follow_people_into_deleted_courses,
    after_thirty_days_it_is_gone_for_good,
    what_is_about_to_be_purged_cannot_be_had_back,
    former_slugs_lead_to_deleting_as_to_everything,
];

const STEP_UP: (Code, &str) = (Code::Unauthenticated, "INSUFFICIENT_USER_AUTHENTICATION");
const ABSENT: (Code, &str) = (Code::NotFound, "COURSE_NOT_FOUND");

/// An instructor with and without a fresh second factor, and their published course.
async fn teaching(world: &World) -> (Caller, Caller, Course) {
    let ann = world.staff("ann");
    ann.create("Rust").await.unwrap();
    let course = ann.publish("rust").await.unwrap();
    let fresh = world.with_second_factor(&ann, TimeDelta::seconds(10));
    (ann, fresh, course)
}

fn what<T: std::fmt::Debug>(answer: Result<T, Refused>) -> (Code, String) {
    let refused = answer.unwrap_err();
    (refused.code, refused.reason)
}

fn is(expected: (Code, &str)) -> (Code, String) {
    (expected.0, expected.1.to_owned())
}

async fn a_deleted_course_is_there_for_nobody(place: &Place) {
    let world = World::at(place).await;
    let (ann, fresh, course) = teaching(&world).await;
    fresh.delete("rust", &course.etag).await.unwrap();
    let bob = world.staff("bob");
    for caller in [&world.anyone(), &world.user("ben"), &bob, &ann, &fresh] {
        assert_eq!(what(caller.get("rust").await), is(ABSENT));
        assert_eq!(what(caller.instructors("rust").await), is(ABSENT));
        let taught = ListCoursesRequest {
            instructor: ann.id.to_string(),
            ..ListCoursesRequest::default()
        };
        let found = ListCoursesRequest {
            search: "rust".to_owned(),
            ..ListCoursesRequest::default()
        };
        for list in [ListCoursesRequest::default(), taught, found] {
            assert_eq!(caller.titles(list).await.unwrap(), Vec::<String>::new());
        }
    }
    assert_eq!(
        what(fresh.delete("rust", &course.etag).await),
        is(ABSENT),
        "repeated"
    );
}

async fn a_deletion_is_taken_back_and_the_course_is_what_it_was(place: &Place) {
    let world = World::at(place).await;
    let (ann, fresh, course) = teaching(&world).await;
    fresh.delete("rust", &course.etag).await.unwrap();
    // It is not there for staff who do not teach it.
    let bob = world.with_second_factor(&world.staff("bob"), TimeDelta::zero());
    assert_eq!(what(bob.undelete("rust", &course.etag).await), is(ABSENT));
    assert_eq!(what(ann.undelete("rust", &course.etag).await), is(STEP_UP));

    let restored = fresh.undelete("rust", &course.etag).await.unwrap();
    let expected = Course {
        etag: restored.etag.clone(),
        updated_at: restored.updated_at,
        ..course.clone()
    };
    assert_eq!(restored, expected);
    assert_ne!(restored.etag, course.etag, "what was read before is out of date");
    assert_eq!(world.anyone().get("rust").await.unwrap(), restored);
    assert_eq!(
        world
            .anyone()
            .titles(ListCoursesRequest::default())
            .await
            .unwrap(),
        ["Rust"]
    );
    // Repeated, as after a lost answer: nothing changes.
    assert_eq!(fresh.undelete("rust", &course.etag).await.unwrap(), restored);
}

async fn only_a_fresh_second_factor_deletes(place: &Place) {
    let world = World::at(place).await;
    let (ann, _, mut course) = teaching(&world).await;
    let stale = world.with_second_factor(&ann, TimeDelta::seconds(301));
    let refused = stale.delete("rust", &course.etag).await.unwrap_err();
    assert_eq!(refused.what(), STEP_UP);
    assert_eq!(refused.metadata["max_age"], "300");
    // The second one by a clock of auth-service that is ahead of ours.
    for ago in [TimeDelta::seconds(290), TimeDelta::seconds(-60)] {
        let caller = world.with_second_factor(&ann, ago);
        caller.delete("rust", &course.etag).await.unwrap();
        course = caller.undelete("rust", &course.etag).await.unwrap();
    }
}

async fn the_second_factor_is_asked_only_of_those_who_may(place: &Place) {
    let world = World::at(place).await;
    let (ann, _, course) = teaching(&world).await;
    let (bob, ben) = (world.staff("bob"), world.user("ben"));
    let denied = (Code::PermissionDenied, "INSTRUCTOR_REQUIRED");
    let unknown = (Code::Unauthenticated, "TOKEN_REQUIRED");
    for (caller, expected) in [
        (&world.anyone(), unknown),
        (&world.impostor(), (Code::Unauthenticated, "TOKEN_INVALID")),
        (&ben, denied),
        (&bob, denied),
        (&ann, STEP_UP),
    ] {
        assert_eq!(what(caller.delete("rust", &course.etag).await), is(expected));
        assert_eq!(what(caller.undelete("rust", &course.etag).await), is(expected));
    }
    assert_eq!(what(ann.delete("absent", &course.etag).await), is(ABSENT));
    // An instructor who is no longer staff is none.
    world.auth.change(ann.id, |user| user.is_staff = false);
    assert_eq!(what(ann.delete("rust", &course.etag).await), is(denied));
}

async fn the_version_must_be_named_and_be_the_current_one(place: &Place) {
    let world = World::at(place).await;
    let (_, fresh, course) = teaching(&world).await;
    let required = (Code::FailedPrecondition, "ETAG_REQUIRED");
    let mismatch = (Code::Aborted, "ETAG_MISMATCH");
    assert_eq!(what(fresh.delete("rust", "").await), is(required));
    assert_eq!(what(fresh.undelete("rust", "").await), is(required));
    for other in ["1-0", "\u{1f980}", &"x".repeat(10_000)] {
        assert_eq!(what(fresh.delete("rust", other).await), is(mismatch));
    }
    assert_eq!(fresh.get("rust").await.unwrap(), course);
    fresh.delete("rust", &course.etag).await.unwrap();
    assert_eq!(what(fresh.undelete("rust", "1-0").await), is(mismatch));
    assert_eq!(what(fresh.get("rust").await), is(ABSENT));
}

async fn a_deleted_course_keeps_its_title_and_slug(place: &Place) {
    let world = World::at(place).await;
    let (ann, fresh, course) = teaching(&world).await;
    fresh.delete("rust", &course.etag).await.unwrap();
    assert_eq!(
        what(ann.create("RUST").await),
        is((Code::AlreadyExists, "TITLE_TAKEN"))
    );
    assert_eq!(ann.create("Rust!").await.unwrap().slug, "rust-2");
}

async fn what_is_deleted_is_changed_by_nobody(place: &Place) {
    let world = World::at(place).await;
    let (_, fresh, course) = teaching(&world).await;
    let bob = world.staff("bob");
    fresh.delete("rust", &course.etag).await.unwrap();
    assert_eq!(what(fresh.publish("rust").await), is(ABSENT));
    assert_eq!(what(fresh.add("rust", bob.id).await), is(ABSENT));
    assert_eq!(what(fresh.remove("rust", fresh.id).await), is(ABSENT));
}

async fn one_of_many_deletes_wins_and_no_update_is_lost_in_it(place: &Place) {
    let world = World::at(place).await;
    let (ann, fresh, mut course) = teaching(&world).await;
    for round in 0..5 {
        let subtitle = format!("round {round}");
        let wanted = Course {
            subtitle: Some(subtitle.clone()),
            ..Course::default()
        };
        let deletes = join_all((0..12).map(|_| fresh.delete("rust", &course.etag)));
        let (deleted, updated) = tokio::join!(deletes, ann.update("rust", &["subtitle"], wanted));
        let won = deleted.iter().filter(|answer| answer.is_ok()).count();
        match updated {
            // It came first, so that nobody deleted what they had not seen.
            Ok(updated) if won == 0 => course = updated,
            // It came when there was nothing to change any more.
            Err(refused) => {
                assert_eq!((won, refused.what()), (1, ABSENT));
                course = fresh.undelete("rust", &course.etag).await.unwrap();
                assert_ne!(course.subtitle.as_deref(), Some(&*subtitle));
            }
            Ok(_) => panic!("{won} deleted what was updated"),
        }
        for refused in deleted.into_iter().filter_map(Result::err) {
            let expected = if won == 1 {
                ABSENT
            } else {
                (Code::Aborted, "ETAG_MISMATCH")
            };
            assert_eq!(refused.what(), expected);
        }
    }
}

async fn deleting_and_taking_back_at_once_ends_in_one_of_the_two(place: &Place) {
    let world = World::at(place).await;
    let (_, fresh, mut course) = teaching(&world).await;
    for _ in 0..5 {
        let calls = (0..12).map(|number| {
            let (fresh, etag) = (fresh.clone(), course.etag.clone());
            async move {
                match number % 2 {
                    0 => fresh.delete("rust", &etag).await,
                    _ => fresh.undelete("rust", &etag).await.map(drop),
                }
            }
        });
        for answer in join_all(calls).await {
            if let Err(refused) = answer {
                let expected = [ABSENT, (Code::Aborted, "ETAG_MISMATCH")];
                assert!(expected.contains(&refused.what()), "{refused:?}");
            }
        }
        course = match fresh.get("rust").await {
            Ok(course) => course,
            Err(refused) => {
                assert_eq!(refused.what(), ABSENT);
                fresh.undelete("rust", &course.etag).await.unwrap()
            }
        };
    }
}

async fn names_follow_people_into_deleted_courses(place: &Place) {
    let world = World::at(place).await;
    let (ann, fresh, course) = teaching(&world).await;
    fresh.delete("rust", &course.etag).await.unwrap();
    world
        .auth
        .change(ann.id, |user| user.first_name = "Anna".to_owned());
    assert_eq!(world.courses(place).refresh_names().await.unwrap(), 1);
    // It is still the version that was deleted.
    fresh.undelete("rust", &course.etag).await.unwrap();
    assert_eq!(ann.instructors("rust").await.unwrap(), ["Anna"]);
}

async fn after_thirty_days_it_is_gone_for_good(place: &Place) {
    let world = World::at(place).await;
    let (ann, fresh, course) = teaching(&world).await;
    ann.create("Go").await.unwrap();
    let students = [world.user("sam"), world.user("tom")];
    for student in &students {
        student.enroll("rust").await.unwrap();
    }
    fresh.delete("rust", &course.etag).await.unwrap();
    let mut courses = world.courses(place);
    for (later, purged) in [
        (TimeDelta::days(30) + TimeDelta::minutes(9), 0),
        (TimeDelta::days(30) + TimeDelta::minutes(11), 1),
    ] {
        courses.clock = Clock::jumping();
        courses.clock.turn(later);
        assert_eq!(courses.purge_deleted().await.unwrap(), purged, "{later}");
        for student in &students {
            let left = place.store.enrollment_ids(student.id, 9).await.unwrap();
            assert_eq!(left.len(), usize::from(purged == 0), "{later}");
        }
    }
    assert_eq!(what(fresh.undelete("rust", &course.etag).await), is(ABSENT));
    let again = ann.create("Rust").await.unwrap();
    assert_eq!(again.slug, "rust", "title and slug are free");
    assert!(ann.get("go").await.is_ok());
}

async fn what_is_about_to_be_purged_cannot_be_had_back(place: &Place) {
    let world = World::at(place).await;
    let (_, fresh, course) = teaching(&world).await;
    fresh.delete("rust", &course.etag).await.unwrap();
    let id = course.id.parse().unwrap();
    // Its enrolments may be gone already, though nobody has come by for the course.
    for (ago, is_there) in [
        (TimeDelta::days(30) + TimeDelta::minutes(1), false),
        (TimeDelta::days(30) - TimeDelta::minutes(1), true),
    ] {
        let now = Clock::system().now();
        let earlier = |course: &mut course_service::model::course::Course| {
            course.deleted_at = Some(now - ago);
            Ok::<_, std::convert::Infallible>(())
        };
        place.store.change(id, None, now, earlier).await.unwrap();
        let restored = fresh.undelete("rust", &course.etag).await;
        assert_eq!(restored.is_ok(), is_there, "{ago}: {restored:?}");
        if let Err(refused) = restored {
            assert_eq!(refused.what(), ABSENT);
        }
    }
}

async fn former_slugs_lead_to_deleting_as_to_everything(place: &Place) {
    let world = World::at(place).await;
    let (ann, fresh, _) = teaching(&world).await;
    let wanted = Course {
        slug: "ferris".to_owned(),
        ..Course::default()
    };
    let course = ann.update("rust", &["slug"], wanted).await.unwrap();
    let refused = fresh.delete("rust", &course.etag).await.unwrap_err();
    assert_eq!(refused.what(), (Code::NotFound, "SLUG_CHANGED"));
    assert_eq!(refused.metadata["canonical_slug"], "ferris");
    fresh.delete("ferris", &course.etag).await.unwrap();
    let bob = world.with_second_factor(&world.staff("bob"), TimeDelta::zero());
    assert_eq!(
        what(bob.undelete("rust", &course.etag).await),
        is(ABSENT),
        "nothing is told"
    );
    assert_eq!(
        fresh.undelete("rust", &course.etag).await.unwrap_err().reason,
        "SLUG_CHANGED"
    );
    fresh.undelete("ferris", &course.etag).await.unwrap();
}
