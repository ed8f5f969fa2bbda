//! GetCourse: a course is there for those who may see it, under its present slug.

use proto::course::v1::Course;
use tonic::Code;

use crate::{
    support::{Place, on_both},
    world::World,
};

on_both![
    drafts_and_archived_courses_are_seen_by_staff_alone,
    a_former_slug_names_the_present_one,
    a_former_slug_of_a_hidden_course_says_nothing,
    what_is_no_slug_is_no_course,
    a_write_is_visible_to_the_next_read,
];

async fn drafts_and_archived_courses_are_seen_by_staff_alone(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob, ben) = (world.staff("ann"), world.staff("bob"), world.user("ben"));
    ann.create("Rust").await.unwrap();
    for published in [false, true, false] {
        if published {
            ann.publish("rust").await.unwrap();
        } else {
            let archived = Course {
                is_archived: true,
                ..Course::default()
            };
            ann.update("rust", &["is_archived"], archived).await.unwrap();
        }
        for caller in [&ann, &bob] {
            assert_eq!(caller.get("rust").await.unwrap().is_published, published);
        }
        for caller in [world.anyone(), ben.clone()] {
            match caller.get("rust").await {
                Ok(_) => assert!(published),
                Err(refused) => {
                    assert!(!published);
                    assert_eq!(refused.what(), (Code::NotFound, "COURSE_NOT_FOUND"));
                }
            }
        }
    }
    let refused = world.impostor().get("rust").await.unwrap_err();
    assert_eq!(refused.what(), (Code::Unauthenticated, "TOKEN_INVALID"));
}

async fn a_former_slug_names_the_present_one(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.create("Rust").await.unwrap();
    ann.publish("rust").await.unwrap();
    let to = |slug: &str| Course {
        slug: slug.to_owned(),
        ..Course::default()
    };
    ann.update("rust", &["slug"], to("ferris")).await.unwrap();
    ann.update("ferris", &["slug"], to("crab")).await.unwrap();
    for former in ["rust", "ferris"] {
        let refused = world.anyone().get(former).await.unwrap_err();
        assert_eq!(refused.what(), (Code::NotFound, "SLUG_CHANGED"));
        assert_eq!(refused.metadata["canonical_slug"], "crab");
    }
    assert_eq!(world.anyone().get("crab").await.unwrap().slug, "crab");
    let refused = ann.update("rust", &[], Course::default()).await.unwrap_err();
    assert_eq!(refused.what(), (Code::NotFound, "SLUG_CHANGED"));
    let refused = ann.instructors("rust").await.unwrap_err();
    assert_eq!(refused.what(), (Code::NotFound, "SLUG_CHANGED"));
}

async fn a_former_slug_of_a_hidden_course_says_nothing(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.create("Rust").await.unwrap();
    let secret = Course {
        slug: "secret".to_owned(),
        ..Course::default()
    };
    ann.update("rust", &["slug"], secret).await.unwrap();
    let refused = world.anyone().get("rust").await.unwrap_err();
    assert_eq!(refused.what(), (Code::NotFound, "COURSE_NOT_FOUND"));
    assert!(refused.metadata.is_empty());
}

async fn what_is_no_slug_is_no_course(place: &Place) {
    let world = World::at(place).await;
    let long = "a".repeat(500_000);
    for slug in [
        "",
        "nothing",
        "A",
        "../etc",
        "a\0b",
        "%",
        "' OR 1=1 --",
        "новый",
        &long,
    ] {
        let refused = world.anyone().get(slug).await.unwrap_err();
        assert_eq!(refused.what(), (Code::NotFound, "COURSE_NOT_FOUND"));
    }
}

async fn a_write_is_visible_to_the_next_read(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.create("Rust").await.unwrap();
    for number in 0..20 {
        let course = Course {
            description: format!("{number}"),
            ..Course::default()
        };
        let written = ann.update("rust", &["description"], course).await.unwrap();
        assert_eq!(ann.get("rust").await.unwrap(), written);
    }
}
