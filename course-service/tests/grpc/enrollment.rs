//! Who studies a course: everybody for themself and once, at no cost at once, else when somebody has paid; and the number
//! of students is that of those who are.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use futures::future::join_all;
use proto::course::v1::{
    Course, EnrolledCourse, Enrollment, EnrollmentState, ListEnrollmentsRequest, ListStudentsRequest, Student,
};
use tonic::Code;
use uuid::Uuid;

use crate::{
    fake_auth::Mood,
    support::{Place, on_both},
    world::{Caller, Refused, World},
};
use EnrollmentState::{Active, Cancelled, Pending};

on_both![
    a_free_course_is_open_at_once,
    a_paid_course_waits_for_its_payment,
    a_reference_pays_once,
    whoever_left_may_come_back,
    what_is_no_open_course_takes_nobody,
    only_staff_see_and_confirm_students,
    an_archived_course_stays_open_to_its_students,
    a_student_may_leave_whatever_became_of_the_course,
    who_left_learns_nothing_more_of_a_course,
    whoever_asks_without_the_rights_is_told_to_the_trail,
    lists_come_in_pages_of_their_own,
    a_retry_with_the_same_key_enrols_once,
    hostile_input_is_refused_by_its_field,
    without_auth_service_nobody_is_enrolled,
    who_enrols_makes_no_other_version,
    enrolling_at_once_is_one_enrolment,
    a_reference_pays_once_under_any_concurrency,
    who_pays_and_leaves_at_once_is_not_counted,
    a_course_is_edited_while_people_enrol,
    the_number_of_students_is_true_whatever_happens_at_once,
];

/// The number of students that everybody sees.
async fn counted(of: &Caller, slug: &str) -> i32 {
    of.get(slug).await.unwrap().student_count
}

fn assert_refused<T: std::fmt::Debug>(answer: Result<T, Refused>, code: Code, reason: &str) {
    assert_eq!(answer.unwrap_err().what(), (code, reason));
}

async fn a_free_course_is_open_at_once(place: &Place) {
    let world = World::at(place).await;
    let (ann, sam) = (world.staff("ann"), world.user("sam"));
    ann.published("Rust", "0.00").await.unwrap();

    let (enrolled, is_new) = sam.enroll_once("rust", "").await.unwrap();

    assert!(is_new);
    let expected = Enrollment {
        id: enrolled.id.clone(),
        course: Some(EnrolledCourse {
            slug: "rust".to_owned(),
            title: "Rust".to_owned(),
        }),
        student: Some(Student {
            id: sam.id.to_string(),
            username: "sam@example.org".to_owned(),
        }),
        state: Active.into(),
        price: "0.00".to_owned(),
        currency: "USD".to_owned(),
        enrolled_at: enrolled.updated_at,
        completed_at: None,
        updated_at: enrolled.updated_at,
    };
    assert_eq!(enrolled, expected);
    assert!(enrolled.enrolled_at.is_some());
    assert_eq!(enrolled.id.parse::<Uuid>().unwrap().get_version_num(), 7);
    // Once more is the same.
    assert_eq!(sam.enroll_once("rust", "").await.unwrap(), (enrolled, false));
    assert_eq!(counted(&world.anyone(), "rust").await, 1);
    assert_eq!(
        ann.students("rust").await.unwrap(),
        [("sam@example.org".to_owned(), Active)]
    );
    assert_eq!(
        sam.own_enrollments().await.unwrap(),
        [("rust".to_owned(), Active)]
    );
    assert_eq!(ann.own_enrollments().await.unwrap(), []);
}

