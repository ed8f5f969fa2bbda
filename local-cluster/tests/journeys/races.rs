//! Many callers at the same moment: exactly one of them wins, and nothing breaks.

use std::{collections::BTreeMap, future::IntoFuture};

use futures::future::join_all;
use serde_json::{Value, json};

use crate::{
    course::{created, titled},
    support::{Answer, PASSWORD, World},
};

crate::on_every_ground!(
    refreshes_of_one_token_have_one_successor,
    registrations_of_one_address_make_one_account,
    creations_of_one_title_make_one_course,
    changes_of_one_version_make_one_change,
);

/// How often each race is run.
const ROUNDS: usize = 3;

/// How many answers there were of each status.
fn statuses(answers: &[Answer]) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        *counts.entry(answer.status).or_default() += 1;
        if answer.status >= 400 {
            answer.assert_problem();
        }
        assert!(answer.status < 500, "{answer:?}");
    }
    counts
}

async fn refreshes_of_one_token_have_one_successor(world: &World) {
    let mut ada = world.user("ada").await;
    for _ in 0..ROUNDS {
        let answers = join_all((0..64).map(|_| ada.try_refresh())).await;
        assert_eq!(statuses(&answers), BTreeMap::from([(200, 64)]));
        let successors: std::collections::BTreeSet<_> = answers
            .iter()
            .map(|answer| answer.json()["refresh"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(successors.len(), 1);
        for answer in &answers {
            assert!(ada.with(answer).is_known().await, "the session is alive");
        }
        ada = ada.with(&answers[0]);
    }
}

async fn registrations_of_one_address_make_one_account(world: &World) {
    let anonymous = world.anonymous();
    for round in 0..ROUNDS {
        let username = format!("ada{round}@example.org");
        let body = json!({"username": username, "password": PASSWORD, "confirm_password": PASSWORD});
        let calls = (0..32).map(|_| {
            anonymous
                .post("/api/v1/auth/register", body.clone())
                .into_future()
        });
        let answers = join_all(calls).await;
        assert_eq!(statuses(&answers), BTreeMap::from([(201, 1), (409, 31)]));
        world.mail_to(&username).await;
    }
    assert_eq!(world.smtp.messages().len(), ROUNDS, "one mail for each account");
}

async fn creations_of_one_title_make_one_course(world: &World) {
    let staff = world.staff().await;
    for round in 0..ROUNDS {
        let body = titled(&format!("Course {round}"));
        let calls = (0..50).map(|_| staff.post("/api/v1/courses", body.clone()).into_future());
        let answers = join_all(calls).await;
        assert_eq!(statuses(&answers), BTreeMap::from([(201, 1), (409, 49)]));
    }
    let courses = staff.get("/api/v1/courses").await.json();
    assert_eq!(courses["courses"].as_array().unwrap().len(), ROUNDS);
}

async fn changes_of_one_version_make_one_change(world: &World) {
    let staff = world.staff().await;
    let course = format!("/api/v1/courses/{}", created(&staff, "Rust").await);
    for path in [course.as_str(), "/api/v1/me"] {
        let field = if path == "/api/v1/me" { "bio" } else { "subtitle" };
        for round in 0..ROUNDS {
            let etag = etag(&staff.get(path).await.json());
            let calls = (0..20).map(|number| {
                let body = json!({field: format!("{round}.{number}")});
                staff.patch(path, body).if_match(&etag).into_future()
            });
            let answers = join_all(calls).await;
            assert_eq!(statuses(&answers), BTreeMap::from([(200, 1), (412, 19)]));
            let winner = answers.iter().find(|answer| answer.status == 200).unwrap();
            assert_eq!(staff.get(path).await.json(), winner.json());
        }
    }
}

fn etag(resource: &Value) -> String {
    resource["etag"].as_str().unwrap().to_owned()
}
