//! Instructors delete their accounts while the services are killed at any moment: whoever was told that they are gone is
//! gone from both, at once here and soon there, and every course has the heir, who is told once of each.

use std::{collections::BTreeSet, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use service_runtime::entropy::Entropy;
use test_support::{mail, rows, smtp::SmtpServer};
use tokio::time::{Instant, sleep, timeout_at};

use crate::fleet::{Fleet, Ground, STAFF, mail_to, people::Person};

const PASSWORD: &str = "gravel lantern octopus";
/// How many courses each of them teaches alone.
const COURSES: usize = 3;
/// How long anything may take on a busy machine.
const SOON: Duration = Duration::from_secs(60);

pub async fn run(database: &str, ground: Ground) {
    let kills = super::kills_or(10);
    let smtp = SmtpServer::start().await;
    let mut fleet = Fleet::start_with(ground, 1, &mail_to(smtp.port())).await;
    let staff = Person::staff(&fleet.gateways, 0).await;
    let mut people = Vec::new();
    for number in 0..kills {
        people.push(Instructor::comes(&fleet, &smtp, &staff, number).await);
    }
    let entropy = Entropy::default();
    let mut unanswered = 0;
    for instructor in &people {
        let [chance, which] = entropy.bytes::<2>().unwrap();
        let going = instructor.goes();
        let killing = async {
            // About as long as it takes until both services have done their part.
            sleep(Duration::from_millis(u64::from(chance) / 2)).await;
            // Who tells and who is told.
            let victim = &mut fleet.replicas[usize::from(which % 2)];
            victim.kill();
            victim.start();
            victim.becomes_ready().await;
        };
        let (was_asked_again, ()) = tokio::join!(going, killing);
        unanswered += usize::from(was_asked_again);
        assert!(!instructor.gets_in().await, "they are gone at once");
    }

    let patience = Instant::now() + SOON;
    for instructor in &people {
        while let Some(left) = instructor.traces(&fleet).await.first() {
            assert!(Instant::now() < patience, "{left}{}", fleet.complaints());
            // What could not be told is told again by the clock.
            fleet.part("auth-service").turn_clock(1).await;
            sleep(Duration::from_millis(100)).await;
        }
        for slug in &instructor.courses {
            let path = format!("/courses/{slug}");
            let course = staff.send(Method::GET, &path, None, &[]).await.unwrap();
            assert_eq!(instructors(&course.json()), [STAFF.0], "{slug}");
        }
    }
    let told = async {
        while heirs_mails(&smtp).len() < people.len() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout_at(patience, told).await.expect("the heir is told");
    assert_eq!(heirs_mails(&smtp).len(), people.len(), "once of each");
    println!(
        "{database}: {kills} kills while {kills} accounts were deleted, {unanswered} of them asked again: all gone from \
         both services, {} courses inherited, the heir told once of each account",
        kills * COURSES
    );
    fleet.is_whole();
}

/// Somebody who teaches some courses alone.
struct Instructor {
    person: Person,
    username: String,
    courses: Vec<String>,
}

impl Instructor {
    async fn comes(fleet: &Fleet, smtp: &SmtpServer, staff: &Person, number: usize) -> Self {
        let username = format!("instructor-{number}@example.org");
        let mut person = Person::stranger(&fleet.gateways, 0);
        let account = json!({"username": username, "password": PASSWORD, "confirm_password": PASSWORD});
        let registered = done(&person, Method::POST, "/auth/register", account).await;
        let token = mail::token(smtp.next_to(&username, SOON).await).unwrap();
        done(
            &person,
            Method::POST,
            "/auth/verify-email",
            json!({"token": token}),
        )
        .await;
        let path = format!("/users/{}", registered["id"].as_str().unwrap());
        done(staff, Method::PATCH, &path, json!({"is_staff": true})).await;
        let login = json!({"username": username, "password": PASSWORD});
        let answer = person.send(Method::POST, "/auth/login", Some(login), &[]);
        person.take(&answer.await.unwrap());
        let mut courses = Vec::new();
        for course in 0..COURSES {
            let course =
                json!({"title": format!("Course {number} {course}"), "description": "d", "price": "1"});
            let made = done(&person, Method::POST, "/courses", course).await;
            assert_eq!(instructors(&made), [username.as_str()]);
            courses.push(made["slug"].as_str().unwrap().to_owned());
        }
        Self {
            person,
            username,
            courses,
        }
    }

    /// Deletes the account, asking again until there is an answer; says whether that was needed.
    async fn goes(&self) -> bool {
        let patience = Instant::now() + SOON;
        let password = json!({"password": PASSWORD});
        let mut asked_again = false;
        loop {
            let answer = self
                .person
                .send(Method::DELETE, "/me", Some(password.clone()), &[])
                .await;
            match answer {
                Ok(answer) if answer.status == 204 => return asked_again,
                // The answer was lost, and what it told of had happened.
                Ok(answer) if answer.status == 401 && asked_again => return true,
                Ok(answer) if !answer.is_later() => panic!("{answer:?}"),
                other => assert!(Instant::now() < patience, "{other:?}"),
            }
            asked_again = true;
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether the password still opens a session.
    async fn gets_in(&self) -> bool {
        let login = json!({"username": self.username, "password": PASSWORD});
        let answer = self.person.send(Method::POST, "/auth/login", Some(login), &[]);
        let answer = answer.await.unwrap();
        assert!([200, 401].contains(&answer.status), "{answer:?}");
        answer.status == 200
    }

    /// The rows of both services that name them.
    async fn traces(&self, fleet: &Fleet) -> Vec<String> {
        let mut found = Vec::new();
        for service in ["auth", "course"] {
            found.extend(rows::holding(&fleet.ground.database_of(service), &[&self.username]).await);
        }
        found
    }
}

/// Has something done that succeeds.
async fn done(person: &Person, method: Method, path: &str, body: Value) -> Value {
    let answer = person.send(method, path, Some(body), &[]).await.unwrap();
    assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
    answer.json()
}

/// The addresses of who teaches a course.
fn instructors(course: &Value) -> Vec<&str> {
    let instructors = course["instructors"].as_array().into_iter().flatten();
    instructors.filter_map(|one| one["username"].as_str()).collect()
}

/// The mails that told the heir, copies of one counted once.
fn heirs_mails(smtp: &SmtpServer) -> BTreeSet<String> {
    let messages = smtp.messages();
    let told = messages.iter().filter(|message| {
        message.is_to(STAFF.0) && mail::subject(message).as_deref() == Some("Courses have come to you")
    });
    told.map(|message| mail::id(message).unwrap()).collect()
}