async fn a_paid_course_waits_for_its_payment(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob, sam) = (world.staff("ann"), world.staff("bob"), world.user("sam"));
    ann.published("Rust", "10.99").await.unwrap();
    let pending = sam.enroll("rust").await.unwrap();
    assert_eq!((pending.state(), &*pending.price), (Pending, "10.99"));
    assert_eq!(counted(&ann, "rust").await, 0, "a course counts its students");
    // What the course costs later does not matter to them.
    let dearer = Course {
        price: "99.00".to_owned(),
        ..Course::default()
    };
    ann.update("rust", &["price"], dearer).await.unwrap();
    assert_eq!(sam.enroll("rust").await.unwrap(), pending);

    // Any administrator may confirm it.
    let active = bob.confirm("rust", sam.id, "INV-1").await.unwrap();

    let expected = Enrollment {
        state: Active.into(),
        updated_at: active.updated_at,
        ..pending.clone()
    };
    assert_eq!(active, expected);
    assert!(active.updated_at.unwrap().seconds >= pending.updated_at.unwrap().seconds);
    assert_ne!(active.updated_at, pending.updated_at);
    assert_eq!(sam.enroll("rust").await.unwrap(), active);
    assert_eq!(counted(&ann, "rust").await, 1);
    // A retry says the same, and nothing is paid twice.
    assert_eq!(ann.confirm("rust", sam.id, "INV-1").await.unwrap(), active);
    assert_refused(
        ann.confirm("rust", sam.id, "INV-2").await,
        Code::FailedPrecondition,
        "ENROLLMENT_NOT_PENDING",
    );
    assert_eq!(counted(&ann, "rust").await, 1);
}

async fn a_reference_pays_once(place: &Place) {
    let world = World::at(place).await;
    let (ann, sam, tom) = (world.staff("ann"), world.user("sam"), world.user("tom"));
    for title in ["Rust", "Go"] {
        ann.published(title, "10.99").await.unwrap();
    }
    for (student, slug) in [(&sam, "rust"), (&sam, "go"), (&tom, "rust")] {
        student.enroll(slug).await.unwrap();
    }
    ann.confirm("rust", sam.id, "INV-1").await.unwrap();
    for (slug, student) in [("go", sam.id), ("rust", tom.id)] {
        let refused = ann.confirm(slug, student, "INV-1").await.unwrap_err();
        assert_eq!(refused.what(), (Code::AlreadyExists, "PAYMENT_REFERENCE_USED"));
        assert_eq!(refused.field_names(), ["payment_reference"]);
    }
    // Nor does it pay again for who left and came back.
    sam.cancel("rust").await.unwrap();
    assert_eq!(sam.enroll("rust").await.unwrap().state(), Pending);
    assert_refused(
        ann.confirm("rust", sam.id, "INV-1").await,
        Code::AlreadyExists,
        "PAYMENT_REFERENCE_USED",
    );
    assert_eq!(counted(&ann, "rust").await, 0);
    assert_eq!(
        ann.confirm("rust", sam.id, "INV-2").await.unwrap().state(),
        Active
    );
}

async fn whoever_left_may_come_back(place: &Place) {
    let world = World::at(place).await;
    let (ann, sam) = (world.staff("ann"), world.user("sam"));
    ann.published("Rust", "0.00").await.unwrap();
    assert_refused(sam.cancel("rust").await, Code::NotFound, "ENROLLMENT_NOT_FOUND");
    let first = sam.enroll("rust").await.unwrap();
    sam.cancel("rust").await.unwrap();
    assert_refused(sam.cancel("rust").await, Code::NotFound, "ENROLLMENT_NOT_FOUND");
    assert_eq!(counted(&ann, "rust").await, 0);
    assert_eq!(
        sam.own_enrollments().await.unwrap(),
        [("rust".to_owned(), Cancelled)]
    );
    assert_refused(
        ann.confirm("rust", sam.id, "INV-1").await,
        Code::NotFound,
        "ENROLLMENT_NOT_FOUND",
    );
    let (second, is_new) = sam.enroll_once("rust", "").await.unwrap();
    assert!(is_new);
    assert_eq!(
        (&second.id, second.state()),
        (&first.id, Active),
        "it is one enrolment"
    );
    assert_ne!(second.enrolled_at, first.enrolled_at);
    assert_eq!(counted(&ann, "rust").await, 1);
    // What it costs by now counts for who comes back.
    sam.cancel("rust").await.unwrap();
    let dearer = Course {
        price: "5.00".to_owned(),
        ..Course::default()
    };
    ann.update("rust", &["price"], dearer).await.unwrap();
    let third = sam.enroll("rust").await.unwrap();
    assert_eq!((third.state(), &*third.price), (Pending, "5.00"));
}

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

