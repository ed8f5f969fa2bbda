//! UpdateCourse: instructors who are staff change exactly the fields they name, on the version they name.

use proto::course::v1::{Course, UpdateCourseRequest};
use tonic::Code;

use crate::{
    support::{Place, on_both},
    world::{World, update},
};

on_both![
    exactly_the_named_fields_change,
    only_instructors_who_are_staff_update,
    a_mask_is_required_and_names_writable_fields,
    an_empty_mask_changes_nothing,
    every_bad_field_is_named,
    prices_are_settled_against_the_course,
    states_follow_the_flags,
    a_contradiction_names_the_flags,
    an_etag_that_no_longer_matches_changes_nothing,
    taken_titles_and_slugs_are_told_apart,
    a_course_can_take_back_its_former_slug,
];

async fn exactly_the_named_fields_change(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    let before = ann.create("Rust").await.unwrap();
    let everything = Course {
        title: "Go".to_owned(),
        subtitle: Some("goes".to_owned()),
        slug: "gopher".to_owned(),
        description: "None of it.".to_owned(),
        price: "5".to_owned(),
        is_free: true,
        is_archived: true,
        ..Course::default()
    };
    let after = ann.update("rust", &["title"], everything.clone()).await.unwrap();
    assert_ne!(after.etag, before.etag);
    assert_ne!(after.updated_at, before.updated_at);
    let expected = Course {
        title: "Go".to_owned(),
        etag: after.etag.clone(),
        updated_at: after.updated_at,
        ..before
    };
    assert_eq!(after, expected);

    let mask = ["subtitle", "slug", "description", "price", "is_archived"];
    let all = ann.update("rust", &mask, everything).await.unwrap();
    assert_eq!(all.subtitle.as_deref(), Some("goes"));
    assert_eq!(
        (all.slug.as_str(), all.price.as_str(), all.is_archived),
        ("gopher", "5.00", true)
    );
    let cleared = ann
        .update("gopher", &["subtitle"], Course::default())
        .await
        .unwrap();
    assert_eq!(cleared.subtitle, None);
}

async fn only_instructors_who_are_staff_update(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob, ben) = (world.staff("ann"), world.staff("bob"), world.user("ben"));
    ann.create("Rust").await.unwrap();
    ann.publish("rust").await.unwrap();
    let refused = world
        .anyone()
        .update("nothing", &[], Course::default())
        .await
        .unwrap_err();
    assert_eq!(refused.what(), (Code::Unauthenticated, "TOKEN_REQUIRED"));
    let refused = ben.update("nothing", &[], Course::default()).await.unwrap_err();
    assert_eq!(refused.what(), (Code::NotFound, "COURSE_NOT_FOUND"));
    for other in [&bob, &ben] {
        // Rights come before what is wrong with the input.
        let refused = other
            .update("rust", &["nonsense"], Course::default())
            .await
            .unwrap_err();
        assert_eq!(refused.what(), (Code::PermissionDenied, "INSTRUCTOR_REQUIRED"));
        assert_eq!(
            refused.message,
            "Only an instructor of a course can update a course"
        );
    }
    // Rights are what they are now, not when the course was created.
    world.auth.change(ann.id, |user| user.is_staff = false);
    let refused = ann.update("rust", &[], Course::default()).await.unwrap_err();
    assert_eq!(refused.what(), (Code::PermissionDenied, "INSTRUCTOR_REQUIRED"));
    world.auth.change(ann.id, |user| user.is_active = false);
    let refused = ann.update("rust", &[], Course::default()).await.unwrap_err();
    assert_eq!(refused.what(), (Code::Unauthenticated, "TOKEN_INVALID"));
}

