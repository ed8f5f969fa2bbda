//! ListCourses: everyone pages through what they may see, in the order they ask for.

use proto::course::v1::{Course, ListCoursesRequest};
use tonic::Code;

use crate::{
    support::{Place, on_both},
    world::World,
};

on_both![
    everyone_sees_published_courses_and_staff_sees_all,
    the_newest_come_first_unless_asked_otherwise,
    filters_and_searches_narrow_a_list,
    pages_neither_repeat_nor_skip,
    a_page_token_belongs_to_one_list,
    sizes_are_defaulted_and_coerced,
    every_bad_parameter_is_named,
    a_user_id_has_one_form,
];

async fn world_with(place: &Place, titles: &[&str]) -> World {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    for title in titles {
        let course = ann.create(title).await.unwrap();
        ann.publish(&course.slug).await.unwrap();
    }
    world
}

fn ordered(order_by: &str) -> ListCoursesRequest {
    ListCoursesRequest {
        order_by: order_by.to_owned(),
        ..ListCoursesRequest::default()
    }
}

async fn everyone_sees_published_courses_and_staff_sees_all(place: &Place) {
    let world = world_with(place, &["Public"]).await;
    let (ann, bob, ben) = (world.staff("ann"), world.staff("bob"), world.user("ben"));
    ann.create("Draft").await.unwrap();
    ann.create("Archived").await.unwrap();
    for other in [world.anyone(), ben] {
        assert_eq!(other.titles(ordered("")).await.unwrap(), ["Public"]);
    }
    assert_eq!(
        bob.titles(ordered("")).await.unwrap(),
        ["Archived", "Draft", "Public"]
    );
    let refused = world.impostor().titles(ordered("")).await.unwrap_err();
    assert_eq!(refused.what(), (Code::Unauthenticated, "TOKEN_INVALID"));
}

async fn the_newest_come_first_unless_asked_otherwise(place: &Place) {
    let world = world_with(place, &["b", "Á", "c"]).await;
    let ann = world.staff("ann2");
    for (order, expected) in [
        ("", ["c", "Á", "b"]),
        ("created_at desc", ["c", "Á", "b"]),
        ("created_at", ["b", "Á", "c"]),
        ("title", ["Á", "b", "c"]),
        ("title desc", ["c", "b", "Á"]),
    ] {
        assert_eq!(ann.titles(ordered(order)).await.unwrap(), expected, "{order}");
    }
}

async fn filters_and_searches_narrow_a_list(place: &Place) {
    let world = world_with(place, &["Étude one", "Rust two"]).await;
    let bob = world.staff("bob");
    let course = bob.create("Étude three").await.unwrap();
    let free = Course {
        is_free: true,
        is_published: true,
        ..Course::default()
    };
    bob.update(&course.slug, &["is_free", "is_published"], free)
        .await
        .unwrap();
    let anyone = world.anyone();
    let search = |text: &str| ListCoursesRequest {
        search: text.to_owned(),
        ..ordered("")
    };
    assert_eq!(
        anyone.titles(search("ETUDE")).await.unwrap(),
        ["Étude three", "Étude one"]
    );
    assert_eq!(anyone.titles(search("two rust")).await.unwrap(), ["Rust two"]);
    assert!(anyone.titles(search("%")).await.unwrap().is_empty());
    assert_eq!(anyone.titles(search(" \0 ")).await.unwrap().len(), 3);
    let is_free = |flag| ListCoursesRequest {
        is_free: Some(flag),
        ..ordered("")
    };
    assert_eq!(anyone.titles(is_free(true)).await.unwrap(), ["Étude three"]);
    assert_eq!(
        anyone.titles(is_free(false)).await.unwrap(),
        ["Rust two", "Étude one"]
    );
    let by = |id: String| ListCoursesRequest {
        instructor: id,
        ..search("etude")
    };
    assert_eq!(
        anyone.titles(by(bob.id.to_string())).await.unwrap(),
        ["Étude three"]
    );
}