async fn lists_come_in_pages_of_their_own(place: &Place) {
    let world = World::at(place).await;
    let (ann, sam) = (world.staff("ann"), world.user("sam"));
    let mut slugs = Vec::new();
    for number in 0..5 {
        let course = ann.published(&format!("Course {number}"), "0.00").await.unwrap();
        sam.enroll(&course.slug).await.unwrap();
        slugs.insert(0, course.slug);
    }
    let mut students = Vec::new();
    for number in 0..5 {
        let student = world.user(&format!("user-{number}"));
        student.enroll("course-0").await.unwrap();
        students.insert(0, format!("user-{number}@example.org"));
    }
    students.push("sam@example.org".to_owned());

    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = sam
            .list_enrollments(ListEnrollmentsRequest {
                page_size: 2,
                page_token,
            })
            .await
            .unwrap();
        assert!(page.enrollments.len() <= 2);
        seen.extend(page.enrollments.into_iter().map(|one| one.course.unwrap().slug));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, slugs);

    let list = |slug: &str, page_token: &str| ListStudentsRequest {
        slug: slug.to_owned(),
        page_size: 3,
        page_token: page_token.to_owned(),
    };
    let first = ann.list_students(list("course-0", "")).await.unwrap();
    let second = ann
        .list_students(list("course-0", &first.next_page_token))
        .await
        .unwrap();
    let both = [first.students, second.students].concat();
    let names: Vec<_> = both
        .into_iter()
        .map(|one| one.student.unwrap().username)
        .collect();
    assert_eq!((names, &*second.next_page_token), (students, ""));
    // A token is good for its own list only.
    let own = ListEnrollmentsRequest {
        page_size: 2,
        page_token: String::new(),
    };
    let own = sam.list_enrollments(own).await.unwrap().next_page_token;
    for (slug, token) in [("course-1", &first.next_page_token), ("course-0", &own)] {
        let refused = ann.list_students(list(slug, token)).await.unwrap_err();
        assert_eq!(refused.field_names(), ["page_token"], "{slug}");
    }
    let other = ListEnrollmentsRequest {
        page_size: 2,
        page_token: own,
    };
    let refused = ann.list_enrollments(other).await.unwrap_err();
    assert_eq!(refused.field_names(), ["page_token"]);
    let negative = ListEnrollmentsRequest {
        page_size: -1,
        page_token: "x".to_owned(),
    };
    let refused = sam.list_enrollments(negative).await.unwrap_err();
    assert_eq!(refused.field_names(), ["page_size", "page_token"]);
}

async fn a_retry_with_the_same_key_enrols_once(place: &Place) {
    let world = World::at(place).await;
    let (ann, sam, tom) = (world.staff("ann"), world.user("sam"), world.user("tom"));
    for title in ["Rust", "Go"] {
        ann.published(title, "0.00").await.unwrap();
    }
    let first = sam.enroll_once("rust", "key").await.unwrap();
    assert!(first.1);
    sam.cancel("rust").await.unwrap();
    // The first answer, though it is not so any more: whoever repeats a call wants to know what it did.
    assert_eq!(sam.enroll_once("rust", "key").await.unwrap(), first);
    assert_eq!(
        sam.own_enrollments().await.unwrap(),
        [("rust".to_owned(), Cancelled)]
    );
    assert_refused(
        sam.enroll_once("go", "key").await,
        Code::InvalidArgument,
        "IDEMPOTENCY_KEY_REUSED",
    );
    // Keys of others are other keys.
    assert!(tom.enroll_once("rust", "key").await.unwrap().1);
    assert_eq!(counted(&ann, "rust").await, 1);
}