async fn a_mask_is_required_and_names_writable_fields(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    let before = ann.create("Rust").await.unwrap();
    let without = UpdateCourseRequest {
        update_mask: None,
        ..update("rust", &[], Course::default())
    };
    let refused = ann.update_course(without).await.unwrap_err();
    assert_eq!(
        (refused.code, refused.field_names()),
        (Code::InvalidArgument, vec!["update_mask"])
    );
    let mask = [
        "id",
        "etag",
        "instructors",
        "created_at",
        "colour",
        "",
        "*",
        "Title",
    ];
    let refused = ann.update("rust", &mask, Course::default()).await.unwrap_err();
    assert_eq!(refused.field_names(), mask);
    assert_eq!(refused.fields[0].1, "This field is read-only.");
    assert_eq!(refused.fields[4].1, "There is no such field.");
    let long = "x".repeat(100_000);
    for mask in [vec!["title"; 10_000], vec![long.as_str()]] {
        let refused = ann.update("rust", &mask, Course::default()).await.unwrap_err();
        assert_eq!(
            (refused.code, refused.field_names()),
            (Code::InvalidArgument, vec!["update_mask"])
        );
    }
    assert_eq!(ann.get("rust").await.unwrap(), before);
}

async fn an_empty_mask_changes_nothing(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    let before = ann.create("Rust").await.unwrap();
    let ignored = Course {
        title: "Go".to_owned(),
        ..Course::default()
    };
    assert_eq!(ann.update("rust", &[], ignored).await.unwrap(), before);
    // Nor does saying what is so already.
    assert_eq!(
        ann.update("rust", &["title", "price"], before.clone())
            .await
            .unwrap(),
        before
    );
    let without_course = UpdateCourseRequest {
        course: None,
        ..update("rust", &[], Course::default())
    };
    assert_eq!(ann.update_course(without_course).await.unwrap(), before);
}

async fn every_bad_field_is_named(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    let before = ann.create("Rust").await.unwrap();
    let bad = Course {
        subtitle: Some("a\nb".to_owned()),
        slug: "No Slug".to_owned(),
        price: "-1".to_owned(),
        is_draft: true,
        is_published: true,
        ..Course::default()
    };
    let mask = [
        "id",
        "title",
        "subtitle",
        "slug",
        "description",
        "price",
        "is_draft",
        "is_published",
    ];
    let refused = ann.update("rust", &mask, bad).await.unwrap_err();
    assert_eq!(refused.field_names(), mask);
    assert_eq!(ann.get("rust").await.unwrap(), before);
}

async fn prices_are_settled_against_the_course(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.create("Rust").await.unwrap();
    let says = |price: &str, is_free| Course {
        price: price.to_owned(),
        is_free,
        ..Course::default()
    };
    // Each row changes the course that the row before left.
    for (mask, price, is_free, expected) in [
        (&["price"][..], "0", false, None),
        (&["price"], "", false, None),
        (&["is_free"], "", false, Some("10.99")),
        (&["is_free"], "", true, Some("0.00")),
        (&["price"], "0", false, Some("0.00")),
        (&["is_free"], "", false, None),
        (&["price", "is_free"], "0", false, None),
        (&["price", "is_free"], "7.5", true, Some("7.50")),
        (&["price", "is_free"], "0", true, Some("0.00")),
        (&["price"], "3", false, Some("3.00")),
    ] {
        match (ann.update("rust", mask, says(price, is_free)).await, expected) {
            (Ok(course), Some(expected)) => {
                assert_eq!(
                    (course.price.as_str(), course.is_free),
                    (expected, expected == "0.00")
                );
            }
            (Err(refused), None) => {
                assert_eq!(
                    refused.fields,
                    [("price".to_owned(), "Course price is required".to_owned())]
                );
            }
            (got, _) => panic!("{mask:?} {price:?} {is_free}: {got:?}"),
        }
    }
}

