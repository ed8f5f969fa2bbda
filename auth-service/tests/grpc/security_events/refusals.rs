//! What somebody fails to prove who has proved a part of it: each refusal is noted, and a flood of them is a few rows.

use std::collections::BTreeMap;

use proto::auth::v1 as pb;

use super::{ADA, NEW, trail};
use crate::{
    on_both_databases,
    support::{PASSWORD, Refused, Service, SetUp, as_user},
};

on_both_databases!(
    a_right_password_without_a_good_code_leaves_its_event,
    a_code_that_is_not_looked_at_leaves_its_event,
    a_code_used_again_and_again_is_a_few_rows,
    a_refused_password_of_somebody_logged_in_leaves_its_event,
);

const BOB: &str = "bob@example.org";

/// How often the trail tells of a kind, by whom, with a detail.
type Tally = BTreeMap<(String, Option<String>, String), u32>;

/// Stops the service, which records all that was noted; says what the trail has of these kinds, and in how many rows.
async fn tally(service: &Service, kinds: &[&str]) -> (Tally, usize) {
    service.stop().await;
    let (mut tally, mut rows) = (Tally::new(), 0);
    for event in trail(service).await {
        if !kinds.contains(&event.kind.as_str()) {
            continue;
        }
        let (detail, times) = match event.detail.split_once("; ") {
            Some((detail, more)) => (detail, more.split(' ').next().unwrap().parse().unwrap()),
            None => (event.detail.as_str(), 1),
        };
        let actor = event.actor_id.map(|id| id.to_string());
        *tally.entry((event.kind, actor, detail.to_owned())).or_default() += times;
        rows += 1;
    }
    (tally, rows)
}

fn expected(rows: &[(&str, Option<&str>, &str, u32)]) -> Tally {
    let entry = |(kind, actor, detail, times): &(&str, Option<&str>, &str, u32)| {
        let key = ((*kind).to_owned(), actor.map(str::to_owned), (*detail).to_owned());
        (key, *times)
    };
    rows.iter().map(entry).collect()
}

/// Logs in with the right password; says the reason of the refusal.
async fn refused_login(service: &Service, code: &str) -> String {
    let login = service.login_with_code(ADA, PASSWORD, code).await;
    Refused::from(login.unwrap_err()).reason
}

/// Enters five wrong codes, so that the next one is not looked at.
async fn block(service: &Service, ada: &SetUp) {
    for _ in 0..5 {
        let wrong = ada.app.wrong_code(service.clock.now());
        service.step_up(&ada.session.access, &wrong).await.unwrap_err();
    }
}

async fn a_right_password_without_a_good_code_leaves_its_event(service: Service) {
    let ada = service.coded(ADA).await;
    let wrong = ada.app.wrong_code(service.clock.now());
    for (code, reason) in [
        ("", "SECOND_FACTOR_REQUIRED"),
        (" ", "SECOND_FACTOR_REQUIRED"),
        ("what no code looks like", "INVALID_CREDENTIALS"),
        (&wrong, "INVALID_CREDENTIALS"),
    ] {
        assert_eq!(refused_login(&service, code).await, reason, "{code:?}");
    }
    block(&service, &ada).await;
    let good = ada.next_code(&service);
    service.clock.turn(chrono::TimeDelta::seconds(-30));
    assert_eq!(refused_login(&service, &good).await, "INVALID_CREDENTIALS");
    let (tally, _) = tally(&service, &["login_failed"]).await;
    let expected = expected(&[
        ("login_failed", None, "second factor missing", 2),
        ("login_failed", None, "code refused", 2),
        ("login_failed", None, "code not looked at", 1),
    ]);
    assert_eq!(tally, expected);
}

async fn a_code_that_is_not_looked_at_leaves_its_event(service: Service) {
    let ada = service.coded(ADA).await;
    block(&service, &ada).await;
    let (access, code) = (ada.session.access.as_str(), ada.app.code(service.clock.now()));
    let bob = service.user(BOB).await;
    let app = service.begin(&bob).await;
    for _ in 0..5 {
        let wrong = app.wrong_code(service.clock.now());
        service.confirm(&bob, &wrong).await.unwrap_err();
    }
    let bobs = app.code(service.clock.now());
    for refused in [
        service.step_up(access, &code).await.map(drop),
        service.remove_factor(access, &code).await.map(drop),
        service.confirm(&bob, &bobs).await.map(drop),
    ] {
        assert_eq!(Refused::from(refused.unwrap_err()).reason, "CODE_THROTTLED");
    }
    let (tally, _) = tally(&service, &["factor_failed"]).await;
    let (ada, bob) = (Some(ada.session.user.id.as_str()), Some(bob.user.id.as_str()));
    let expected = expected(&[
        ("factor_failed", ada, "wrong code", 5),
        ("factor_failed", ada, "not looked at", 2),
        ("factor_failed", bob, "wrong code", 5),
        ("factor_failed", bob, "not looked at", 1),
    ]);
    assert_eq!(tally, expected);
}

async fn a_code_used_again_and_again_is_a_few_rows(service: Service) {
    const MANY: u32 = 60;
    let ada = service.coded(ADA).await;
    let (access, code) = (ada.session.access.as_str(), ada.next_code(&service));
    service.step_up(access, &code).await.unwrap();
    for _ in 0..MANY {
        let refused = service.step_up(access, &code).await.unwrap_err();
        assert_eq!(Refused::from(refused).reason, "CODE_INVALID");
    }
    let (tally, rows) = tally(&service, &["factor_failed"]).await;
    let ada = Some(ada.session.user.id.as_str());
    assert_eq!(tally, expected(&[("factor_failed", ada, "used again", MANY)]));
    assert!(rows < 30, "{rows}");
}

async fn a_refused_password_of_somebody_logged_in_leaves_its_event(service: Service) {
    let ada = service.user(ADA).await;
    let change = async |current: &str| {
        let request = pb::ChangePasswordRequest {
            current_password: current.to_owned(),
            password: NEW.to_owned(),
            confirm_password: NEW.to_owned(),
        };
        let request = as_user(&ada.access, request);
        let changed = service.accounts().change_password(request).await;
        Refused::from(changed.unwrap_err()).reason
    };
    let delete = async |password: &str| {
        let password = password.to_owned();
        let request = as_user(&ada.access, pb::DeleteAccountRequest { password });
        let deleted = service.accounts().delete_account(request).await;
        Refused::from(deleted.unwrap_err()).reason
    };
    assert_eq!(change("a guess").await, "INVALID_FIELDS");
    for _ in 0..9 {
        assert_eq!(delete("a guess").await, "INVALID_FIELDS");
    }
    // From now on none counts, a right one neither.
    for password in ["a guess", PASSWORD] {
        assert_eq!(change(password).await, "THROTTLED");
        assert_eq!(delete(password).await, "THROTTLED");
    }
    let (tally, rows) = tally(&service, &["password_refused"]).await;
    let ada = Some(ada.user.id.as_str());
    let expected = expected(&[
        ("password_refused", ada, "change of the password", 3),
        ("password_refused", ada, "deletion of the account", 11),
    ]);
    assert_eq!(tally, expected);
    assert!(rows < 10, "{rows}");
}