async fn hostile_input_is_refused_by_its_field(place: &Place) {
    let world = World::at(place).await;
    let (ann, sam) = (world.staff("ann"), world.user("sam"));
    ann.published("Rust", "10.99").await.unwrap();
    sam.enroll("rust").await.unwrap();
    for slug in ["", "\0", "Rust", "rust/", "../rust", &"x".repeat(100_000)] {
        for answer in [
            sam.enroll(slug).await.map(drop),
            sam.cancel(slug).await,
            ann.students(slug).await.map(drop),
            ann.confirm(slug, sam.id, "INV-1").await.map(drop),
        ] {
            assert_refused(answer, Code::NotFound, "COURSE_NOT_FOUND");
        }
    }
    for key in ["a b", "é", &"x".repeat(256)] {
        let refused = sam.enroll_once("rust", key).await.unwrap_err();
        assert_eq!(refused.field_names(), ["request_id"], "{key}");
    }
    for (user_id, reference, fields) in [
        ("", "", &["user_id", "payment_reference"][..]),
        ("sam", "INV-1", &["user_id"]),
        (&sam.id.simple().to_string(), "INV-1", &["user_id"]),
        (&sam.id.to_string(), "sam@example.org", &["payment_reference"]),
        (&sam.id.to_string(), "\0", &["payment_reference"]),
        (&sam.id.to_string(), &"x".repeat(101), &["payment_reference"]),
    ] {
        let refused = ann.confirm("rust", user_id, reference).await.unwrap_err();
        assert_eq!(
            (refused.code, refused.field_names()),
            (Code::InvalidArgument, fields.to_vec()),
            "{user_id:?} {reference:?}"
        );
    }
    for nobody in [Uuid::nil(), ann.id] {
        assert_refused(
            ann.confirm("rust", nobody, "INV-1").await,
            Code::NotFound,
            "ENROLLMENT_NOT_FOUND",
        );
    }
    // Nothing of all that has spent the reference.
    ann.confirm("rust", sam.id, "INV-1").await.unwrap();
}

async fn without_auth_service_nobody_is_enrolled(place: &Place) {
    let world = World::at(place).await;
    let (ann, sam) = (world.staff("ann"), world.user("sam"));
    ann.published("Rust", "0.00").await.unwrap();
    sam.enroll("rust").await.unwrap();
    world.auth.feel(Mood::Unavailable);
    let refused = [
        sam.enroll("rust").await.unwrap_err(),
        sam.cancel("rust").await.unwrap_err(),
        ann.students("rust").await.unwrap_err(),
        ann.confirm("rust", sam.id, "INV-1").await.unwrap_err(),
        sam.own_enrollments().await.unwrap_err(),
    ];
    for refused in refused {
        assert_eq!(refused.code, Code::Unavailable, "{refused:?}");
        assert!(refused.retry_after.is_some());
    }
    assert_eq!(counted(&world.anyone(), "rust").await, 1);
    world.auth.feel(Mood::Well);
    assert_eq!(
        sam.own_enrollments().await.unwrap(),
        [("rust".to_owned(), Active)]
    );
}

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

async fn a_reference_pays_once_under_any_concurrency(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.published("Rust", "10.99").await.unwrap();
    let students: Vec<_> = (0..16)
        .map(|number| world.user(&format!("user-{number}")))
        .collect();
    for student in &students {
        student.enroll("rust").await.unwrap();
    }
    for round in 0..8 {
        let reference = format!("INV-{round}");
        let confirmed = students
            .iter()
            .map(|student| ann.confirm("rust", student.id, &reference));
        let confirmed = join_all(confirmed).await;
        let paid = confirmed.iter().filter(|one| one.is_ok()).count();
        assert_eq!(paid, 1, "round {round}: {confirmed:?}");
        for refused in confirmed.into_iter().filter_map(Result::err) {
            let may_be = ["PAYMENT_REFERENCE_USED", "ENROLLMENT_NOT_PENDING"];
            assert!(may_be.contains(&&*refused.reason), "{refused:?}");
        }
    }
    assert_eq!(counted(&ann, "rust").await, 8);
}

async fn who_pays_and_leaves_at_once_is_not_counted(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.published("Rust", "10.99").await.unwrap();
    for round in 0..6 {
        let students: Vec<_> = (0..8)
            .map(|number| world.user(&format!("user-{round}-{number}")))
            .collect();
        for student in &students {
            student.enroll("rust").await.unwrap();
        }
        let all = students.iter().map(async |student| {
            let reference = format!("INV-{}", student.id);
            let (confirmed, left) = tokio::join!(
                ann.confirm("rust", student.id, &reference),
                student.cancel("rust")
            );
            left.unwrap();
            if let Err(refused) = confirmed {
                assert_eq!(refused.reason, "ENROLLMENT_NOT_FOUND");
            }
        });
        join_all(all).await;
        assert_eq!(counted(&ann, "rust").await, 0, "round {round}");
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
