//! The clock of one service jumps. Whatever measures how long something takes does not notice, because it asks
//! another clock; tokens are judged by the new time and a leeway of five seconds.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::time::sleep;

use crate::fleet::{
    Filter, Fleet, Ground, STAFF,
    people::{Answer, Person},
    row,
};

/// How long a worker may take to do something on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(20);
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

pub async fn run(filter: &Filter) {
    if filter.wants("clock_of_auth_service") {
        auth_service().await;
    }
    if filter.wants("clock_of_course_service") {
        course_service().await;
    }
}

/// A jump, and what then becomes of a token that was given out before, and of its session.
struct Jump {
    told: &'static str,
    seconds: i64,
    token: u16,
    session: u16,
}

const JUMPS: [Jump; 5] = [
    Jump {
        told: "4 s back",
        seconds: -4,
        token: 200,
        session: 200,
    },
    Jump {
        told: "4 s on",
        seconds: 4,
        token: 200,
        session: 200,
    },
    Jump {
        told: "an hour back",
        seconds: -HOUR,
        token: 401,
        session: 200,
    },
    Jump {
        told: "an hour on",
        seconds: HOUR,
        token: 401,
        session: 200,
    },
    Jump {
        told: "a day on",
        seconds: DAY,
        token: 401,
        session: 401,
    },
];

async fn auth_service() {
    let mut fleet = Fleet::start(Ground::sqlite(), 1).await;
    for jump in JUMPS {
        let mut staff = Person::staff(&fleet.gateways, 0).await;
        fleet.part("auth-service").turn_clock(jump.seconds).await;
        let token = ask(&staff, Method::GET, "/me", None).await.status;
        let refreshed = ask(&staff, Method::POST, "/auth/refresh", Some(staff.refreshing())).await;
        let login = json!({"username": STAFF.0, "password": STAFF.1});
        let login = ask(&staff, Method::POST, "/auth/login", Some(login)).await;
        assert_eq!(login.status, 200, "{login:?}");
        staff.take(&login);
        let title = format!("After {}", jump.told);
        let course = json!({"title": title, "description": "d", "price": "1.50"});
        let made = ask(&staff, Method::POST, "/courses", Some(course)).await.status;
        let sent = mail_goes_on(&mut fleet, &staff, jump.seconds).await;
        fleet.part("auth-service").becomes_ready().await;
        fleet.is_whole();
        no_number_is_negative(&mut fleet, "auth-service").await;
        row(
            &format!("auth-service's clock jumps {}", jump.told),
            &format!(
                "a token of before: {}, its session: {}; logins, rights and mail go on",
                jump.token, jump.session
            ),
            &format!(
                "{token}, {}; login {}, a course made with it {made}, mail sent: {sent}",
                refreshed.status, login.status
            ),
        );
        assert_eq!(
            (token, refreshed.status),
            (jump.token, jump.session),
            "{}",
            jump.told
        );
        assert_eq!(made, 201);
        assert!(sent);
        fleet.part("auth-service").turn_clock(-jump.seconds).await;
    }
}

/// Whether the mail of somebody who registers now is sent.
async fn mail_goes_on(fleet: &mut Fleet, stranger: &Person, jump: i64) -> bool {
    const SENT: &str = "mail_attempts_total{outcome=\"sent\"}";
    let before = fleet.part("auth-service").number(SENT).await;
    let password = "gravel lantern octopus";
    let username = format!("after{jump}@example.org");
    let body = json!({"username": username, "password": password, "confirm_password": password});
    let answer = ask(stranger, Method::POST, "/auth/register", Some(body)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let begun = std::time::Instant::now();
    while begun.elapsed() < PATIENCE {
        if fleet.part("auth-service").number(SENT).await > before {
            return true;
        }
        sleep(Duration::from_millis(50)).await;
    }
    false
}

async fn course_service() {
    let mut fleet = Fleet::start(Ground::sqlite(), 1).await;
    let staff = Person::staff(&fleet.gateways, 0).await;
    for (told, seconds, repeated) in [("an hour back", -HOUR, 201), ("a day on", DAY, 409)] {
        let course = json!({"title": format!("Before {told}"), "description": "d", "price": "1.50"});
        let key = told.replace(' ', "-");
        let key = [("idempotency-key", key.as_str())];
        let make = async || {
            let answer = staff
                .send(Method::POST, "/courses", Some(course.clone()), &key)
                .await;
            answer.unwrap()
        };
        let made = make().await;
        assert_eq!(made.status, 201, "{made:?}");
        fleet.part("course-service").turn_clock(seconds).await;
        let again = make().await;
        let slug = made.json()["slug"].as_str().unwrap().to_owned();
        let path = format!("/courses/{slug}");
        let change = json!({"subtitle": told});
        let changed = staff
            .send(Method::PATCH, &path, Some(change), &[("if-match", &made.etag)])
            .await
            .unwrap();
        let read = ask(&staff, Method::GET, &path, None).await;
        let list = ask(&staff, Method::GET, "/courses?page_size=100", None).await;
        let listed = list.body.contains(&slug);
        fleet.part("course-service").becomes_ready().await;
        fleet.is_whole();
        no_number_is_negative(&mut fleet, "course-service").await;
        row(
            &format!("course-service's clock jumps {told}"),
            "reads and writes go on; an answer is kept for a day of the new time",
            &format!(
                "the same key again {}, a change {}, the course read {} and listed: {listed}",
                again.status, changed.status, read.status
            ),
        );
        assert_eq!(again.status, repeated, "{again:?}");
        assert_eq!(
            (changed.status, read.status, listed),
            (200, 200, true),
            "{changed:?}"
        );
        assert_eq!(read.json()["subtitle"], told);
        fleet.part("course-service").turn_clock(-seconds).await;
    }
}

async fn ask(person: &Person, method: Method, path: &str, body: Option<serde_json::Value>) -> Answer {
    person.send(method, path, body, &[]).await.unwrap()
}

async fn no_number_is_negative(fleet: &mut Fleet, part: &str) {
    let numbers = fleet.part(part).numbers().await;
    let negative = numbers.lines().find(|line| line.contains(" -"));
    assert_eq!(negative.filter(|line| !line.starts_with('#')), None);
}
