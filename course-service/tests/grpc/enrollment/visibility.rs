//! Who sees and who may do what, by who studies a course, did, or administers the site.

use chrono::TimeDelta;
use proto::course::v1::{Course, EnrollmentState};
use tonic::Code;

use super::{assert_refused, counted};
use crate::{
    support::{Place, on_both},
    world::World,
};
use EnrollmentState::{Active, Cancelled, Pending};

on_both![
    what_is_no_open_course_takes_nobody,
    only_staff_see_and_confirm_students,
    an_archived_course_stays_open_to_its_students,
    a_student_may_leave_whatever_became_of_the_course,
    who_left_learns_nothing_more_of_a_course,
    whoever_asks_without_the_rights_is_told_to_the_trail,
];

async fn what_is_no_open_course_takes_nobody(place: &Place) {
    let world = World::at(place).await;
    let (ann, sam) = (world.staff("ann"), world.user("sam"));
    assert_refused(sam.enroll("rust").await, Code::NotFound, "COURSE_NOT_FOUND");
    let draft = ann.create("Rust").await.unwrap();
    assert_refused(sam.enroll("rust").await, Code::NotFound, "COURSE_NOT_FOUND");
    assert_refused(
        ann.enroll("rust").await,
        Code::FailedPrecondition,
        "COURSE_NOT_OPEN",
    );
    assert_eq!(ann.get("rust").await.unwrap(), draft);
    ann.publish("rust").await.unwrap();
    for nobody in [world.anyone(), world.impostor()] {
        assert_eq!(
            nobody.enroll("rust").await.unwrap_err().code,
            Code::Unauthenticated
        );
        assert_eq!(
            nobody.cancel("rust").await.unwrap_err().code,
            Code::Unauthenticated
        );
        assert_eq!(
            nobody.own_enrollments().await.unwrap_err().code,
            Code::Unauthenticated
        );
    }
    // A new slug leads on, also for who is about to enrol or to leave.
    let renamed = Course {
        slug: "rust-now".to_owned(),
        ..Course::default()
    };
    ann.update("rust", &["slug"], renamed).await.unwrap();
    let moved = sam.enroll("rust").await.unwrap_err();
    assert_eq!(moved.what(), (Code::NotFound, "SLUG_CHANGED"));
    sam.enroll("rust-now").await.unwrap();
    ann.confirm("rust-now", sam.id, "INV-1").await.unwrap();
    assert_refused(sam.cancel("rust").await, Code::NotFound, "SLUG_CHANGED");
    assert_eq!(counted(&ann, "rust-now").await, 1);
    // One that is deleted is not there.
    let elevated = world.with_second_factor(&ann, TimeDelta::zero());
    let course = ann.get("rust-now").await.unwrap();
    elevated.delete("rust-now", &course.etag).await.unwrap();
    assert_refused(sam.enroll("rust-now").await, Code::NotFound, "COURSE_NOT_FOUND");
    assert_refused(sam.cancel("rust-now").await, Code::NotFound, "COURSE_NOT_FOUND");
    assert_refused(ann.students("rust-now").await, Code::NotFound, "COURSE_NOT_FOUND");
    assert_eq!(sam.own_enrollments().await.unwrap(), []);
    let restored = elevated.undelete("rust-now", &course.etag).await.unwrap();
    assert_eq!(restored.student_count, 1);
    assert_eq!(
        sam.own_enrollments().await.unwrap(),
        [("rust-now".to_owned(), Active)]
    );
}

