//! CreateCourse: staff make drafts, and hear everything that is wrong at once.

use proto::course::v1::CreateCourseRequest;
use tonic::Code;

use crate::{
    support::{Place, on_both},
    world::{World, new_course},
};

on_both![
    a_new_course_is_a_draft_of_its_creator,
    only_staff_create,
    every_missing_field_is_named,
    a_title_is_taken_in_any_case,
    prices_follow_their_rules,
    flags_may_only_say_draft,
    limits_are_counted_in_characters,
    a_retry_with_the_same_key_creates_once,
    a_key_belongs_to_one_caller_and_one_input,
    a_bad_key_is_a_field_error,
];

async fn a_new_course_is_a_draft_of_its_creator(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    let message = CreateCourseRequest {
        subtitle: Some("  Fast  ".to_owned()),
        ..new_course("  Привет, Rust! ")
    };
    let course = ann.create_course(message).await.unwrap();
    assert_eq!(course.title, "Привет, Rust!");
    assert_eq!(course.subtitle.as_deref(), Some("Fast"));
    assert_eq!(course.slug, "privet-rust");
    assert_eq!(
        (course.price.as_str(), course.currency.as_str(), course.is_free),
        ("10.99", "USD", false)
    );
    assert_eq!(
        (course.is_draft, course.is_published, course.is_archived),
        (true, false, false)
    );
    assert_eq!((course.student_count, course.lecture_count), (0, 0));
    let instructor = &course.instructors[0];
    assert_eq!(
        (course.instructors.len(), instructor.id.clone()),
        (1, ann.id.to_string())
    );
    assert_eq!(
        (instructor.username.as_str(), instructor.first_name.as_str()),
        ("ann@example.org", "ann")
    );
    assert!(!course.etag.is_empty());
    assert!(course.created_at.is_some() && course.created_at == course.updated_at);
    assert_eq!(ann.get("privet-rust").await.unwrap(), course);
}

async fn only_staff_create(place: &Place) {
    let world = World::at(place).await;
    let refused = world.anyone().create("Rust").await.unwrap_err();
    assert_eq!(refused.what(), (Code::Unauthenticated, "TOKEN_REQUIRED"));
    let refused = world.impostor().create("Rust").await.unwrap_err();
    assert_eq!(refused.what(), (Code::Unauthenticated, "TOKEN_INVALID"));
    // Rights come before what is wrong with the input.
    let refused = world.user("ben").create("").await.unwrap_err();
    assert_eq!(refused.what(), (Code::PermissionDenied, "STAFF_REQUIRED"));
    assert_eq!(
        refused.message,
        "Must be logged in as administrator to create a course"
    );
}

async fn every_missing_field_is_named(place: &Place) {
    let world = World::at(place).await;
    let refused = world
        .staff("ann")
        .create_course(CreateCourseRequest::default())
        .await
        .unwrap_err();
    assert_eq!(refused.what(), (Code::InvalidArgument, "INVALID_FIELDS"));
    assert_eq!(refused.message, "Course title is required");
    let said: Vec<_> = refused
        .fields
        .iter()
        .map(|(field, message)| (field.as_str(), message.as_str()))
        .collect();
    let expected = [
        ("title", "Course title is required"),
        ("description", "Course description is required"),
        ("price", "Course price is required"),
    ];
    assert_eq!(said, expected);
}

async fn a_title_is_taken_in_any_case(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.create("Étude").await.unwrap();
    let refused = ann.create("E\u{301}TUDE").await.unwrap_err();
    assert_eq!(refused.what(), (Code::AlreadyExists, "TITLE_TAKEN"));
    assert_eq!(refused.message, "A course with this title already exists");
    assert_eq!(refused.field_names(), ["title"]);
}

async fn prices_follow_their_rules(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    for (number, (price, is_free, expected)) in [
        ("10.9", false, Some("10.90")),
        ("10.90", true, Some("10.90")),
        ("0", true, Some("0.00")),
        ("", true, Some("0.00")),
        ("999999.99", false, Some("999999.99")),
        ("0.00", false, None),
        ("", false, None),
        ("1000000", false, None),
        ("-1", false, None),
        ("1e3", true, None),
        ("1,00", false, None),
        (" 1", false, None),
        ("٣", false, None),
    ]
    .into_iter()
    .enumerate()
    {
        let message = CreateCourseRequest {
            price: price.to_owned(),
            is_free,
            ..new_course(&format!("Course {number}"))
        };
        match (ann.create_course(message).await, expected) {
            (Ok(course), Some(expected)) => {
                assert_eq!(course.price, expected);
                assert_eq!(course.is_free, expected == "0.00");
            }
            (Err(refused), None) => assert_eq!(refused.field_names(), ["price"], "{price:?}"),
            (got, _) => panic!("{price:?} {is_free}: {got:?}"),
        }
    }
}

async fn flags_may_only_say_draft(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    let draft = CreateCourseRequest {
        is_draft: Some(true),
        is_published: Some(false),
        ..new_course("Rust")
    };
    assert!(ann.create_course(draft).await.unwrap().is_draft);
    let published = CreateCourseRequest {
        is_published: Some(true),
        ..new_course("Go")
    };
    let refused = ann.create_course(published).await.unwrap_err();
    assert_eq!(
        refused.fields,
        [("is_published".to_owned(), "A new course is a draft.".to_owned())]
    );
}

async fn limits_are_counted_in_characters(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    let full = CreateCourseRequest {
        title: "é".repeat(300),
        subtitle: Some("🦀".repeat(300)),
        description: "🦀".repeat(30_000),
        ..new_course("")
    };
    let course = ann.create_course(full.clone()).await.unwrap();
    assert_eq!(course.description.chars().count(), 30_000);
    assert_eq!(course.slug.len(), 200);
    let beyond = CreateCourseRequest {
        title: "é".repeat(301),
        subtitle: Some("é".repeat(301)),
        description: "é".repeat(30_001),
        ..full
    };
    let refused = ann.create_course(beyond).await.unwrap_err();
    assert_eq!(refused.field_names(), ["title", "subtitle", "description"]);
}

async fn a_retry_with_the_same_key_creates_once(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    let message = CreateCourseRequest {
        request_id: "key-1".to_owned(),
        ..new_course("Rust")
    };
    let first = ann.create_course(message.clone()).await.unwrap();
    // What happened since does not change the first answer.
    ann.publish("rust").await.unwrap();
    assert_eq!(ann.create_course(message).await.unwrap(), first);
}

async fn a_key_belongs_to_one_caller_and_one_input(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob) = (world.staff("ann"), world.staff("bob"));
    let with_key = |title: &str| CreateCourseRequest {
        request_id: "key-1".to_owned(),
        ..new_course(title)
    };
    ann.create_course(with_key("Rust")).await.unwrap();
    let refused = ann.create_course(with_key("Go")).await.unwrap_err();
    assert_eq!(refused.what(), (Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED"));
    assert_eq!(bob.create_course(with_key("Go")).await.unwrap().title, "Go");
}

async fn a_bad_key_is_a_field_error(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    for request_id in [
        "x".repeat(256),
        "a b".to_owned(),
        "é".to_owned(),
        "a\0b".to_owned(),
    ] {
        let refused = ann
            .create_course(CreateCourseRequest {
                request_id: request_id.clone(),
                ..new_course("")
            })
            .await
            .unwrap_err();
        assert_eq!(refused.field_names(), ["title", "request_id"], "{request_id:?}");
    }
    let longest = CreateCourseRequest {
        request_id: "x".repeat(255),
        ..new_course("Rust")
    };
    ann.create_course(longest).await.unwrap();
}
