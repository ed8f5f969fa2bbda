//! What is kept of second factors: sealed, bound to its owner, sealed anew when the secret changes; and what an operator
//! can do for whoever lost theirs.

use std::time::{Duration, Instant};

use auth_service::open_rules;
use chrono::TimeDelta;
use proto::auth::v1 as pb;
use service_runtime::{entropy::Entropy, on};
use tonic::Code;
use uuid::Uuid;

use crate::{
    on_both_databases,
    support::{PASSWORD, Refused, Service, SetUp, as_service, as_user, refused},
};

const ADA: &str = "ada@example.org";
const OLD: &str = "the-secret-key-of-the-tests-0123456789";
const NEW: &str = "another-secret-key-of-the-tests-0123456789";

on_both_databases!(
    a_kept_secret_opens_for_its_owner_and_unchanged,
    a_secret_key_is_changed_and_no_factor_is_lost,
    an_operator_helps_whoever_lost_it,
);

/// What is kept of a person's secret.
async fn kept(service: &Service, of: &SetUp) -> Vec<u8> {
    let id: Uuid = of.session.user.id.parse().unwrap();
    on!(&service.database, |pool| {
        sqlx::query_scalar("SELECT sealed_secret FROM second_factors WHERE user_id = $1")
            .bind(id)
            .fetch_one(pool)
            .await
    })
    .unwrap()
}

/// Puts something in place of it.
async fn put(service: &Service, of: &SetUp, sealed: &[u8]) {
    let id: Uuid = of.session.user.id.parse().unwrap();
    on!(&service.database, |pool| {
        sqlx::query("UPDATE second_factors SET sealed_secret = $2 WHERE user_id = $1")
            .bind(id)
            .bind(sealed)
            .execute(pool)
            .await
            .map(drop)
    })
    .unwrap();
}

async fn a_kept_secret_opens_for_its_owner_and_unchanged(service: Service) {
    let ada = service.coded(ADA).await;
    let bob = service.coded("bob@example.org").await;
    let access = ada.session.access.as_str();
    let own = kept(&service, &ada).await;
    let hashes: Vec<Vec<u8>> = on!(&service.database, |pool| {
        sqlx::query_scalar("SELECT code_hash FROM recovery_codes")
            .fetch_all(pool)
            .await
    })
    .unwrap();
    assert_eq!(hashes.len(), 20);
    assert!(hashes.iter().all(|hash| hash.len() == 32));

    let mut bad = vec![kept(&service, &bob).await, Vec::new(), own[..10].to_vec()];
    for place in [0, 12, own.len() - 1] {
        let mut flipped = own.clone();
        flipped[place] ^= 1;
        bad.push(flipped);
    }
    for sealed in bad {
        put(&service, &ada, &sealed).await;
        for code in [ada.next_code(&service), bob.app.code(service.clock.now())] {
            let refused = refused(service.step_up(access, &code).await);
            assert_eq!(
                (refused.code, refused.reason.as_str()),
                (Code::Internal, "INTERNAL")
            );
            assert!(refused.message.starts_with("Something went wrong."));
        }
    }
    // Recovery codes do not depend on it.
    service.step_up(access, &ada.recovery_codes[0]).await.unwrap();
    put(&service, &ada, &own).await;
    service.step_up(access, &ada.next_code(&service)).await.unwrap();
}

