//! A person is erased for good: whatever happens meanwhile, and wherever it is cut off.

use std::{convert::Infallible, pin::pin, task::Poll};

use course_service::{
    domain::{Courses, Error},
    model::{course::Course, instructor::Person},
    store::{Changed, Left},
};
use futures::future::{join_all, poll_fn};
use proto::course::v1::{AddInstructorRequest, ExportUserResponse, Instructor};
use test_support::rows;
use tonic::Code;
use uuid::Uuid;

use super::{erase, heir, held, shown, wish};
use crate::{
    caller::{Caller, Refused},
    support::{Place, on_both},
    world::{SERVICE_TOKEN, World, new_course},
};

on_both![
    what_cannot_be_is_refused,
    a_person_is_taken_out_of_everything,
    many_courses_take_several_calls,
    many_enrolments_take_several_calls,
    a_course_without_an_heir_waits_for_one,
    everybody_who_inherited_is_remembered,
    nothing_makes_an_erased_person_an_instructor_or_a_student,
    an_erasure_may_be_cut_off_at_any_step,
    no_course_is_ever_without_an_instructor,
    nobody_is_enrolled_past_their_erasure,
];

/// The rows that tell of somebody by their id, but for those that say that they are erased and who has their courses.
async fn traces(place: &Place, user: &Caller, name: &str) -> Vec<String> {
    let (id, simple) = (user.id.to_string(), user.id.simple().to_string());
    let found = rows::holding(&place.url, &[&id, &simple, &format!("{name}@example.org")]).await;
    found
        .into_iter()
        .filter(|row| {
            !["erased_people", "students", "inheritances"]
                .iter()
                .any(|table| row.contains(table))
        })
        .collect()
}

async fn what_cannot_be_is_refused(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob) = (world.staff("ann"), world.staff("bob"));
    let refused = async |message| {
        let answer = world.people().erase_user(shown(message, SERVICE_TOKEN)).await;
        let refused = Refused::from(answer.unwrap_err());
        assert_eq!(refused.code, Code::InvalidArgument);
        refused
            .fields
            .into_iter()
            .map(|(field, _)| field)
            .collect::<Vec<_>>()
    };
    for id in ["", "x", "\0", "{0198c0de-0000-7000-8000-000000000001}"] {
        assert_eq!(refused(wish(id, None)).await, ["user_id"]);
        let no_heir = Instructor {
            id: id.to_owned(),
            ..heir(&bob, "bob")
        };
        assert_eq!(refused(wish(ann.id, Some(no_heir))).await, ["heir.id"]);
    }
    assert_eq!(refused(wish(ann.id, Some(heir(&ann, "ann")))).await, ["heir"]);
    for name in ["a\0b".to_owned(), "x".repeat(100_000)] {
        let odd = Instructor {
            first_name: name,
            ..heir(&bob, "bob")
        };
        assert_eq!(refused(wish(ann.id, Some(odd))).await, ["heir"]);
    }
}

/// Somebody with a course of their own, a course with another one, an enrolment that they paid for, one that waits and
/// one that they left, and answers kept for retries that name them.
async fn teaching(world: &World, name: &str) -> (Caller, Caller) {
    let (person, other) = (world.staff(name), world.staff(&format!("friend-{name}-too")));
    let mut alone = new_course(&format!("Alone {name}"));
    alone.request_id = format!("alone-{name}");
    person.create_course(alone).await.unwrap();
    let (title, shared) = (format!("Shared {name}"), format!("shared-{name}"));
    other.create(&title).await.unwrap();
    let add = AddInstructorRequest {
        slug: shared,
        user_id: person.id.to_string(),
        request_id: format!("add-{name}"),
    };
    other.add_instructor(add).await.unwrap();
    for (title, price) in [("Paid", "5.00"), ("Waiting", "5.00"), ("Left", "0.00")] {
        let slug = other
            .published(&format!("{title} {name}"), price)
            .await
            .unwrap()
            .slug;
        person
            .enroll_once(&slug, &format!("enroll-{slug}"))
            .await
            .unwrap();
    }
    let reference = format!("INV-{name}");
    other
        .confirm(&format!("paid-{name}"), person.id, &reference)
        .await
        .unwrap();
    person.cancel(&format!("left-{name}")).await.unwrap();
    (person, other)
}

