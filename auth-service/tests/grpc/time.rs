//! What time does: links, tokens and sessions end on the second, and accounts never verified go.

use auth_service::domain::cleanup::Cleanup;
use chrono::TimeDelta;
use proto::auth::v1 as pb;
use tonic::Code;

use crate::support::{PASSWORD, Refused, Service, refused, registration};

const ADA: &str = "ada@example.org";
const SECOND: TimeDelta = TimeDelta::seconds(1);

#[tokio::test]
async fn a_link_is_good_for_a_quarter_of_an_hour() {
    let service = Service::on_sqlite().await;
    let (one, two) = (
        service.register(ADA).await,
        service.register("bob@example.org").await,
    );
    service.clock.turn(TimeDelta::minutes(15) - SECOND);
    service
        .accounts()
        .verify_email(pb::VerifyEmailRequest { token: one.clone() })
        .await
        .unwrap();
    service.clock.turn(SECOND);
    for token in [one, two] {
        refused(
            service
                .accounts()
                .verify_email(pb::VerifyEmailRequest { token })
                .await,
        )
        .is(
            Code::InvalidArgument,
            "TOKEN_INVALID",
            "Token is invalid or expired",
        );
    }
}

#[tokio::test]
async fn a_reset_and_a_new_address_run_out_too() {
    let service = Service::on_sqlite().await;
    let ada = service.user(ADA).await;
    let reset = pb::ResetPasswordRequest {
        token: service.reset_token(ADA).await,
        password: "gravel lantern octopus".to_owned(),
        confirm_password: "gravel lantern octopus".to_owned(),
    };
    let confirm = pb::ConfirmUsernameRequest {
        token: service.confirm_token(&ada.access, "new@example.org").await,
    };
    service.clock.turn(TimeDelta::minutes(15));
    let sentence = "Token is invalid or expired";
    refused(service.accounts().reset_password(reset).await).is(
        Code::InvalidArgument,
        "TOKEN_INVALID",
        sentence,
    );
    refused(service.accounts().confirm_username(confirm).await).is(
        Code::InvalidArgument,
        "TOKEN_INVALID",
        sentence,
    );
    service.login_with(ADA, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn an_access_token_is_good_for_a_quarter_of_an_hour() {
    let service = Service::on_sqlite().await;
    let ada = service.user(ADA).await;
    service.clock.turn(TimeDelta::minutes(15) - SECOND);
    assert!(service.knows(&ada.access).await);
    service.clock.turn(SECOND);
    let refused = Refused::from(service.profile(&ada.access).await.unwrap_err());
    refused.is(
        Code::Unauthenticated,
        "TOKEN_INVALID",
        "The access token is not valid.",
    );
    let next = service.refresh(&ada.refresh).await.unwrap();
    assert!(service.knows(&next.access).await);
}

#[tokio::test]
async fn a_refresh_token_is_good_for_a_day_and_goes_on() {
    let service = Service::on_sqlite().await;
    let ada = service.user(ADA).await;
    service.clock.turn(TimeDelta::days(1) - SECOND);
    let next = service.refresh(&ada.refresh).await.unwrap();
    service.clock.turn(TimeDelta::days(1) - SECOND);
    let last = service.refresh(&next.refresh).await.unwrap();
    service.clock.turn(TimeDelta::days(1));
    assert!(service.refresh(&last.refresh).await.is_err());
    assert!(!service.knows(&last.access).await);
}

#[tokio::test]
async fn no_session_lives_longer_than_thirty_days() {
    let service = Service::on_sqlite().await;
    let mut session = service.user(ADA).await;
    for _ in 0..30 {
        service.clock.turn(TimeDelta::hours(23));
        session = service.refresh(&session.refresh).await.unwrap();
    }
    // 28 days and 18 hours have gone by: what is left is less than a day.
    service.clock.turn(TimeDelta::hours(23));
    session = service.refresh(&session.refresh).await.unwrap();
    service.clock.turn(TimeDelta::hours(7));
    assert!(service.refresh(&session.refresh).await.is_err());
}

#[tokio::test]
async fn accounts_never_verified_are_removed_after_a_week() {
    let service = Service::on_sqlite().await;
    let token = service.register(ADA).await;
    let kept = service.register("bob@example.org").await;
    service
        .accounts()
        .verify_email(pb::VerifyEmailRequest { token: kept })
        .await
        .unwrap();
    let cleanup = Cleanup {
        store: service.store.clone(),
        clock: service.clock.clone(),
        unverified_retention: service.config().unverified_retention,
        access_lifetime: TimeDelta::minutes(15),
        event_retention: chrono::TimeDelta::days(180),
    };
    service.clock.turn(TimeDelta::days(7));
    cleanup.once(service.clock.now()).await.unwrap();
    assert!(service.store.user_by_username(ADA).await.unwrap().is_some());
    service.clock.turn(SECOND);
    cleanup.once(service.clock.now()).await.unwrap();
    assert_eq!(service.store.user_by_username(ADA).await.unwrap(), None);
    refused(
        service
            .accounts()
            .verify_email(pb::VerifyEmailRequest { token })
            .await,
    )
    .is(
        Code::InvalidArgument,
        "TOKEN_INVALID",
        "Token is invalid or expired",
    );
    service
        .accounts()
        .register(registration(ADA))
        .await
        .expect("the address is free again");
    service.login_with("bob@example.org", PASSWORD).await.unwrap();
}
