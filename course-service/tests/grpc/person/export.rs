//! A person is told everything that is held about them.

use chrono::TimeDelta;
use proto::course::v1::{EnrolledCourse, ExportUserResponse, HeldEnrollment};

use super::{heir, held};
use crate::{
    support::{Place, on_both},
    world::World,
};

on_both![what_is_held_is_told, enrolments_are_told];

async fn what_is_held_is_told(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob) = (world.staff("ann"), world.staff("bob"));
    assert_eq!(held(&world, &ann).await, ExportUserResponse::default());
    ann.create("Rust").await.unwrap();
    bob.create("Go").await.unwrap();
    bob.add("go", ann.id).await.unwrap();
    bob.create("C").await.unwrap();
    bob.publish("go").await.unwrap();
    // What is deleted is held for some time yet.
    let c = ann.create("C++").await.unwrap();
    let fresh = world.with_second_factor(&ann, TimeDelta::zero());
    fresh.delete(&c.slug, &c.etag).await.unwrap();
    let told = held(&world, &ann).await;
    assert_eq!(told.names, Some(heir(&ann, "ann")));
    let courses: Vec<_> = told
        .courses
        .iter()
        .map(|course| {
            (
                course.slug.as_str(),
                course.state.as_str(),
                course.deleted_at.is_some(),
            )
        })
        .collect();
    assert_eq!(
        (courses, told.has_more),
        (
            vec![
                (c.slug.as_str(), "draft", true),
                ("go", "published", false),
                ("rust", "draft", false)
            ],
            false
        )
    );
}

async fn enrolments_are_told(place: &Place) {
    let world = World::at(place).await;
    let (ann, sam) = (world.staff("ann"), world.user("sam"));
    for (title, price) in [("Rust", "10.99"), ("Go", "0.00"), ("C", "0.00")] {
        let slug = ann.published(title, price).await.unwrap().slug;
        sam.enroll(&slug).await.unwrap();
    }
    // Paid twice, since they left in between; another has left for good, and one course is deleted.
    ann.confirm("rust", sam.id, "INV-1").await.unwrap();
    sam.cancel("rust").await.unwrap();
    sam.enroll("rust").await.unwrap();
    let rust = ann.confirm("rust", sam.id, "INV-2").await.unwrap();
    sam.cancel("go").await.unwrap();
    let c = ann.get("c").await.unwrap();
    let elevated = world.with_second_factor(&ann, TimeDelta::zero());
    elevated.delete("c", &c.etag).await.unwrap();

    let told = held(&world, &sam).await;

    assert_eq!(
        (told.names, told.courses, told.has_more_enrollments),
        (None, vec![], false)
    );
    let expected = HeldEnrollment {
        id: rust.id,
        course: Some(EnrolledCourse {
            slug: "rust".to_owned(),
            title: "Rust".to_owned(),
        }),
        state: "active".to_owned(),
        price: "10.99".to_owned(),
        currency: "USD".to_owned(),
        enrolled_at: rust.enrolled_at,
        updated_at: rust.updated_at,
        payments: told.enrollments[0].payments.clone(),
    };
    assert_eq!(told.enrollments[0], expected);
    let payments = told.enrollments[0].payments.iter();
    let payments: Vec<_> = payments
        .map(|payment| (&*payment.reference, payment.confirmed_at.is_some()))
        .collect();
    assert_eq!(payments, [("INV-1", true), ("INV-2", true)]);
    // What is more than one is told is not forgotten in silence.
    let two = place.store.held(sam.id, 2).await.unwrap();
    assert_eq!((two.enrollments.len(), two.has_more_enrollments), (2, true));
    assert_eq!(two.enrollments[0].payments.len(), 2);
    let others: Vec<_> = told.enrollments[1..]
        .iter()
        .map(|one| (&*one.course.as_ref().unwrap().slug, &*one.state))
        .collect();
    assert_eq!(others, [("c", "active"), ("go", "cancelled")]);
    assert_eq!(
        held(&world, &world.user("tom")).await,
        ExportUserResponse::default()
    );
}
