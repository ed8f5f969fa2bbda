//! Who teaches: instructors decide, only staff can teach, and the last one stays.

use proto::course::v1::{AddInstructorRequest, ListInstructorsRequest};
use tonic::Code;
use uuid::Uuid;

use crate::{
    support::{Place, on_both},
    world::World,
};

on_both![
    whoever_sees_a_course_sees_who_teaches_it,
    an_instructor_adds_another,
    adding_twice_changes_nothing,
    who_is_added_has_to_be_active_staff,
    a_user_id_has_to_be_somebodys,
    only_instructors_change_instructors,
    the_last_instructor_stays,
    who_does_not_teach_cannot_be_removed,
    instructors_come_in_pages,
    a_page_skips_nobody_who_came_later,
    a_retry_with_the_same_key_adds_once,
    a_course_has_at_most_a_hundred_instructors,
];

async fn whoever_sees_a_course_sees_who_teaches_it(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.create("Rust").await.unwrap();
    let refused = world.anyone().instructors("rust").await.unwrap_err();
    assert_eq!(refused.what(), (Code::NotFound, "COURSE_NOT_FOUND"));
    ann.publish("rust").await.unwrap();
    assert_eq!(world.anyone().instructors("rust").await.unwrap(), ["ann"]);
}

async fn an_instructor_adds_another(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob) = (world.staff("ann"), world.staff("bob"));
    let before = ann.create("Rust").await.unwrap();
    let added = ann.add("rust", bob.id).await.unwrap();
    assert_eq!(
        (added.id, added.username),
        (bob.id.to_string(), "bob@example.org".to_owned())
    );
    assert_eq!(ann.instructors("rust").await.unwrap(), ["ann", "bob"]);
    assert_ne!(ann.get("rust").await.unwrap().etag, before.etag);
    // Now bob is as good an instructor as ann.
    bob.publish("rust").await.unwrap();
    bob.remove("rust", ann.id).await.unwrap();
    assert_eq!(bob.instructors("rust").await.unwrap(), ["bob"]);
    let refused = ann.remove("rust", bob.id).await.unwrap_err();
    assert_eq!(refused.what(), (Code::PermissionDenied, "INSTRUCTOR_REQUIRED"));
}

async fn adding_twice_changes_nothing(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob) = (world.staff("ann"), world.staff("bob"));
    ann.create("Rust").await.unwrap();
    let first = ann.add("rust", bob.id).await.unwrap();
    let course = ann.get("rust").await.unwrap();
    world.auth.change(bob.id, |user| user.is_staff = false);
    assert_eq!(ann.add("rust", bob.id).await.unwrap(), first);
    assert_eq!(ann.get("rust").await.unwrap(), course);
}

async fn who_is_added_has_to_be_active_staff(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob) = (world.staff("ann"), world.staff("bob"));
    ann.create("Rust").await.unwrap();
    let refused = ann.add("rust", world.user("ben").id).await.unwrap_err();
    assert_eq!(refused.what(), (Code::PermissionDenied, "INSTRUCTOR_NOT_STAFF"));
    assert_eq!(refused.message, "Instructors have to be administrators");
    world.auth.change(bob.id, |user| user.is_active = false);
    let refused = ann.add("rust", bob.id).await.unwrap_err();
    assert_eq!(refused.what(), (Code::PermissionDenied, "INSTRUCTOR_NOT_STAFF"));
    assert_eq!(ann.instructors("rust").await.unwrap(), ["ann"]);
}

async fn a_user_id_has_to_be_somebodys(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.create("Rust").await.unwrap();
    let braced = format!("{{{}}}", ann.id);
    for user_id in [
        "",
        "bob",
        "0",
        "\0",
        &braced,
        &ann.id.simple().to_string(),
        &Uuid::nil().to_string(),
    ] {
        let refused = ann.add("rust", user_id).await.unwrap_err();
        assert_eq!(
            (refused.code, refused.field_names()),
            (Code::InvalidArgument, vec!["user_id"]),
            "{user_id:?}"
        );
    }
}

async fn only_instructors_change_instructors(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob, ben) = (world.staff("ann"), world.staff("bob"), world.user("ben"));
    ann.create("Rust").await.unwrap();
    let refused = world.anyone().add("rust", bob.id).await.unwrap_err();
    assert_eq!(refused.what(), (Code::Unauthenticated, "TOKEN_REQUIRED"));
    let refused = world.anyone().remove("rust", ann.id).await.unwrap_err();
    assert_eq!(refused.what(), (Code::Unauthenticated, "TOKEN_REQUIRED"));
    // Of a draft others do not even learn that it is there.
    let refused = ben.add("rust", ben.id).await.unwrap_err();
    assert_eq!(refused.what(), (Code::NotFound, "COURSE_NOT_FOUND"));
    ann.publish("rust").await.unwrap();
    for other in [&bob, &ben] {
        let refused = other.add("rust", "nonsense").await.unwrap_err();
        assert_eq!(refused.what(), (Code::PermissionDenied, "INSTRUCTOR_REQUIRED"));
        let refused = other.remove("rust", ann.id).await.unwrap_err();
        assert_eq!(refused.what(), (Code::PermissionDenied, "INSTRUCTOR_REQUIRED"));
    }
    world.auth.change(ann.id, |user| user.is_staff = false);
    let refused = ann.add("rust", bob.id).await.unwrap_err();
    assert_eq!(refused.what(), (Code::PermissionDenied, "INSTRUCTOR_REQUIRED"));
}

