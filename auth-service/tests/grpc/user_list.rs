//! `ListUsers`: search, order, pages.

use proto::auth::v1 as pb;

use crate::support::{Service, Session, as_user, refused};

async fn list(service: &Service, staff: &Session, request: pb::ListUsersRequest) -> pb::ListUsersResponse {
    let answer = service.users().list_users(as_user(&staff.access, request)).await;
    answer.unwrap().into_inner()
}

async fn with_users(count: usize) -> (Service, Session) {
    let service = Service::on_sqlite().await;
    let staff = service.staff("staff@example.org").await;
    for place in 0..count {
        service.clock.turn(chrono::TimeDelta::seconds(1));
        service.add_user(&format!("user{place:03}@example.org")).await;
    }
    (service, staff)
}

fn names(page: &pb::ListUsersResponse) -> Vec<&str> {
    page.users.iter().map(|user| user.username.as_str()).collect()
}

#[tokio::test]
async fn sizes_have_a_default_and_a_limit() {
    let (service, staff) = with_users(104).await;
    for (asked, got) in [(0, 20), (1, 1), (100, 100), (101, 100), (i32::MAX, 100)] {
        let request = pb::ListUsersRequest {
            page_size: asked,
            ..Default::default()
        };
        let page = list(&service, &staff, request).await;
        assert_eq!(page.users.len(), got, "{asked}");
        assert!(!page.next_page_token.is_empty());
    }
}

#[tokio::test]
async fn pages_cover_everybody_once_while_others_join() {
    let (service, staff) = with_users(11).await;
    let mut newcomers = 0;
    for order_by in ["", "date_joined", "date_joined desc", "username", "username desc"] {
        let mut seen = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = pb::ListUsersRequest {
                search: "user".to_owned(),
                order_by: order_by.to_owned(),
                page_size: 4,
                page_token,
            };
            let page = list(&service, &staff, request).await;
            seen.extend(page.users.into_iter().map(|user| user.username));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
            // Nobody whom the search finds: those would belong to some of the pages.
            newcomers += 1;
            let newcomer = format!("new{newcomers}@example.org");
            service.add_user(&newcomer).await;
        }
        let mut sorted = seen.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!((seen.len(), sorted.len()), (11, 11), "{order_by:?}");
        let descending = matches!(order_by, "" | "date_joined desc" | "username desc");
        let expected: Vec<_> = if descending {
            sorted.into_iter().rev().collect()
        } else {
            sorted
        };
        assert_eq!(seen, expected, "{order_by:?}");
    }
}

#[tokio::test]
async fn a_page_token_belongs_to_its_list() {
    let (service, staff) = with_users(3).await;
    let request = pb::ListUsersRequest {
        search: "user".to_owned(),
        page_size: 1,
        ..Default::default()
    };
    let token = list(&service, &staff, request.clone()).await.next_page_token;
    let with = |change: fn(&mut pb::ListUsersRequest), token: &str| {
        let mut request = pb::ListUsersRequest {
            page_token: token.to_owned(),
            ..request.clone()
        };
        change(&mut request);
        request
    };
    // Another size is no other list.
    let page = list(&service, &staff, with(|request| request.page_size = 2, &token)).await;
    assert_eq!(names(&page), ["user001@example.org", "user000@example.org"]);
    let mut flipped = token.clone().into_bytes();
    flipped[30] = if flipped[30] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).unwrap();
    for bad in [
        with(|request| request.search = "staff".to_owned(), &token),
        with(|request| request.search.clear(), &token),
        with(|request| request.order_by = "username".to_owned(), &token),
        with(|_| (), &flipped),
        with(|_| (), &token[..token.len() - 1]),
        with(|_| (), &format!("{token}=")),
        with(|_| (), "x"),
        with(|_| (), "\0"),
        with(|_| (), &"A".repeat(100_000)),
    ] {
        refused(service.users().list_users(as_user(&staff.access, bad)).await)
            .is_about(&[("page_token", "The page token is not valid for this list.")]);
    }
}

#[tokio::test]
async fn bad_queries_are_refused() {
    let (service, staff) = with_users(0).await;
    let order = "Users are ordered by date_joined or username.";
    let of = |search: &str, order_by: &str, page_size| pb::ListUsersRequest {
        search: search.to_owned(),
        order_by: order_by.to_owned(),
        page_size,
        page_token: String::new(),
    };
    for (request, field, sentence) in [
        (of("", "", -1), "page_size", "The page size must not be negative."),
        (
            of("", "", i32::MIN),
            "page_size",
            "The page size must not be negative.",
        ),
        (of("", "password_hash", 0), "order_by", order),
        (of("", "username asc", 0), "order_by", order),
        (of("", "USERNAME", 0), "order_by", order),
        (of("", "username; DROP TABLE users", 0), "order_by", order),
        (
            of(&"x".repeat(201), "", 0),
            "search",
            "A search has at most 200 characters.",
        ),
        (
            of("a\0b", "", 0),
            "search",
            "A search must not contain control characters.",
        ),
    ] {
        refused(service.users().list_users(as_user(&staff.access, request)).await)
            .is_about(&[(field, sentence)]);
    }
}

#[tokio::test]
async fn hostile_searches_find_nothing_and_break_nothing() {
    let (service, staff) = with_users(2).await;
    for search in [
        "%",
        "_",
        "\\",
        "' OR '1'='1",
        "\u{202e}",
        "🦀",
        "[a-z]",
        "user\u{301}",
        "\"",
        "{}",
        "a%b",
    ] {
        let request = pb::ListUsersRequest {
            search: search.to_owned(),
            ..Default::default()
        };
        assert_eq!(
            names(&list(&service, &staff, request).await),
            [""; 0],
            "{search:?}"
        );
    }
}
