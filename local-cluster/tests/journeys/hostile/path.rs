//! Paths: for every parameter of every route, segments that want out of their place.

use proto::rest::Body;

use super::assert_goes_on;
use crate::support::{Ground, World, raw};

crate::on_both_databases!(no_segment_leads_out_of_its_place);

async fn no_segment_leads_out_of_its_place(world: &World) {
    let (long, longer) = ("x".repeat(2_000), "x".repeat(9_000));
    let odd = [
        "..%2f",
        "%2e%2e",
        "..",
        ".",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%5c..%5c",
        "%00",
        "a%00b",
        "%ff",
        "%c0%ae",
        "%zz",
        "%",
        "%2",
        "a%0d%0ax-evil:%201",
        "%F0%9F%A6%80",
        "%E2%80%AE",
        "'%20OR%20'1'='1",
        "1;DROP%20TABLE%20course",
        "%25",
        "%2525",
        "{slug}",
        "%7Bslug%7D",
        "*",
        "_",
        "~",
        "a+b",
        "a%20b",
        ":",
        "@",
        "a;b=c",
        "",
        "A",
        "-",
        "--",
        "null",
        "0",
        "-1",
        "00000000-0000-0000-0000-000000000000",
        "🦀",
        &long,
        &longer,
    ];
    for route in gateway::transcode::table() {
        let parameters = route.path.split('/').filter(|segment| segment.starts_with('{'));
        for parameter in parameters {
            let staff = world.staff().await;
            for segment in odd {
                let path = route.path.replace(parameter, segment);
                let path = path
                    .replace("{slug}", "a-course")
                    .replace("{user_id}", staff.id());
                let body = if route.body == Body::None { "" } else { "{}" };
                let answer =
                    raw::request(world.cluster.gateway, route.verb, &path, staff.access(), body).await;
                let what = format!("{} {path}: {answer:?}", route.verb);
                assert!(answer.status < 500, "{what}");
                assert!(!answer.head.contains("x-evil"), "{what}");
                if answer.status >= 400 && !answer.body.is_empty() {
                    assert!(answer.head.contains("application/problem+json"), "{what}");
                }
            }
        }
    }
    assert_goes_on(world).await;
}

#[tokio::test]
async fn kept_mail_is_no_way_to_other_files() {
    let world = World::with(Ground::sqlite(), |values| values.with("EMAIL_HOST", "")).await;
    assert!(
        world.folder().join("auth.db").is_file(),
        "what an intruder would want"
    );
    let staff = world.staff().await;
    for name in [
        "../auth.db",
        "..%2fauth.db",
        "%2e%2e/auth.db",
        "%2e%2e%2fauth.db",
        "..%5cauth.db",
        "auth.db",
        "%2fetc%2fpasswd",
        "/etc/passwd",
        "x.eml/../../auth.db",
        ".eml",
        "..eml",
        "%00.eml",
        "a%00.eml",
        "%ff.eml",
    ] {
        let path = format!("/dev/mail/{name}");
        let answer = raw::request(world.cluster.gateway, "GET", &path, staff.access(), "").await;
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn mail_that_is_sent_is_not_shown() {
    let world = World::on_sqlite().await;
    world.anonymous().get("/dev/mail").await.is(404);
}
