//! Queries of lists.

use proto::rest::Body;

use super::{answered, assert_goes_on};
use crate::{course::published, support::World};

crate::on_both_databases!(every_list_refuses_a_bad_query);

async fn every_list_refuses_a_bad_query(world: &World) {
    let staff = world.staff().await;
    let course = published(&staff, "A course").await;
    let long = "x".repeat(5_000);
    let longer = "x".repeat(10_000);
    // The parameter, its value as it stands in the address, and the answer.
    let cases: &[(&str, &str, u16)] = &[
        ("page_size", "-1", 400),
        ("page_size", "-2147483649", 400),
        ("page_size", "abc", 400),
        ("page_size", "", 400),
        ("page_size", "1e1", 400),
        ("page_size", "0x10", 400),
        ("page_size", "1.5", 400),
        ("page_size", "%2B1", 400),
        ("page_size", "99999999999", 400),
        ("page_size", "99999999999999999999999", 400),
        ("page_size", "2147483647", 200),
        ("page_size", "0", 200),
        ("page_size", "1%00", 400),
        ("page_token", "garbage", 400),
        ("page_token", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 400),
        ("page_token", "%00", 400),
        ("page_token", "🦀", 400),
        ("page_token", &long, 400),
        ("page_token", &longer, 414),
        ("order_by", "title;drop%20table%20course", 400),
        ("order_by", "title%20desc,id", 400),
        ("order_by", "(select%201)", 400),
        ("order_by", "password", 400),
        ("order_by", "%00", 400),
        ("order_by", &long, 400),
        ("search", "%25", 200),
        ("search", "_%25_", 200),
        ("search", "%5c", 200),
        ("search", "%27%20OR%201%3D1--", 200),
        ("search", "%22*%22%20AND%20NEAR(", 200),
        ("search", "%F0%9F%A6%80", 200),
        ("search", "%E2%80%8B", 200),
        ("search", "a%00b", 400),
        ("search", "%ff", 400),
        ("search", "%zz", 400),
        ("search", &long, 400),
        ("search", &longer, 414),
        ("is_free", "TRUE", 400),
        ("is_free", "1", 400),
        ("is_free", "", 400),
        ("instructor", "x", 400),
        ("instructor", "%27", 400),
        ("instructor", "%00", 400),
        ("instructor", &long, 400),
    ];
    for route in gateway::transcode::table() {
        let is_list = route.body == Body::None && route.fields.iter().any(|field| field.name == "page_size");
        if !is_list {
            continue;
        }
        let path = route.path.replace("{slug}", &course);
        for (name, value, expected) in cases {
            if route.fields.iter().any(|field| field.name == *name) {
                let what = format!("{path}?{name}={}", &value[..value.floor_char_boundary(60)]);
                let answer = answered(staff.get(&format!("{path}?{name}={value}")), &what).await;
                assert_eq!(answer.status, *expected, "{what}: {answer:?}");
            }
        }
        for query in [
            "page_size=1&page_size=1",
            "nonsense=1",
            "=",
            "&&=&",
            "page_size",
            "%00=1",
            "request_id=x",
            "page_size[]=1",
            "etag=x",
            "update_mask=id",
            "__proto__=1",
            "slug=other",
        ] {
            let answer = answered(staff.get(&format!("{path}?{query}")), query).await;
            let expected = if query == "&&=&" { 200..=400 } else { 400..=400 };
            assert!(expected.contains(&answer.status), "{path}?{query}: {answer:?}");
        }
    }
    assert_goes_on(world).await;
}
