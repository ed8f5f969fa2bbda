//! Input made to hurt: a clear refusal each, never an INTERNAL, never a hang, and the service lives on.

use proto::course::v1::{AddInstructorRequest, Course, CreateCourseRequest, ListCoursesRequest};
use tonic::Code;

use crate::{
    support::{Place, on_both},
    world::{World, new_course, update},
};

on_both![
    odd_text_is_kept_or_refused,
    any_text_anywhere_is_no_bug,
    too_large_a_message_is_refused,
    bearer_tokens_are_one_word,
    many_similar_titles_get_their_own_slugs,
];

/// Texts that broke somebody's software once.
const ODD: [&str; 16] = [
    "\0",
    "a\0b",
    "\u{202e}gnp.exe",
    "\u{feff}",
    "\u{fffd}",
    "\u{10ffff}",
    "e\u{301}\u{301}\u{301}",
    "\u{fdfa}",
    "ﬀ",
    "İ",
    "ß",
    "' OR '1'='1",
    "\\",
    "%_%",
    "{{7*7}}",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
];

async fn odd_text_is_kept_or_refused(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    for (number, odd) in ODD.iter().enumerate() {
        let message = CreateCourseRequest {
            title: format!("{number} {odd}"),
            subtitle: Some(format!("x{odd}x")),
            description: format!("x{odd}x"),
            ..new_course("")
        };
        match ann.create_course(message).await {
            Ok(course) => {
                assert_eq!(course.description, format!("x{odd}x"));
                assert_eq!(ann.get(&course.slug).await.unwrap(), course);
            }
            Err(refused) => {
                // Nothing holds it, or nothing that is one line and reads as it is written.
                let turns = |letter| matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
                let fields: &[&str] = match odd.contains('\0') {
                    true => &["title", "subtitle", "description"],
                    false if odd.contains(turns) => &["title", "subtitle"],
                    false => panic!("{odd:?}: {refused:?}"),
                };
                assert_eq!(refused.field_names(), fields, "{odd:?}");
            }
        }
    }
    // What folds to much more than was written still fits every index.
    ann.create(&"\u{fdfa}".repeat(300)).await.unwrap();
    ann.create(&"\u{1f468}".repeat(300)).await.unwrap();
    let mut request = ListCoursesRequest {
        page_size: 1,
        order_by: "title".to_owned(),
        ..Default::default()
    };
    loop {
        let page = ann.list_courses(request.clone()).await.unwrap();
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
}

async fn any_text_anywhere_is_no_bug(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.create("Rust").await.unwrap();
    let long = "é".repeat(100_000);
    for odd in ODD.iter().copied().chain([long.as_str()]) {
        let text = odd.to_owned();
        let course = Course {
            title: text.clone(),
            slug: text.clone(),
            price: text.clone(),
            subtitle: Some(text.clone()),
            ..Course::default()
        };
        let add = AddInstructorRequest {
            slug: "rust".to_owned(),
            user_id: text.clone(),
            request_id: text.clone(),
        };
        let answers = [
            ann.update_course(update("rust", &["slug", "price"], course.clone()))
                .await
                .map(drop),
            ann.update_course(update(odd, &["title"], course)).await.map(drop),
            ann.add_instructor(add).await.map(drop),
            ann.remove(odd, odd).await,
            ann.get(odd).await.map(drop),
            ann.list_courses(ListCoursesRequest {
                instructor: text.clone(),
                ..Default::default()
            })
            .await
            .map(drop),
            ann.list_courses(ListCoursesRequest {
                order_by: text.clone(),
                ..Default::default()
            })
            .await
            .map(drop),
            ann.list_courses(ListCoursesRequest {
                page_token: text.clone(),
                ..Default::default()
            })
            .await
            .map(drop),
        ];
        for (number, answer) in answers.into_iter().enumerate() {
            let refused = answer.expect_err(odd);
            assert!(
                matches!(refused.code, Code::InvalidArgument | Code::NotFound),
                "{number} of {odd:?}: {refused:?}"
            );
        }
        let search = ListCoursesRequest {
            search: text,
            ..Default::default()
        };
        if let Err(refused) = ann.list_courses(search).await {
            assert_eq!(
                (refused.code, refused.field_names()),
                (Code::InvalidArgument, vec!["search"])
            );
        }
    }
    assert_eq!(ann.get("rust").await.unwrap().title, "Rust");
}

async fn too_large_a_message_is_refused(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    let message = CreateCourseRequest {
        description: "x".repeat(2 * 1024 * 1024),
        ..new_course("Rust")
    };
    let refused = ann.create_course(message).await.unwrap_err();
    assert_eq!(
        (refused.code, &*refused.reason),
        (Code::OutOfRange, "MESSAGE_TOO_LARGE")
    );
    ann.create("Rust").await.unwrap();
}

async fn bearer_tokens_are_one_word(place: &Place) {
    let world = World::at(place).await;
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "token-of-ann",
        "Bearer a b",
        "bearer\ttoken-of-ann",
    ] {
        let mut request = world.anyone().request(ListCoursesRequest::default());
        request
            .metadata_mut()
            .insert("authorization", value.parse().unwrap());
        let status = world.anyone().client.list_courses(request).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{value:?}");
    }
    assert_eq!(world.auth.calls(), 0);
}

async fn many_similar_titles_get_their_own_slugs(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    let mut slugs = std::collections::BTreeSet::new();
    for number in 0..60 {
        let title = format!("Rust{}", "!".repeat(number));
        assert!(slugs.insert(ann.create(&title).await.unwrap().slug), "{title}");
    }
}