async fn a_person_is_taken_out_of_everything(place: &Place) {
    let world = World::at(place).await;
    let (ann, friend) = teaching(&world, "ann").await;
    let cleo = world.staff("cleo");
    assert_eq!(cleo.get("paid-ann").await.unwrap().student_count, 1);
    let before = cleo.get("alone-ann").await.unwrap();
    assert!(
        traces(place, &ann, "ann").await.len() > 5,
        "they are found while they are there"
    );

    let erased = erase(&world, &ann, Some(heir(&cleo, "cleo"))).await.unwrap();

    assert!(erased.is_complete);
    assert_eq!(erased.heir_ids, [cleo.id.to_string()]);
    assert_eq!(traces(place, &ann, "ann").await, Vec::<String>::new());
    assert_eq!(held(&world, &ann).await, ExportUserResponse::default());
    assert_eq!(cleo.instructors("alone-ann").await.unwrap(), ["cleo"]);
    assert_eq!(cleo.instructors("shared-ann").await.unwrap(), ["friend-ann-too"]);
    assert_ne!(
        cleo.get("alone-ann").await.unwrap().etag,
        before.etag,
        "it is another version"
    );
    cleo.publish("alone-ann")
        .await
        .expect("the heir is an instructor");
    // Nobody studies what they studied; what they paid with pays for nothing else.
    for slug in ["paid-ann", "waiting-ann", "left-ann"] {
        assert_eq!(cleo.get(slug).await.unwrap().student_count, 0, "{slug}");
        assert_eq!(cleo.students(slug).await.unwrap(), [], "{slug}");
    }
    cleo.enroll("paid-ann").await.unwrap();
    let refused = friend.confirm("paid-ann", cleo.id, "INV-ann").await.unwrap_err();
    assert_eq!(refused.what(), (Code::AlreadyExists, "PAYMENT_REFERENCE_USED"));
    // Once more is as good as once, and says the same.
    assert_eq!(erase(&world, &ann, None).await.unwrap(), erased);
    // Somebody who was never here.
    let nobody = erase(&world, &world.user("nobody"), None).await.unwrap();
    assert!(nobody.is_complete && nobody.heir_ids.is_empty());
}

async fn many_courses_take_several_calls(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob) = (world.staff("ann"), world.staff("bob"));
    let titles: Vec<_> = (0..150).map(|number| format!("Course {number}")).collect();
    for some in titles.chunks(10) {
        let created = join_all(some.iter().map(|title| ann.create(title))).await;
        created.into_iter().for_each(|one| drop(one.unwrap()));
    }
    let first = erase(&world, &ann, Some(heir(&bob, "bob"))).await.unwrap();
    let heirs = [bob.id.to_string()];
    assert_eq!((first.is_complete, &*first.heir_ids), (false, &heirs[..]));
    let rest = erase(&world, &ann, Some(heir(&bob, "bob"))).await.unwrap();
    assert_eq!((rest.is_complete, &*rest.heir_ids), (true, &heirs[..]));
    assert_eq!(place.store.taught_by(bob.id, None, 200).await.unwrap().len(), 150);
    assert_eq!(traces(place, &ann, "ann").await, Vec::<String>::new());
}

