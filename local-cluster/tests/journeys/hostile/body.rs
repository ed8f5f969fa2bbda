//! Bodies.

use std::net::SocketAddr;

use proto::rest::{Body, Field, Kind, Route};
use serde_json::{Value, json};

use super::{answered, assert_goes_on};
use crate::{
    course::created,
    support::{Caller, World, raw::Raw},
};

crate::on_both_databases!(every_route_refuses_a_bad_body);

/// One byte more than the largest body.
const TOO_LARGE: usize = 256 * 1024 + 1;
/// Deep enough to exhaust the stack of a parser that recurses.
const DEEP: usize = 50_000;

async fn every_route_refuses_a_bad_body(world: &World) {
    let course = created(&world.staff().await, "A course").await;
    for route in gateway::transcode::table() {
        if route.body == Body::None {
            continue;
        }
        // Some of the calls may end the session that makes them.
        let staff = world.staff().await;
        let path = route.path.replace("{slug}", &course);
        let path = path.replace("{id}", staff.id()).replace("{user_id}", staff.id());
        let attack = Attack {
            route,
            path: &path,
            staff: &staff,
            gateway: world.cluster.gateway,
        };
        attack.syntax().await;
        attack.size().await;
        attack.media_types().await;
        for field in route.body_fields {
            attack.field(field).await;
        }
    }
    assert_goes_on(world).await;
}

/// A route under attack.
struct Attack<'a> {
    route: &'a Route,
    path: &'a str,
    staff: &'a Caller,
    gateway: SocketAddr,
}

impl Attack<'_> {
    async fn send(&self, media_type: &str, body: impl Into<Vec<u8>>, expected: u16) -> Option<Value> {
        let body = body.into();
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let what = format!("{} {} {media_type} {shown:?}", self.route.verb, self.path);
        let method = reqwest::Method::from_bytes(self.route.verb.as_bytes()).unwrap();
        let call = self.staff.call(method, self.path).body(media_type, body);
        let answer = answered(call, &what).await;
        assert_eq!(answer.status, expected, "{what}: {answer:?}");
        (answer.status >= 400).then(|| answer.json())
    }

    /// JSON that is none, or not one object.
    async fn syntax(&self) {
        for body in [
            "{",
            "}",
            "[",
            "{]",
            "nonsense",
            "'",
            "\"",
            "{'a':1}",
            "{\"a\":",
            "{\"a\" 1}",
            "{\"a\":1,}",
            "{a:1}",
            "{}{}",
            "{} x",
            "{},",
            "[]",
            "null",
            "true",
            "1",
            "\"x\"",
            "\u{feff}{}",
            "{\"a\":01}",
            "{\"a\":+1}",
            "{\"a\":.5}",
            "{\"a\":NaN}",
            "{\"a\":Infinity}",
            "// {}\n{}",
            "{\"a\":\"\t\"}",
            "{\"a\":\"\\x41\"}",
            "{\"a\":\"\\ud800\"}",
            "{\"\\udfff\":1}",
            "{\"a\":\"\\ud800\\u0041\"}",
            "\0",
            "{}\0",
            "{\"a\":tru",
        ] {
            self.send("application/json", body, 400).await;
        }
        for bytes in [
            &b"{\"a\":\"\xff\"}"[..],
            b"\xff\xfe{\0}\0",
            b"{\"\xc0\xae\":1}",
            b"{\"a\":\"\xed\xa0\x80\"}",
            b"\x1f\x8b\x08",
        ] {
            self.send("application/json", bytes, 400).await;
        }
        let [open, close] = ["[".repeat(DEEP), "]".repeat(DEEP)];
        for body in [
            open.clone(),
            format!("{{\"a\":{open}{close}}}"),
            "{\"a\":".repeat(DEEP / 2),
            format!("{}1{}", "{\"a\":".repeat(DEEP / 2), "}".repeat(DEEP / 2)),
        ] {
            self.send("application/json", body, 400).await;
        }
        for key in [
            "__proto__",
            "constructor",
            "",
            "a.b",
            "ключ",
            "request_id",
            "update_mask",
            "\u{202e}",
        ] {
            let body = json!({key: {"a": [1, 2, {"b": null}]}}).to_string();
            let problem = self.send("application/json", body, 400).await.unwrap();
            assert_eq!(problem["errors"][0]["field"], key, "{}", self.path);
        }
        let many: String = (0..10_000).map(|number| format!("\"k{number}\":1,")).collect();
        let problem = self
            .send("application/json", format!("{{{many}\"z\":1}}"), 400)
            .await
            .unwrap();
        assert!(
            problem["errors"].as_array().unwrap().len() <= 100,
            "{}",
            self.path
        );
    }

    /// Bodies that are too large, or say that they will be.
    async fn size(&self) {
        for body in [
            " ".repeat(TOO_LARGE),
            format!("{{\"a\":\"{}\"}}", "x".repeat(TOO_LARGE)),
            "[".repeat(2 * TOO_LARGE),
        ] {
            self.send("application/json", body, 413).await;
        }
        let mut connection = Raw::connect(self.gateway).await;
        let head = format!(
            "{} {} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: 9999999999999\r\nexpect: 100-continue\r\n\r\n",
            self.route.verb,
            self.path,
            self.staff.access(),
        );
        connection.send(head).await;
        let answer = connection.answer().await;
        assert_eq!(
            answer.status, 413,
            "{} {}: {answer:?}",
            self.route.verb, self.path
        );
        assert!(answer.body.contains("BODY_TOO_LARGE"), "{answer:?}");
        let largest = format!("{{\"a\":\"{}\"}}", "x".repeat(TOO_LARGE - 9));
        assert_eq!(largest.len(), TOO_LARGE - 1);
        self.send("application/json", largest, 400).await;
    }

    /// Bodies that say they are something else.
    async fn media_types(&self) {
        for media_type in [
            "text/plain",
            "text/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/xml",
            "application/octet-stream",
            "application/json; charset=latin1",
            "application/json, application/json",
            "*/*",
            "",
        ] {
            self.send(media_type, "{}", 415).await;
        }
    }

    /// One field with what it cannot hold.
    async fn field(&self, field: &Field) {
        let name = field.name;
        let wrong: &[&str] = match field.kind {
            Kind::Bool => &["\"true\"", "1", "0", "[]", "{}", "\"\""],
            Kind::Int32 | Kind::Int64 => &["\"1\"", "1.5", "1e99", "true", "[]", "99999999999999999999"],
            Kind::String => &[
                "1",
                "true",
                "[]",
                "{}",
                "1e999",
                "[\"x\"]",
                "-0",
                "\"\\u0000\"",
                "\"a\\u0000b\"",
            ],
            Kind::Enum(_) => &["\"purple\"", "\"LIGHT\"", "1", "\"\"", "[]", "\"light\\u0000\""],
            Kind::Timestamp => &["\"yesterday\"", "0", "[]", "\"\\u0000\""],
            Kind::Message => &["1", "\"x\"", "[]"],
            Kind::FieldMask => &["[\"id\"]", "\"id\"", "{}"],
        };
        for value in wrong
            .iter()
            .filter(|value| !(field.repeated && value.starts_with('[')))
        {
            let body = format!("{{\"{name}\":{value}}}");
            let problem = self.send("application/json", body, 400).await.unwrap();
            self.assert_names(&problem, name);
        }
        for twice in [
            format!("{{\"{name}\":null,\"{name}\":null}}"),
            format!("{{\"{name}\":\"a\",\"{name}\":\"b\"}}"),
        ] {
            let problem = self.send("application/json", twice, 400).await.unwrap();
            self.assert_names(&problem, name);
        }
    }

    fn assert_names(&self, problem: &Value, name: &str) {
        let errors = problem["errors"].as_array().unwrap();
        let named = errors.iter().any(|error| error["field"] == name);
        assert!(named, "{} {}: {name} in {problem}", self.route.verb, self.path);
    }
}

