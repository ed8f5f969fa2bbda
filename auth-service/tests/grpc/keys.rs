//! Signing keys and secrets change under people who stay logged in.

use std::time::{Duration, Instant};

use auth_client::access_token::AccessToken;
use auth_service::{
    domain::signing_key::{KeyRing, LEAD, NotRotated},
    model::signing_key::KeyState::{self, Active, Next, Retiring},
    open_keys,
};
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
/// How long the service may take to hear of a change.
const PATIENCE: Duration = Duration::from_secs(20);

on_both_databases!(
    a_key_is_published_before_it_signs,
    a_rotation_logs_nobody_out,
    a_retiring_key_is_kept_for_as_long_as_a_token_of_it_lives,
    a_revoked_key_is_replaced_by_the_one_that_waits,
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

/// The keys as another process sees them.
async fn open_key_ring(service: &Service) -> KeyRing {
    let (config, entropy) = (service.config(), Entropy::default());
    let keys = open_keys(&config, &service.store, &service.clock, &entropy);
    keys.await.unwrap()
}

/// Waits until the service knows the keys that another process does.
async fn hears_of(service: &Service, keys: &KeyRing) {
    let known: Vec<_> = keys.public_keys().into_iter().map(|key| key.kid).collect();
    let begun = Instant::now();
    while kids(service).await != known {
        assert!(begun.elapsed() < PATIENCE, "the service hears of it");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The states of all keys.
fn states(keys: &KeyRing) -> Vec<KeyState> {
    keys.public_keys().into_iter().map(|key| key.state).collect()
}

async fn a_key_is_published_before_it_signs(service: Service) {
    let keys = open_key_ring(&service).await;
    let [active, next] = &keys.public_keys()[..] else {
        panic!("one signs and one waits")
    };
    assert_eq!(kids(&service).await, [active.kid.clone(), next.kid.clone()]);
    assert_eq!(next.until, next.since + LEAD);
    service.clock.turn(LEAD - TimeDelta::microseconds(1));
    let refused = keys.rotate().await.unwrap_err();
    assert!(matches!(refused, NotRotated::TooEarly(from) if from == next.until));
    assert_eq!(
        refused.to_string(),
        "the next key has not been published for long enough: it may sign from 2026-03-01T12:10:00+00:00"
    );
    assert_eq!(kids(&service).await[0], active.kid);

    service.clock.turn(TimeDelta::microseconds(1));
    keys.rotate().await.unwrap();
    assert_eq!(keys.public_keys()[0].kid, next.kid);
    assert_eq!(states(&keys), [Active, Next, Retiring]);
    assert!(
        matches!(keys.rotate().await, Err(NotRotated::TooEarly(from)) if from == service.clock.now() + LEAD),
        "the one that waits now has its own time"
    );
}

async fn a_retiring_key_is_kept_for_as_long_as_a_token_of_it_lives(service: Service) {
    let keys = open_key_ring(&service).await;
    service.clock.turn(LEAD);
    let ada = service.user(ADA).await;
    keys.rotate().await.unwrap();
    let former = keys.public_keys().remove(2);
    // The longest that a token of it may live.
    service.clock.turn(TimeDelta::minutes(15) - TimeDelta::seconds(1));
    keys.do_what_is_due().await.unwrap();
    assert!(keys.verify(&ada.access).await.is_ok());
    service.clock.turn(former.until - service.clock.now());
    keys.do_what_is_due().await.unwrap();
    assert_eq!(states(&keys), [Active, Next, Retiring]);
    service.clock.turn(TimeDelta::seconds(1));
    keys.do_what_is_due().await.unwrap();
    assert_eq!(states(&open_key_ring(&service).await), [Active, Next]);
}

async fn a_revoked_key_is_replaced_by_the_one_that_waits(service: Service) {
    let keys = open_key_ring(&service).await;
    service.clock.turn(LEAD);
    let old = service.user(ADA).await;
    keys.rotate().await.unwrap();
    hears_of(&service, &keys).await;
    let new = service.refresh(&old.refresh).await.unwrap();
    let [active, next, retiring] = &keys.public_keys()[..] else {
        panic!("one of each")
    };
    keys.revoke(&retiring.kid).await.unwrap();
    assert!(keys.verify(&old.access).await.is_err(), "refused at once");
    assert!(keys.verify(&new.access).await.is_ok());
    keys.revoke(&active.kid).await.unwrap();
    assert!(keys.verify(&new.access).await.is_err(), "refused at once");
    let left = keys.public_keys();
    assert_eq!((&left[0].kid, states(&keys)), (&next.kid, vec![Active, Next]));
    keys.revoke(&left[1].kid).await.unwrap();
    let replaced = keys.public_keys();
    assert_eq!((&replaced[0].kid, states(&keys)), (&next.kid, vec![Active, Next]));
    assert!(replaced[1].kid != left[1].kid && replaced[1].until == service.clock.now() + LEAD);
    assert!(keys.revoke(&left[1].kid).await.is_err(), "gone already");

    keys.revoke_all().await.unwrap();
    let all = keys.public_keys();
    assert!(
        all.iter()
            .all(|key| replaced.iter().all(|gone| gone.kid != key.kid))
    );
    assert_eq!(states(&keys), [Active, Next]);
    hears_of(&service, &keys).await;
    let last = service.refresh(&new.refresh).await.expect("the session goes on");
    assert!(service.knows(&last.access).await && keys.verify(&last.access).await.is_ok());
}

async fn a_rotation_logs_nobody_out(service: Service) {
    let ada = service.user(ADA).await;
    let before = kids(&service).await;
    service.clock.turn(LEAD);

    // Another process: the command of the operator.
    let other = open_key_ring(&service).await;
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
        "the key was known before its first token"
    );
    assert!(service.knows(&ada.access).await, "the old token is still good");

    hears_of(&service, &other).await;
    let after = kids(&service).await;
    assert_eq!(after.len(), 3);
    assert_eq!(
        (&after[0], &after[2]),
        (&before[1], &before[0]),
        "the signing one first"
    );
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

    let both = format!("{OLD},{NEW}");
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
    // Meanwhile a key is sealed with the former one, by a replica that is to be restarted yet.
    open_key_ring(&service).await.revoke_all().await.unwrap();
    let service = service
        .restarted(|values| values.with("SECRET_KEY", format!("{NEW},{OLD}")))
        .await
        .unwrap();
    let next = service.refresh(&next.refresh).await.unwrap();

    let service = service
        .restarted(|values| values.with("SECRET_KEY", NEW))
        .await
        .unwrap();
    assert!(service.knows(&next.access).await, "the key was sealed anew");
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