async fn many_enrolments_take_several_calls(place: &Place) {
    let world = World::at(place).await;
    let (bob, sam) = (world.staff("bob"), world.user("sam"));
    let titles: Vec<_> = (0..150).map(|number| format!("Course {number}")).collect();
    for some in titles.chunks(10) {
        join_all(some.iter().map(async |title| {
            let slug = bob.published(title, "0.00").await.unwrap().slug;
            sam.enroll(&slug).await.unwrap();
        }))
        .await;
    }
    assert!(!erase(&world, &sam, None).await.unwrap().is_complete);
    assert!(erase(&world, &sam, None).await.unwrap().is_complete);
    assert_eq!(traces(place, &sam, "sam").await, Vec::<String>::new());
    assert_eq!(bob.get("course-0").await.unwrap().student_count, 0);
    assert_eq!(bob.get("course-149").await.unwrap().student_count, 0);
}

async fn a_course_without_an_heir_waits_for_one(place: &Place) {
    let world = World::at(place).await;
    let (ann, other) = teaching(&world, "ann").await;
    let cleo = world.staff("cleo");
    let refused = erase(&world, &ann, None).await.unwrap_err();
    assert_eq!(refused.what(), (Code::FailedPrecondition, "HEIR_REQUIRED"));
    assert_eq!(other.instructors("alone-ann").await.unwrap(), ["ann"]);
    // An heir who is erased meanwhile is none.
    erase(&world, &cleo, None).await.unwrap();
    let refused = erase(&world, &ann, Some(heir(&cleo, "cleo"))).await.unwrap_err();
    assert_eq!(refused.what(), (Code::FailedPrecondition, "HEIR_ERASED"));
    assert_eq!(other.instructors("alone-ann").await.unwrap(), ["ann"]);
    assert_eq!(traces(place, &cleo, "cleo").await, Vec::<String>::new());
    let erased = erase(&world, &ann, Some(heir(&other, "friend-ann-too")))
        .await
        .unwrap();
    assert!(erased.is_complete);
    // Who inherited and goes too leaves the course to the next one.
    let dora = world.staff("dora");
    erase(&world, &other, Some(heir(&dora, "dora"))).await.unwrap();
    assert_eq!(dora.instructors("alone-ann").await.unwrap(), ["dora"]);
}

async fn everybody_who_inherited_is_remembered(place: &Place) {
    let world = World::at(place).await;
    let (ann, cleo, dora) = (world.staff("ann"), world.staff("cleo"), world.staff("dora"));
    let rust = ann.create("Rust").await.unwrap();
    ann.create("Go").await.unwrap();
    // A call that is cut off after one course, and one with another heir.
    let now = service_runtime::clock::Clock::system().now();
    place.store.begin_erasure(ann.id, now).await.unwrap();
    let first = person(heir(&cleo, "cleo"));
    let left = place
        .store
        .leave(rust.id.parse().unwrap(), ann.id, Some(&first), now);
    assert_eq!(left.await.unwrap(), Left::Done);
    let mut both = [cleo.id.to_string(), dora.id.to_string()];
    both.sort_unstable();
    let erased = erase(&world, &ann, Some(heir(&dora, "dora"))).await.unwrap();
    assert_eq!((erased.is_complete, &*erased.heir_ids), (true, &both[..]));
    // Nothing is left that a third one could inherit.
    let eve = world.staff("eve");
    let again = erase(&world, &ann, Some(heir(&eve, "eve"))).await.unwrap();
    assert_eq!(again, erased);
    // An heir who is erased too is forgotten as one.
    let theirs = erase(&world, &cleo, Some(heir(&eve, "eve"))).await.unwrap();
    assert_eq!(theirs.heir_ids, [eve.id.to_string()]);
    let rest = erase(&world, &ann, None).await.unwrap();
    assert_eq!(rest.heir_ids, [dora.id.to_string()]);
}

