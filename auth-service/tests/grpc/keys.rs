//! Signing keys and secrets change under people who stay logged in.

use auth_client::access_token::AccessToken;
use auth_service::open_keys;
use chrono::TimeDelta;
use proto::auth::v1 as pb;
use service_runtime::{entropy::Entropy, settings::Values};
use uuid::Uuid;

use crate::{
    on_both_databases,
    support::{Service, refusal_of},
};

const ADA: &str = "ada@example.org";
const OLD: &str = "the-secret-key-of-the-tests-0123456789";
const NEW: &str = "another-secret-key-of-the-tests-987654";

on_both_databases!(
    a_rotation_logs_nobody_out,
    a_wrong_secret_stops_the_start,
    a_secret_is_changed_by_way_of_two,
);

async fn kids(service: &Service) -> Vec<String> {
    let jwks = service
        .tokens()
        .get_jwks(pb::GetJwksRequest {})
        .await
        .unwrap()
        .into_inner();
    jwks.keys.into_iter().map(|key| key.kid).collect()
}

async fn a_rotation_logs_nobody_out(service: Service) {
    let ada = service.user(ADA).await;
    let before = kids(&service).await;
    service.clock.turn(TimeDelta::minutes(1));

    // Another process: the command of the operator.
    let other = open_keys(
        &service.config(),
        &service.store,
        &service.clock,
        &Entropy::default(),
    )
    .await
    .unwrap();
    other.rotate().await.unwrap();
    let session = service
        .store
        .session(session_of(&service, &ada.access).await)
        .await
        .unwrap()
        .unwrap();
    let now = service.clock.now();
    let token = AccessToken {
        id: Entropy::default().new_id(now).unwrap(),
        user_id: session.user_id,
        session_id: session.id,
        issued_at: now,
        expires_at: now + service.config().access_lifetime,
        auth_time: session.auth_time,
        factors: session.factors,
    };
    let signed = other.sign(&token).unwrap();
    assert!(
        service.knows(signed.expose()).await,
        "the new key is known with its first token"
    );
    assert!(service.knows(&ada.access).await, "the old token is still good");

    let after = kids(&service).await;
    assert_eq!(after.len(), 2);
    assert_ne!(after[0], before[0], "the signing one first");
    assert_eq!(after[1], before[0]);
    let next = service.refresh(&ada.refresh).await.unwrap();
    assert!(service.knows(&next.access).await);
    assert!(other.verify(&next.access).await.is_ok() && other.verify(&ada.access).await.is_ok());
}

async fn session_of(service: &Service, access: &str) -> Uuid {
    let request = pb::AuthorizeRequest {
        access_token: access.to_owned(),
    };
    let answer = service
        .tokens()
        .authorize(crate::support::as_service(request))
        .await
        .unwrap();
    answer.into_inner().session_id.parse().unwrap()
}

async fn a_wrong_secret_stops_the_start(service: Service) {
    let error = service
        .why_not_restarted(|values: Values| values.with("SECRET_KEY", NEW))
        .await;
    assert_eq!(
        refusal_of(&error),
        "the signing keys cannot be used: SECRET_KEY does not open what was sealed; \
         was it changed without keeping the former one?"
    );
}

async fn a_secret_is_changed_by_way_of_two(service: Service) {
    let ada = service.user(ADA).await;
    let reset = service.reset_token(ADA).await;
    let list = |access: &str, page_token: &str| {
        let request = pb::ListSessionsRequest {
            page_size: 1,
            page_token: page_token.to_owned(),
        };
        crate::support::as_user(access, request)
    };
    service.login(ADA).await;
    let page = service
        .sessions()
        .list_sessions(list(&ada.access, ""))
        .await
        .unwrap()
        .into_inner();

    let both = format!("{NEW},{OLD}");
    let service = service
        .restarted(|values| values.with("SECRET_KEY", both))
        .await
        .unwrap();
    assert!(service.knows(&ada.access).await);
    service
        .sessions()
        .list_sessions(list(&ada.access, &page.next_page_token))
        .await
        .unwrap();
    let next = service.refresh(&ada.refresh).await.unwrap();
    assert_eq!(
        service.refresh(&ada.refresh).await.unwrap().refresh,
        next.refresh,
        "a retry"
    );
    let keys = open_keys(
        &service.config(),
        &service.store,
        &service.clock,
        &Entropy::default(),
    )
    .await;
    keys.unwrap().rotate().await.unwrap();

    let service = service
        .restarted(|values| values.with("SECRET_KEY", NEW))
        .await
        .unwrap();
    assert!(
        service.knows(&next.access).await,
        "signed by a key that still verifies"
    );
    let last = service
        .refresh(&next.refresh)
        .await
        .expect("made under the new secret");
    assert!(service.knows(&last.access).await);
    let stale = pb::ResetPasswordRequest {
        token: reset,
        password: "gravel lantern octopus".to_owned(),
        confirm_password: "gravel lantern octopus".to_owned(),
    };
    service
        .accounts()
        .reset_password(stale)
        .await
        .expect_err("made under a secret that is gone");
}