async fn the_last_instructor_stays(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.create("Rust").await.unwrap();
    let refused = ann.remove("rust", ann.id).await.unwrap_err();
    assert_eq!(refused.what(), (Code::FailedPrecondition, "LAST_INSTRUCTOR"));
    assert_eq!(ann.instructors("rust").await.unwrap(), ["ann"]);
}

async fn who_does_not_teach_cannot_be_removed(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob) = (world.staff("ann"), world.staff("bob"));
    ann.create("Rust").await.unwrap();
    for user_id in [bob.id.to_string(), "nonsense".to_owned(), String::new()] {
        let refused = ann.remove("rust", user_id).await.unwrap_err();
        assert_eq!(refused.what(), (Code::NotFound, "INSTRUCTOR_NOT_FOUND"));
    }
}

async fn instructors_come_in_pages(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.create("Rust").await.unwrap();
    let mut others = Vec::new();
    for number in 1..5 {
        let other = world.staff(&format!("bob{number}"));
        ann.add("rust", other.id).await.unwrap();
        others.push(other);
    }
    let page = |size, token: &str| ListInstructorsRequest {
        slug: "rust".to_owned(),
        page_size: size,
        page_token: token.to_owned(),
    };
    let first = ann.list_instructors(page(2, "")).await.unwrap();
    // The one the page ended with leaves; the next page still begins after them.
    ann.remove("rust", others[0].id).await.unwrap();
    let second = ann
        .list_instructors(page(2, &first.next_page_token))
        .await
        .unwrap();
    let third = ann
        .list_instructors(page(2, &second.next_page_token))
        .await
        .unwrap();
    let names: Vec<_> = [first, second, third.clone()]
        .into_iter()
        .flat_map(|page| page.instructors)
        .map(|one| one.first_name)
        .collect();
    assert_eq!(names, ["ann", "bob1", "bob2", "bob3", "bob4"]);
    assert_eq!(third.next_page_token, "");
    let refused = ann.list_instructors(page(-1, "made-up")).await.unwrap_err();
    assert_eq!(refused.field_names(), ["page_size", "page_token"]);
}

async fn a_page_skips_nobody_who_came_later(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob) = (world.staff("ann"), world.staff("bob"));
    let (cy, dee) = (world.staff("cy"), world.staff("dee"));
    ann.create("Rust").await.unwrap();
    ann.add("rust", bob.id).await.unwrap();
    ann.add("rust", cy.id).await.unwrap();
    let first = ListInstructorsRequest {
        slug: "rust".to_owned(),
        page_size: 2,
        ..ListInstructorsRequest::default()
    };
    let page_token = ann.list_instructors(first.clone()).await.unwrap().next_page_token;
    ann.remove("rust", cy.id).await.unwrap();
    ann.remove("rust", bob.id).await.unwrap();
    ann.add("rust", dee.id).await.unwrap();
    let second = ListInstructorsRequest { page_token, ..first };
    let second = ann.list_instructors(second).await.unwrap().instructors;
    assert_eq!(second.len(), 1);
    assert_eq!(second[0].id, dee.id.to_string());
}

async fn a_retry_with_the_same_key_adds_once(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob, cy) = (world.staff("ann"), world.staff("bob"), world.staff("cy"));
    ann.create("Rust").await.unwrap();
    let add = |user_id: Uuid| AddInstructorRequest {
        slug: "rust".to_owned(),
        user_id: user_id.to_string(),
        request_id: "key-1".to_owned(),
    };
    let first = ann.add_instructor(add(bob.id)).await.unwrap();
    assert_eq!(ann.add_instructor(add(bob.id)).await.unwrap(), first);
    // The first answer, not the effect, is what a retry gets: bob has left since.
    ann.remove("rust", bob.id).await.unwrap();
    assert_eq!(ann.add_instructor(add(bob.id)).await.unwrap(), first);
    assert_eq!(ann.instructors("rust").await.unwrap(), ["ann"]);
    let refused = ann.add_instructor(add(cy.id)).await.unwrap_err();
    assert_eq!(refused.what(), (Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED"));
}

async fn a_course_has_at_most_a_hundred_instructors(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.create("Rust").await.unwrap();
    for number in 1..100 {
        ann.add("rust", world.staff(&format!("bob{number}")).id)
            .await
            .unwrap();
    }
    let refused = ann.add("rust", world.staff("cy").id).await.unwrap_err();
    assert_eq!(refused.what(), (Code::FailedPrecondition, "TOO_MANY_INSTRUCTORS"));
    assert_eq!(ann.get("rust").await.unwrap().instructors.len(), 100);
}