async fn nothing_makes_an_erased_person_an_instructor_or_a_student(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob) = (world.staff("ann"), world.staff("bob"));
    let go = bob.create("Go").await.unwrap();
    erase(&world, &ann, None).await.unwrap();
    // auth-service was asked before they were erased, and its answer is used only now.
    let refused = bob.add("go", ann.id).await.unwrap_err();
    assert_eq!(
        (refused.code, refused.field_names()),
        (Code::InvalidArgument, vec!["user_id"])
    );
    let refused = ann.create("Rust").await.unwrap_err();
    assert_eq!(refused.what(), (Code::Unauthenticated, "TOKEN_INVALID"));
    bob.published("C", "0.00").await.unwrap();
    let refused = ann.enroll_once("c", "key").await.unwrap_err();
    assert_eq!(refused.what(), (Code::Unauthenticated, "TOKEN_INVALID"));
    assert_eq!(bob.get("c").await.unwrap().student_count, 0);
    assert_eq!(bob.get("go").await.unwrap(), go);
    // Names that come late stay away as well.
    let courses = world.courses(place);
    courses.refresh_names().await.unwrap();
    assert_eq!(traces(place, &ann, "ann").await, Vec::<String>::new());
}

/// Polls a future so many times and then lets go of it, as a process does that is killed; `None` when it was not done.
async fn cut_off<F: Future>(future: F, mut polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

fn person(message: Instructor) -> Person {
    Person {
        id: message.id.parse().unwrap(),
        username: message.username,
        first_name: message.first_name,
        last_name: message.last_name,
    }
}

async fn an_erasure_may_be_cut_off_at_any_step(place: &Place) {
    let world = World::at(place).await;
    let cleo = world.staff("cleo");
    let courses: Courses = world.courses(place);
    let mut steps = 0;
    for round in 0.. {
        let name = format!("ann{round}");
        let (ann, other) = teaching(&world, &name).await;
        let id = ann.id.to_string();
        let erasing = courses.erase(&id, Some(person(heir(&cleo, "cleo"))));
        let done = cut_off(erasing, steps).await.transpose().unwrap().is_some();
        let alone = cleo.instructors(&format!("alone-{name}")).await.unwrap();
        assert!(
            alone == [name.clone()] || alone == ["cleo"],
            "after {steps} steps: {alone:?}"
        );
        let paid = cleo.get(&format!("paid-{name}")).await.unwrap().student_count;
        let listed = cleo.students(&format!("paid-{name}")).await.unwrap();
        assert_eq!(
            usize::try_from(paid).unwrap(),
            listed.len(),
            "after {steps} steps"
        );
        let shared = cleo.instructors(&format!("shared-{name}")).await.unwrap();
        assert_eq!(shared[0], format!("friend-{name}-too"));
        // Whoever comes next finishes it.
        let erased = erase(&world, &ann, Some(heir(&cleo, "cleo"))).await.unwrap();
        assert_eq!(
            (erased.is_complete, erased.heir_ids),
            (true, vec![cleo.id.to_string()]),
            "after {steps} steps"
        );
        assert_eq!(
            traces(place, &ann, &name).await,
            Vec::<String>::new(),
            "after {steps} steps"
        );
        other.get(&format!("shared-{name}")).await.unwrap();
        match done {
            // One for each of its transactions, at the least. What is ready at once is no step, and then it was too quick.
            true if steps >= 5 => break,
            true => assert!(round < 200, "it was cut off at {steps} steps only"),
            false => steps += 1,
        }
    }
}

async fn no_course_is_ever_without_an_instructor(place: &Place) {
    let world = World::at(place).await;
    let (bob, cleo) = (world.staff("bob"), world.staff("cleo"));
    let courses = world.courses(place);
    for round in 0..15 {
        let ann = world.staff(&format!("ann{round}"));
        let slug = ann.create(&format!("Course {round}")).await.unwrap().slug;
        let id = ann.id.to_string();
        let erase = || courses.erase(&id, Some(person(heir(&cleo, "cleo"))));
        // Erased twice at once while others come and go; one more course is being made.
        let more = format!("More {round}");
        let (first, second, added, removed, made) = tokio::join!(
            erase(),
            erase(),
            ann.add(&slug, bob.id),
            ann.remove(&slug, ann.id),
            ann.create(&more),
        );
        for erased in [first, second] {
            if let Err(error) = erased {
                assert!(matches!(error, Error::Store(_)), "{error:?}");
            }
        }
        if let Err(refused) = removed {
            let may_be = ["LAST_INSTRUCTOR", "INSTRUCTOR_REQUIRED", "DATABASE_UNAVAILABLE"];
            assert!(may_be.contains(&refused.reason.as_str()), "{refused:?}");
        }
        if let Err(refused) = added {
            let may_be = ["INSTRUCTOR_REQUIRED", "DATABASE_UNAVAILABLE"];
            assert!(may_be.contains(&refused.reason.as_str()), "{refused:?}");
        }
        let complete = erase().await.unwrap();
        assert!(complete.is_complete, "round {round}");
        assert!(!bob.instructors(&slug).await.unwrap().is_empty());
        if let Ok(made) = made {
            assert_eq!(
                bob.instructors(&made.slug).await.unwrap(),
                ["cleo"],
                "round {round}"
            );
        }
        let name = format!("ann{round}");
        assert_eq!(
            traces(place, &ann, &name).await,
            Vec::<String>::new(),
            "round {round}"
        );
    }
    // The index says what the courses say.
    let mut after = None;
    loop {
        let taught = place.store.taught_by(cleo.id, after, 100).await.unwrap();
        let Some(last) = taught.last() else { break };
        after = Some(*last);
        for id in taught {
            assert_taught_by(place, id, cleo.id).await;
        }
    }
}

async fn nobody_is_enrolled_past_their_erasure(place: &Place) {
    let world = World::at(place).await;
    let bob = world.staff("bob");
    let courses = world.courses(place);
    for round in 0..20 {
        let (name, slug) = (format!("sam{round}"), format!("course-{round}"));
        bob.published(&format!("Course {round}"), "0.00").await.unwrap();
        let sam = world.user(&name);
        // Half of them were enrolled in something before.
        if round % 2 == 0 {
            bob.published(&format!("Before {round}"), "0.00").await.unwrap();
            sam.enroll(&format!("before-{round}")).await.unwrap();
        }
        bob.published(&format!("Paid {round}"), "5.00").await.unwrap();
        let (paid, reference) = (format!("paid-{round}"), format!("INV-{round}"));
        sam.enroll(&paid).await.unwrap();
        let id = sam.id.to_string();
        let before = format!("before-{round}");
        let (enrolled, again, erased, left, confirmed) = tokio::join!(
            sam.enroll(&slug),
            sam.enroll_once(&slug, "key"),
            courses.erase(&id, None),
            sam.cancel(&before),
            bob.confirm(&paid, sam.id, &reference),
        );
        for refused in [left.err(), confirmed.err()].into_iter().flatten() {
            let may_be = ["ENROLLMENT_NOT_FOUND", "COURSE_NOT_FOUND"];
            assert!(may_be.contains(&&*refused.reason), "{refused:?}");
        }
        for refused in [enrolled.err(), again.err()].into_iter().flatten() {
            assert_eq!(refused.reason, "TOKEN_INVALID", "{refused:?}");
        }
        // It waits for those who were first, and never has to come again because of them.
        assert!(erased.unwrap().is_complete, "round {round}");
        assert_eq!(
            traces(place, &sam, &name).await,
            Vec::<String>::new(),
            "round {round}"
        );
        for slug in [&slug, &paid] {
            let course = bob.get(slug).await.unwrap();
            assert_eq!(course.student_count, 0, "round {round}");
        }
    }
}

async fn assert_taught_by(place: &Place, course: Uuid, user: Uuid) {
    let now = service_runtime::clock::Clock::system().now();
    let look = |course: &mut Course| {
        assert!(course.instructor(user).is_some());
        Ok::<_, Infallible>(())
    };
    let looked = place.store.change(course, None, now, look).await.unwrap();
    assert!(matches!(looked, Changed::Done(_)));
}