async fn states_follow_the_flags(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.create("Rust").await.unwrap();
    let flags = |is_draft, is_published, is_archived| Course {
        is_draft,
        is_published,
        is_archived,
        ..Course::default()
    };
    for (mask, wanted, expected) in [
        (
            &["is_published"][..],
            flags(false, true, false),
            (false, true, false),
        ),
        (
            &["is_draft", "is_archived"],
            flags(false, false, true),
            (false, false, true),
        ),
        (
            &["is_published", "is_archived"],
            flags(false, false, false),
            (true, false, false),
        ),
        (
            &["is_draft", "is_published", "is_archived"],
            flags(false, true, false),
            (false, true, false),
        ),
        (&["is_draft"], flags(false, false, false), (false, true, false)),
    ] {
        let course = ann.update("rust", mask, wanted).await.unwrap();
        assert_eq!(
            (course.is_draft, course.is_published, course.is_archived),
            expected,
            "{mask:?}"
        );
    }
}

async fn a_contradiction_names_the_flags(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    let before = ann.create("Rust").await.unwrap();
    let both = Course {
        is_published: true,
        is_archived: true,
        ..Course::default()
    };
    let refused = ann
        .update("rust", &["is_published", "is_archived"], both)
        .await
        .unwrap_err();
    assert_eq!(refused.field_names(), ["is_published", "is_archived"]);
    assert_eq!(
        refused.message,
        "A course is exactly one of draft, published and archived"
    );
    let refused = ann
        .update("rust", &["is_draft"], Course::default())
        .await
        .unwrap_err();
    assert_eq!(refused.field_names(), ["is_draft"]);
    assert_eq!(ann.get("rust").await.unwrap(), before);
}

async fn an_etag_that_no_longer_matches_changes_nothing(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    let first = ann.create("Rust").await.unwrap();
    let described = |text: &str, etag: &str| UpdateCourseRequest {
        etag: etag.to_owned(),
        ..update(
            "rust",
            &["description"],
            Course {
                description: text.to_owned(),
                ..Course::default()
            },
        )
    };
    let second = ann.update_course(described("second", &first.etag)).await.unwrap();
    for stale in [first.etag.as_str(), "\"x\"", "*", "\0"] {
        let refused = ann.update_course(described("third", stale)).await.unwrap_err();
        assert_eq!(refused.what(), (Code::Aborted, "ETAG_MISMATCH"));
    }
    assert_eq!(ann.get("rust").await.unwrap(), second);
    // Who teaches is part of the representation.
    ann.add("rust", world.staff("bob").id).await.unwrap();
    let refused = ann
        .update_course(described("third", &second.etag))
        .await
        .unwrap_err();
    assert_eq!(refused.what(), (Code::Aborted, "ETAG_MISMATCH"));
    let third = ann.get("rust").await.unwrap();
    ann.update_course(described("third", &third.etag)).await.unwrap();
}

async fn taken_titles_and_slugs_are_told_apart(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.create("Rust").await.unwrap();
    let go = ann.create("Go").await.unwrap();
    let titled = Course {
        title: "RUST".to_owned(),
        ..Course::default()
    };
    let refused = ann.update("go", &["title"], titled).await.unwrap_err();
    assert_eq!(refused.what(), (Code::AlreadyExists, "TITLE_TAKEN"));
    assert_eq!(refused.field_names(), ["title"]);
    let renamed = |slug: &str| Course {
        slug: slug.to_owned(),
        ..Course::default()
    };
    ann.update("rust", &["slug"], renamed("ferris")).await.unwrap();
    for taken in ["ferris", "rust"] {
        let refused = ann.update("go", &["slug"], renamed(taken)).await.unwrap_err();
        assert_eq!(refused.what(), (Code::AlreadyExists, "SLUG_TAKEN"));
        assert_eq!(refused.field_names(), ["slug"]);
    }
    assert_eq!(ann.get("go").await.unwrap(), go);
}

async fn a_course_can_take_back_its_former_slug(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.create("Rust").await.unwrap();
    let renamed = |slug: &str| Course {
        slug: slug.to_owned(),
        ..Course::default()
    };
    ann.update("rust", &["slug"], renamed("ferris")).await.unwrap();
    ann.update("ferris", &["slug"], renamed("rust")).await.unwrap();
    assert_eq!(ann.get("rust").await.unwrap().slug, "rust");
    let refused = ann.get("ferris").await.unwrap_err();
    assert_eq!(refused.metadata["canonical_slug"], "rust");
}
