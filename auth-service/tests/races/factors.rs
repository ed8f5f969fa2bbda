//! Second factors: a code that many send at once is used once, and no wrong code is forgotten.

use futures::future::join_all;
use proto::auth::v1 as pb;
use service_runtime::on;

use crate::{
    on_both_databases,
    support::{PASSWORD, Refused, Service, as_user},
};

const ADA: &str = "ada@example.org";

on_both_databases!(
    sixty_four_step_ups_with_one_code_are_one,
    sixty_four_logins_with_one_code_are_one,
    sixty_four_uses_of_a_recovery_code_are_one,
    sixty_four_confirmations_are_one,
    of_many_guesses_at_once_few_are_looked_at,
    whoever_begins_again_meanwhile_is_not_confirmed_with_the_old_code,
    sixty_four_removals_are_one,
    nobody_logs_in_without_a_code_while_one_is_set_up,
);

/// The reasons of those that were refused, sorted and without repetition.
fn reasons<T>(answers: Vec<Result<T, tonic::Status>>) -> (usize, Vec<String>) {
    let (good, bad): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    let mut reasons: Vec<String> = bad
        .into_iter()
        .filter_map(Result::err)
        .map(|status| Refused::from(status).reason)
        .collect();
    reasons.sort();
    reasons.dedup();
    (good.len(), reasons)
}

async fn sixty_four_step_ups_with_one_code_are_one(service: Service) {
    let ada = service.coded(ADA).await;
    for round in 0..6 {
        let code = ada.next_code(&service);
        let answers = join_all((0..64).map(|_| service.step_up(&ada.session.access, &code))).await;
        let expected = (1, vec!["CODE_INVALID".to_owned()]);
        assert_eq!(reasons(answers), expected, "round {round}");
    }
}

async fn sixty_four_logins_with_one_code_are_one(service: Service) {
    let ada = service.coded(ADA).await;
    let code = ada.next_code(&service);
    let answers = join_all((0..64).map(|_| service.login_with_code(ADA, PASSWORD, &code))).await;
    let expected = (1, vec!["INVALID_CREDENTIALS".to_owned()]);
    assert_eq!(reasons(answers), expected);
}

async fn sixty_four_uses_of_a_recovery_code_are_one(service: Service) {
    let ada = service.coded(ADA).await;
    for code in &ada.recovery_codes[..3] {
        let answers = join_all((0..64).map(|_| service.step_up(&ada.session.access, code))).await;
        let (good, refused) = reasons(answers);
        assert_eq!(good, 1);
        assert!(refused.contains(&"CODE_INVALID".to_owned()), "{refused:?}");
    }
    // All of them at once: the order does not matter.
    let answers =
        join_all((ada.recovery_codes[3..].iter()).map(|code| service.step_up(&ada.session.access, code)));
    assert_eq!(reasons(answers.await), (7, vec![]));
}

async fn sixty_four_confirmations_are_one(service: Service) {
    let ada = service.user(ADA).await;
    let app = service.begin(&ada).await;
    let code = app.code(service.clock.now());
    let answers = join_all((0..64).map(|_| service.confirm(&ada, &code))).await;
    let (good, refused) = reasons(answers);
    assert_eq!(good, 1);
    for reason in refused {
        assert!(
            ["CODE_INVALID", "SECOND_FACTOR_EXISTS"].contains(&reason.as_str()),
            "{reason}"
        );
    }
    assert_eq!(count(&service, "recovery_codes").await, 10);
}

async fn of_many_guesses_at_once_few_are_looked_at(service: Service) {
    let ada = service.coded(ADA).await;
    let wrong = ada.app.wrong_code(service.clock.now());
    let answers = join_all((0..64).map(|_| service.step_up(&ada.session.access, &wrong))).await;
    let looked_at = answers
        .into_iter()
        .map(|answer| Refused::from(answer.unwrap_err()).reason)
        .filter(|reason| reason == "CODE_INVALID")
        .count();
    assert_eq!(looked_at, 5);
    let failures: i64 = on!(&service.database, |pool| {
        sqlx::query_scalar("SELECT failures FROM second_factors")
            .fetch_one(pool)
            .await
    })
    .unwrap();
    assert_eq!(failures, 5);
}

async fn whoever_begins_again_meanwhile_is_not_confirmed_with_the_old_code(service: Service) {
    for round in 0..8 {
        let ada = service.user(&format!("ada{round}@example.org")).await;
        let first = service.begin(&ada).await;
        let code = first.code(service.clock.now());
        let again = as_user(&ada.access, pb::StartTotpRequest {});
        let mut factors = service.factors();
        let (confirmed, begun) = futures::join!(service.confirm(&ada, &code), factors.start_totp(again));
        let has_totp = service.profile(&ada.access).await.unwrap().has_totp;
        assert_eq!(confirmed.is_ok(), has_totp, "round {round}");
        // One of them was later and was told so.
        assert_ne!(confirmed.is_ok(), begun.is_ok(), "round {round}");
        if confirmed.is_ok() {
            let later = first.code(service.clock.now() + chrono::TimeDelta::seconds(30));
            service.step_up(&ada.access, &later).await.unwrap();
        }
    }
}

async fn sixty_four_removals_are_one(service: Service) {
    let ada = service.coded(ADA).await;
    let elevated = service
        .step_up(&ada.session.access, &ada.next_code(&service))
        .await;
    let elevated = elevated.unwrap().into_inner().access;
    let answers = join_all((0..64).map(|_| service.remove_factor(&elevated, ""))).await;
    let (removals, mut refusals) = reasons(answers);
    // So many at once are also more than one account may change, whoever is first.
    refusals.retain(|reason| reason != "THROTTLED");
    assert_eq!(
        (removals, refusals),
        (1, vec!["SECOND_FACTOR_MISSING".to_owned()])
    );
    assert_eq!(count(&service, "second_factors").await, 0);
    assert_eq!(count(&service, "recovery_codes").await, 0);
    let removed: i64 = on!(&service.database, |pool| {
        sqlx::query_scalar("SELECT count(*) FROM security_events WHERE kind = 'factor_removed'")
            .fetch_one(pool)
            .await
    })
    .unwrap();
    assert_eq!(removed, 1);
}

async fn nobody_logs_in_without_a_code_while_one_is_set_up(service: Service) {
    let ada = service.user(ADA).await;
    let app = service.begin(&ada).await;
    let code = app.code(service.clock.now());
    let logins = join_all((0..16).map(|_| service.login_with(ADA, PASSWORD)));
    let (confirmed, sessions) = futures::join!(service.confirm(&ada, &code), logins);
    confirmed.unwrap();
    // Those who were before it were ended by it; those after it were asked for a code.
    for session in sessions.into_iter().flatten() {
        assert!(!service.knows(&session.access).await);
    }
    assert!(service.knows(&ada.access).await);
}

async fn count(service: &Service, table: &'static str) -> i64 {
    let statement = format!("SELECT count(*) FROM {table}");
    on!(&service.database, |pool| {
        sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
            .fetch_one(pool)
            .await
    })
    .unwrap()
}