async fn pages_neither_repeat_nor_skip(place: &Place) {
    let titles: Vec<String> = (0..7).map(|number| format!("Rust {number}")).collect();
    let world = world_with(place, &titles.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (order_by, search) in [
        ("", ""),
        ("title", ""),
        ("title desc", "rust"),
        ("price", ""),
        ("", "rust"),
    ] {
        let mut request = ListCoursesRequest {
            page_size: 3,
            search: search.to_owned(),
            ..ordered(order_by)
        };
        let mut seen = Vec::new();
        loop {
            let page = world.anyone().list_courses(request.clone()).await.unwrap();
            seen.extend(page.courses.into_iter().map(|course| course.title));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        seen.sort();
        assert_eq!(seen, titles, "{order_by:?} {search:?}");
    }
}

async fn a_page_token_belongs_to_one_list(place: &Place) {
    let world = world_with(place, &["a", "b", "c"]).await;
    let anyone = world.anyone();
    let first = ListCoursesRequest {
        page_size: 1,
        ..ordered("")
    };
    let token = anyone.list_courses(first.clone()).await.unwrap().next_page_token;
    let next = ListCoursesRequest {
        page_token: token.clone(),
        ..first
    };
    // Another size is the same list.
    let larger = ListCoursesRequest {
        page_size: 2,
        ..next.clone()
    };
    assert_eq!(anyone.titles(larger).await.unwrap(), ["b", "a"]);
    for other in [
        ListCoursesRequest {
            order_by: "title".to_owned(),
            ..next.clone()
        },
        ListCoursesRequest {
            search: "a".to_owned(),
            ..next.clone()
        },
        ListCoursesRequest {
            is_free: Some(true),
            ..next.clone()
        },
        ListCoursesRequest {
            instructor: world.staff("x").id.to_string(),
            ..next.clone()
        },
        ListCoursesRequest {
            page_token: format!("{token}A"),
            ..next.clone()
        },
        ListCoursesRequest {
            page_token: "\0".to_owned(),
            ..next.clone()
        },
        ListCoursesRequest {
            page_token: "A".repeat(500_000),
            ..next.clone()
        },
    ] {
        let refused = anyone.list_courses(other).await.unwrap_err();
        assert_eq!(
            (refused.code, refused.field_names()),
            (Code::InvalidArgument, vec!["page_token"])
        );
    }
    // Staff see another list.
    let refused = world.staff("bob").list_courses(next).await.unwrap_err();
    assert_eq!(refused.field_names(), ["page_token"]);
}

async fn sizes_are_defaulted_and_coerced(place: &Place) {
    let titles: Vec<String> = (0..102).map(|number| format!("Course {number}")).collect();
    let world = World::at(place).await;
    let ann = world.staff("ann");
    for title in &titles {
        ann.create(title).await.unwrap();
    }
    for (size, expected) in [(0, 20), (1, 1), (100, 100), (101, 100), (i32::MAX, 100)] {
        let request = ListCoursesRequest {
            page_size: size,
            ..ordered("")
        };
        assert_eq!(ann.list_courses(request).await.unwrap().courses.len(), expected);
    }
}

async fn every_bad_parameter_is_named(place: &Place) {
    let world = World::at(place).await;
    let request = ListCoursesRequest {
        search: "a ".repeat(9),
        order_by: "id; DROP TABLE courses".to_owned(),
        instructor: "me".to_owned(),
        page_size: -1,
        ..ListCoursesRequest::default()
    };
    let refused = world.anyone().list_courses(request).await.unwrap_err();
    assert_eq!(
        refused.field_names(),
        ["search", "order_by", "instructor", "page_size"]
    );
    let long = ListCoursesRequest {
        search: "x".repeat(201),
        ..ordered("")
    };
    assert_eq!(
        world.anyone().list_courses(long).await.unwrap_err().field_names(),
        ["search"]
    );
}

async fn a_user_id_has_one_form(place: &Place) {
    let world = World::at(place).await;
    let id = world.staff("ann").id;
    for instructor in [
        format!("urn:uuid:{id}"),
        format!("{{{id}}}"),
        id.simple().to_string(),
        format!(" {id}"),
    ] {
        let request = ListCoursesRequest {
            instructor,
            ..ordered("")
        };
        let refused = world.anyone().list_courses(request).await.unwrap_err();
        assert_eq!(refused.field_names(), ["instructor"]);
    }
}