async fn a_secret_key_is_changed_and_no_factor_is_lost(service: Service) {
    let ada = service.coded(ADA).await;
    let before = kept(&service, &ada).await;
    let both = format!("{NEW},{OLD}");
    let service = service
        .restarted(|values| values.with("SECRET_KEY", both))
        .await
        .unwrap();
    let begun = Instant::now();
    while kept(&service, &ada).await == before {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "nothing is sealed anew"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    ada.login(&service).await;
    let service = service
        .restarted(|values| values.with("SECRET_KEY", NEW))
        .await
        .unwrap();
    ada.login(&service).await;
    let code = ada.recovery_codes[0].as_str();
    service.login_with_code(ADA, PASSWORD, code).await.unwrap();
}

async fn an_operator_helps_whoever_lost_it(service: Service) {
    let ada = service.coded(ADA).await;
    let other = ada.login(&service).await;
    let (config, entropy) = (service.config(), Entropy::default());
    let rules = open_rules(&config, &service.clock, &entropy).await.unwrap();
    let user = rules.users.find(ADA).await.unwrap();
    rules.sessions.factors.remove_for(&user).await.unwrap();
    rules.sessions.factors.remove_for(&user).await.unwrap_err();
    for access in [&ada.session.access, &other.access] {
        assert!(!service.knows(access).await, "all sessions have ended");
    }
    let session = service.login(ADA).await;
    assert!(!service.profile(&session.access).await.unwrap().has_totp);
    let mut mail = Vec::new();
    for _ in 0..2 {
        mail.push(test_support::mail::subject(service.mail_to(ADA).await).unwrap());
    }
    assert_eq!(mail[1], "Logging in takes no code any more");
    service.set_up(&session).await;
}

/// Codes are no tokens, tokens are no codes, and a token that was stepped up is an access token and nothing else.
#[tokio::test]
async fn codes_and_tokens_open_their_own_doors_only() {
    let service = Service::on_sqlite().await;
    let ada = service.coded(ADA).await;
    let reset = service.reset_token(ADA).await;
    let code = ada.next_code(&service);
    let elevated = service.step_up(&ada.session.access, &code).await;
    let elevated = elevated.unwrap().into_inner().access;
    for token in [
        &elevated,
        &ada.recovery_codes[0],
        &ada.app.code(service.clock.now()),
    ] {
        let token = || token.clone();
        let verified = service
            .accounts()
            .verify_email(pb::VerifyEmailRequest { token: token() })
            .await;
        let confirmed = service
            .accounts()
            .confirm_username(pb::ConfirmUsernameRequest { token: token() })
            .await;
        let request = pb::ResetPasswordRequest {
            token: token(),
            password: "gravel lantern octopus".to_owned(),
            confirm_password: "gravel lantern octopus".to_owned(),
        };
        let reset = service.accounts().reset_password(request).await;
        for reason in [
            refused(verified).reason,
            refused(confirmed).reason,
            refused(reset).reason,
            Refused::from(service.login_with(ADA, &token()).await.unwrap_err()).reason,
        ] {
            assert!(["TOKEN_INVALID", "INVALID_CREDENTIALS"].contains(&reason.as_str()));
        }
        let refreshed = Refused::from(service.refresh(&token()).await.unwrap_err());
        assert_eq!(refreshed.reason, "REFRESH_FAILED");
        let request = pb::ListSessionsRequest {
            page_size: 1,
            page_token: token(),
        };
        let request = as_user(&elevated, request);
        let listed = service.sessions().list_sessions(request).await;
        assert_eq!(refused(listed).reason, "INVALID_FIELDS");
    }
    for code in [&ada.recovery_codes[0], &ada.app.code(service.clock.now())] {
        assert!(!service.knows(code).await);
        let request = pb::AuthorizeRequest {
            access_token: code.clone(),
        };
        let answer = service.tokens().authorize(as_service(request)).await;
        assert_eq!(refused(answer).reason, "TOKEN_INVALID");
    }
    for token in [&elevated, &ada.session.refresh, &reset] {
        let answer = service.step_up(&elevated, token).await;
        assert_eq!(refused(answer).reason, "CODE_INVALID");
    }
    // None of that has used anything up.
    service.clock.turn(TimeDelta::seconds(30));
    let code = ada.app.code(service.clock.now());
    service.step_up(&elevated, &code).await.unwrap();
    let code = &ada.recovery_codes[0];
    service.login_with_code(ADA, PASSWORD, code).await.unwrap();
}