async fn only_staff_see_and_confirm_students(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob, sam) = (world.staff("ann"), world.staff("bob"), world.user("sam"));
    ann.published("Rust", "10.99").await.unwrap();
    ann.create("Draft").await.unwrap();
    sam.enroll("rust").await.unwrap();
    let refused = sam.students("rust").await.unwrap_err();
    assert_eq!(refused.what(), (Code::PermissionDenied, "STAFF_REQUIRED"));
    assert_eq!(
        refused.message,
        "Only instructors and administrators can list the students of a course"
    );
    let refused = sam.confirm("rust", sam.id, "INV-1").await.unwrap_err();
    assert_eq!(refused.what(), (Code::PermissionDenied, "STAFF_REQUIRED"));
    assert_eq!(refused.message, "Only an administrator can confirm a payment");
    // What they do not see is not there, whatever they may not.
    for slug in ["draft", "nothing"] {
        assert_refused(sam.students(slug).await, Code::NotFound, "COURSE_NOT_FOUND");
        assert_refused(
            sam.confirm(slug, sam.id, "INV-1").await,
            Code::NotFound,
            "COURSE_NOT_FOUND",
        );
    }
    assert_eq!(
        world.anyone().students("rust").await.unwrap_err().code,
        Code::Unauthenticated
    );
    assert_eq!(
        bob.students("rust").await.unwrap(),
        [("sam@example.org".to_owned(), Pending)]
    );
    // Whoever is no administrator any more is nobody's instructor either.
    world.auth.change(ann.id, |user| user.is_staff = false);
    assert_refused(
        ann.students("rust").await,
        Code::PermissionDenied,
        "STAFF_REQUIRED",
    );
    assert_refused(
        ann.confirm("rust", sam.id, "INV-1").await,
        Code::PermissionDenied,
        "STAFF_REQUIRED",
    );
}

async fn an_archived_course_stays_open_to_its_students(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    let [active, pending, former, elsewhere] =
        ["active", "pending", "former", "elsewhere"].map(|name| world.user(name));
    ann.published("Rust", "10.99").await.unwrap();
    ann.published("Go", "0.00").await.unwrap();
    elsewhere.enroll("go").await.unwrap();
    for student in [&active, &pending, &former] {
        student.enroll("rust").await.unwrap();
    }
    ann.confirm("rust", active.id, "INV-1").await.unwrap();
    ann.confirm("rust", former.id, "INV-2").await.unwrap();
    former.cancel("rust").await.unwrap();
    let archived = ann.archive("rust").await.unwrap();

    assert_eq!(active.get("rust").await.unwrap(), archived);
    assert_eq!(active.instructors("rust").await.unwrap(), ["ann"]);
    for stranger in [&world.anyone(), &pending, &former, &elsewhere] {
        assert_refused(stranger.get("rust").await, Code::NotFound, "COURSE_NOT_FOUND");
        assert_refused(
            stranger.instructors("rust").await,
            Code::NotFound,
            "COURSE_NOT_FOUND",
        );
    }
    // They are its students still; nobody else becomes one.
    let (again, is_new) = active.enroll_once("rust", "").await.unwrap();
    assert_eq!((again.state(), is_new), (Active, false));
    assert_refused(former.enroll("rust").await, Code::NotFound, "COURSE_NOT_FOUND");
    assert_refused(
        ann.enroll("rust").await,
        Code::FailedPrecondition,
        "COURSE_NOT_OPEN",
    );
    // What they may not do is refused as that; they know of the course.
    assert_refused(
        active.update("rust", &["title"], Course::default()).await,
        Code::PermissionDenied,
        "INSTRUCTOR_REQUIRED",
    );
    assert_refused(
        elsewhere.update("rust", &["title"], Course::default()).await,
        Code::NotFound,
        "COURSE_NOT_FOUND",
    );
    assert_refused(
        active.students("rust").await,
        Code::PermissionDenied,
        "STAFF_REQUIRED",
    );
    // A new slug is told to them alone.
    let renamed = Course {
        slug: "rust-now".to_owned(),
        ..Course::default()
    };
    ann.update("rust", &["slug"], renamed).await.unwrap();
    assert_refused(active.get("rust").await, Code::NotFound, "SLUG_CHANGED");
    assert_refused(elsewhere.get("rust").await, Code::NotFound, "COURSE_NOT_FOUND");
    // A payment that comes late is good.
    ann.confirm("rust-now", pending.id, "INV-3").await.unwrap();
    assert_eq!(pending.get("rust-now").await.unwrap().student_count, 2);
    // Whoever leaves does not see it any more.
    active.cancel("rust-now").await.unwrap();
    assert_refused(active.get("rust-now").await, Code::NotFound, "COURSE_NOT_FOUND");
}

