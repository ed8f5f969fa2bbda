//! Whoever enrols does so for themself and once, leaves and comes back.

mod count;
mod payment;
mod visibility;

use proto::course::v1::{
    Course, EnrolledCourse, Enrollment, EnrollmentState, ListEnrollmentsRequest, ListStudentsRequest, Student,
};
use tonic::Code;
use uuid::Uuid;

use crate::{
    caller::{Caller, Refused},
    fake_auth::Mood,
    support::{Place, on_both},
    world::World,
};
use EnrollmentState::{Active, Cancelled, Pending};

on_both![
    a_free_course_is_open_at_once,
    whoever_left_may_come_back,
    lists_come_in_pages_of_their_own,
    a_retry_with_the_same_key_enrols_once,
    hostile_input_is_refused_by_its_field,
    without_auth_service_nobody_is_enrolled,
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