#[tokio::test]
async fn odd_letters_are_kept_or_refused_but_never_break_anything() {
    let world = World::on_sqlite().await;
    odd_letters(&world).await;
}

#[tokio::test]
async fn odd_letters_do_so_on_postgres_too() {
    if let Some(world) = World::on_postgres().await {
        odd_letters(&world).await;
    }
}

async fn odd_letters(world: &World) {
    let staff = world.staff().await;
    let combining = "e".to_owned() + &"\u{301}".repeat(250);
    for odd in [
        "\u{202e}gnp.exe",
        "\u{200b}",
        "\u{feff}a",
        "🏳️‍🌈👩‍👩‍👧‍👦",
        "ﷺ",
        "\u{1f}",
        "a\u{2028}b",
        "\u{e000}",
        "\u{10ffff}",
        "'; DROP TABLE course; --",
        "\\",
        "%",
        "_",
        "${7*7}",
        "{{7*7}}",
        "<script>alert(1)</script>",
        "\u{fffe}",
        "İ",
        "ß",
        "NULL",
        "..",
        "-",
        "A\u{30a}\u{323}",
        &combining,
    ] {
        let body = json!({"title": odd, "subtitle": odd, "description": odd, "price": "1"});
        let answer = answered(staff.post("/api/v1/courses", body), odd).await;
        if answer.status == 201 {
            let place = answer.header("location").unwrap().to_owned();
            assert_eq!(staff.get(&place).await.is(200).json(), answer.json());
        }
        let me = answered(
            staff.patch("/api/v1/me", json!({"bio": odd, "first_name": odd})),
            odd,
        )
        .await;
        if me.status == 200 {
            assert_eq!(staff.get("/api/v1/me").await.json(), me.json());
        }
        let account =
            json!({"username": format!("{odd}@example.org"), "password": odd, "confirm_password": odd});
        answered(world.anonymous().post("/api/v1/auth/register", account), odd).await;
    }
    assert_goes_on(world).await;
}