async fn a_student_may_leave_whatever_became_of_the_course(place: &Place) {
    let world = World::at(place).await;
    let (ann, sam, tom) = (world.staff("ann"), world.user("sam"), world.user("tom"));
    ann.published("Rust", "0.00").await.unwrap();
    sam.enroll("rust").await.unwrap();
    let draft = Course {
        is_draft: true,
        ..Course::default()
    };
    ann.update("rust", &["is_draft"], draft).await.unwrap();
    assert_refused(sam.get("rust").await, Code::NotFound, "COURSE_NOT_FOUND");
    assert_refused(tom.cancel("rust").await, Code::NotFound, "COURSE_NOT_FOUND");
    sam.cancel("rust").await.unwrap();
    assert_eq!(counted(&ann, "rust").await, 0);
    assert_refused(sam.cancel("rust").await, Code::NotFound, "COURSE_NOT_FOUND");
}

async fn who_left_learns_nothing_more_of_a_course(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    let [active, pending, former] = ["active", "pending", "former"].map(|name| world.user(name));
    ann.published("Rust", "10.99").await.unwrap();
    for student in [&active, &pending, &former] {
        student.enroll("rust").await.unwrap();
    }
    ann.confirm("rust", active.id, "INV-1").await.unwrap();
    former.cancel("rust").await.unwrap();
    assert_eq!(
        former.own_enrollments().await.unwrap(),
        [("rust".to_owned(), Cancelled)]
    );
    for hidden in ["is_draft", "is_archived"] {
        let course = Course {
            is_draft: hidden == "is_draft",
            is_archived: hidden == "is_archived",
            ..Course::default()
        };
        ann.update("rust", &[hidden], course).await.unwrap();
        assert_eq!(former.own_enrollments().await.unwrap(), [], "{hidden}");
        // Whoever is in it yet may want to leave.
        assert_eq!(
            active.own_enrollments().await.unwrap(),
            [("rust".to_owned(), Active)]
        );
        assert_eq!(
            pending.own_enrollments().await.unwrap(),
            [("rust".to_owned(), Pending)]
        );
    }
    ann.publish("rust").await.unwrap();
    assert_eq!(
        former.own_enrollments().await.unwrap(),
        [("rust".to_owned(), Cancelled)]
    );
}

async fn whoever_asks_without_the_rights_is_told_to_the_trail(place: &Place) {
    let world = World::at(place).await;
    let (ann, sam) = (world.staff("ann"), world.user("sam"));
    ann.published("Rust", "0.00").await.unwrap();
    ann.create("Draft").await.unwrap();
    // Whether they may know of the course or not; of one that is not there nothing is told.
    for slug in ["rust", "draft", "nothing"] {
        sam.students(slug).await.unwrap_err();
        sam.confirm(slug, sam.id, "INV-1").await.unwrap_err();
    }
    // What everybody may try is no attempt.
    sam.enroll("draft").await.unwrap_err();
    sam.cancel("draft").await.unwrap_err();
    let begun = std::time::Instant::now();
    let told = loop {
        let told = world.auth.recorded();
        let times: i32 = told.iter().map(|one| one.times).sum();
        if times >= 4 {
            break told;
        }
        assert!(begun.elapsed().as_secs() < 30, "{told:?}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    let mut told: Vec<_> = told
        .into_iter()
        .map(|one| (one.method, one.actor_id, one.times))
        .collect();
    told.sort_unstable();
    let method = |name: &str| format!("onlineedu.course.v1.EnrollmentService/{name}");
    let (who, each) = (sam.id.to_string(), |name: &str| {
        told.iter()
            .filter(|one| one.0 == method(name))
            .map(|one| one.2)
            .sum::<i32>()
    });
    assert_eq!(
        (each("ListStudents"), each("ConfirmEnrollment")),
        (2, 2),
        "{told:?}"
    );
    assert!(told.iter().all(|one| one.1 == who), "{told:?}");
    assert_eq!(told.iter().map(|one| one.2).sum::<i32>(), 4);
}
