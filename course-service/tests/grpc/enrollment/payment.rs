//! A course that costs something waits for its payment, and a payment is for one enrolment.

use futures::future::join_all;
use proto::course::v1::{Course, Enrollment, EnrollmentState};
use tonic::Code;

use super::{assert_refused, counted};
use crate::{
    support::{Place, on_both},
    world::World,
};
use EnrollmentState::{Active, Pending};

on_both![
    a_paid_course_waits_for_its_payment,
    a_reference_pays_once,
    a_reference_pays_once_under_any_concurrency,
    who_pays_and_leaves_at_once_is_not_counted,
];

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
