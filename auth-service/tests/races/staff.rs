//! Changes from one version, and the last staff user.

use futures::future::join_all;
use proto::auth::v1 as pb;
use tonic::Code;

use crate::{
    on_both_databases,
    support::{Refused, Service, Session, as_user},
};

on_both_databases!(
    twenty_updates_from_one_etag_have_one_winner,
    twenty_profile_updates_from_one_etag_have_one_winner,
    two_staff_users_who_demote_each_other_leave_one,
);

fn update(id: &str, user: pb::User, path: &str, etag: &str) -> pb::UpdateUserRequest {
    pb::UpdateUserRequest {
        id: id.to_owned(),
        user: Some(user),
        update_mask: Some(prost_types::FieldMask {
            paths: vec![path.to_owned()],
        }),
        etag: etag.to_owned(),
    }
}

fn assert_lost(refused: tonic::Status) {
    Refused::from(refused).is(
        Code::Aborted,
        "ETAG_MISMATCH",
        "It was changed in the meantime. Read it again.",
    );
}

async fn twenty_updates_from_one_etag_have_one_winner(service: Service) {
    let staff = service.staff("staff@example.org").await;
    let ada = service.add_user("ada@example.org").await;
    let mut etag = ada.etag();
    for round in 0..15 {
        let calls = (0..20).map(|place| {
            let user = pb::User {
                bio: format!("{round} {place}"),
                ..Default::default()
            };
            let request = update(&ada.id.to_string(), user, "bio", &etag);
            let mut users = service.users();
            let request = as_user(&staff.access, request);
            async move { users.update_user(request).await }
        });
        let (won, lost): (Vec<_>, Vec<_>) = join_all(calls).await.into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 19), "round {round}");
        lost.into_iter().for_each(|lost| assert_lost(lost.unwrap_err()));
        let winner = won.into_iter().next().unwrap().unwrap().into_inner();
        let now = service.store.user(ada.id).await.unwrap().unwrap();
        assert_eq!(
            (now.profile.bio.as_str(), now.etag()),
            (winner.bio.as_str(), winner.etag.clone())
        );
        etag = winner.etag;
    }
}

async fn twenty_profile_updates_from_one_etag_have_one_winner(service: Service) {
    let ada = service.user("ada@example.org").await;
    let mut etag = ada.user.etag.clone();
    for round in 0..15 {
        let calls = (0..20).map(|place| {
            let request = pb::UpdateProfileRequest {
                profile: Some(pb::Profile {
                    first_name: format!("{round} {place}"),
                    ..Default::default()
                }),
                update_mask: Some(prost_types::FieldMask {
                    paths: vec!["first_name".to_owned()],
                }),
                etag: etag.clone(),
            };
            let (mut accounts, request) = (service.accounts(), as_user(&ada.access, request));
            async move { accounts.update_profile(request).await }
        });
        let (won, lost): (Vec<_>, Vec<_>) = join_all(calls).await.into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 19), "round {round}");
        lost.into_iter().for_each(|lost| assert_lost(lost.unwrap_err()));
        etag = won.into_iter().next().unwrap().unwrap().into_inner().etag;
    }
}

async fn two_staff_users_who_demote_each_other_leave_one(service: Service) {
    let (one, two) = (
        service.staff("one@example.org").await,
        service.staff("two@example.org").await,
    );
    for round in 0..20 {
        let demote = |caller: &Session, other: &Session| {
            let request = update(&other.user.id, pb::User::default(), "is_staff", "");
            let (mut users, request) = (service.users(), as_user(&caller.access, request));
            async move { users.update_user(request).await }
        };
        let (first, second) = futures::join!(demote(&one, &two), demote(&two, &one));
        let (stayed, gone) = match (&first, &second) {
            (Ok(_), Err(_)) => (&one, &two),
            (Err(_), Ok(_)) => (&two, &one),
            other => panic!("round {round}: {other:?}"),
        };
        let refused = Refused::from(first.and(second).unwrap_err());
        // Either the guard said no, or the caller was no longer staff when the call was looked at.
        assert!(
            matches!(
                (refused.code, refused.reason.as_str()),
                (Code::FailedPrecondition, "LAST_STAFF_USER") | (Code::PermissionDenied, "STAFF_REQUIRED")
            ),
            "round {round}: {refused:?}"
        );
        let promote = pb::User {
            is_staff: true,
            ..Default::default()
        };
        let request = update(&gone.user.id, promote, "is_staff", "");
        service
            .users()
            .update_user(as_user(&stayed.access, request))
            .await
            .expect("the one who stayed still has the right");
    }
}
