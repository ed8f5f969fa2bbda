//! Whatever takes a right away is told by `WatchSecurityState`, and nothing else is.

use std::collections::BTreeSet;

use auth_service::{domain::signing_key::LEAD, open_keys};
use proto::auth::v1 as pb;
use service_runtime::entropy::Entropy;

use crate::{
    on_both_databases,
    security_state::watcher::{Told, Watcher, session_of},
    support::{PASSWORD, Service, Session, as_user, mask},
};

const ADA: &str = "ada@example.org";
/// The password after a change.
const NEW: &str = "gravel lantern octopus";

on_both_databases!(
    every_rpc_that_takes_something_away_is_told,
    other_keys_are_told,
    what_takes_nothing_away_is_not_told,
);

fn staff() -> pb::User {
    pb::User {
        is_staff: true,
        ..Default::default()
    }
}

async fn update(service: &Service, staff: &Session, id: &str, user: pb::User, field: &str) {
    let request = pb::UpdateUserRequest {
        id: id.to_owned(),
        user: Some(user),
        update_mask: mask(&[field]),
        etag: String::new(),
    };
    let request = as_user(&staff.access, request);
    service.users().update_user(request).await.unwrap();
}

/// The RPCs, by their names in the contract, that end sessions, or change a password, an address, a right or a state.
const TAKING: [&str; 14] = [
    "Logout",
    "LogoutAll",
    "RevokeSession",
    "Refresh",
    "ResetPassword",
    "ChangePassword",
    "ConfirmUsername",
    "VerifyEmail",
    "ConfirmTotp",
    "RemoveTotp",
    "UpdateUser is_staff",
    "UpdateUser not is_staff",
    "UpdateUser not is_active",
    "DeleteAccount",
];

async fn every_rpc_that_takes_something_away_is_told(service: Service) {
    let root = service.staff("root@example.org").await;
    for (number, rpc) in TAKING.into_iter().enumerate() {
        let address = format!("ada{number}@example.org");
        if rpc == "VerifyEmail" {
            let token = service.register(&address).await;
            let mut watcher = Watcher::from(&service, 0).await;
            watcher.told().await;
            let request = pb::VerifyEmailRequest { token };
            let user = service
                .accounts()
                .verify_email(request)
                .await
                .unwrap()
                .into_inner();
            let told = watcher.hears().await;
            assert_eq!(told.changed_users, BTreeSet::from([user.id]), "{rpc}");
            continue;
        }
        let user = service.add_user(&address).await;
        let ada = service.login(&address).await;
        let other = service.login(&address).await;
        let id = user.id.to_string();
        let (current, others) = (
            session_of(&service, &ada).await,
            session_of(&service, &other).await,
        );
        let both = [&current, &others].map(Clone::clone);
        let reset = service.reset_token(&address).await;
        let confirm = service
            .confirm_token(&ada.access, &format!("new{number}@example.org"))
            .await;
        let refreshed = service.refresh(&ada.refresh).await.unwrap();
        let again = service.refresh(&refreshed.refresh).await.unwrap();
        let mut watcher = Watcher::from(&service, 0).await;
        watcher.told().await;

        let (sessions, users): (Vec<String>, Vec<&String>) = match rpc {
            "Logout" => {
                service.log_out(&again).await;
                (vec![current], vec![])
            }
            "LogoutAll" => {
                let request = as_user(&ada.access, pb::LogoutAllRequest {});
                service.sessions().logout_all(request).await.unwrap();
                (both.into(), vec![])
            }
            "RevokeSession" => {
                let request = as_user(&ada.access, pb::RevokeSessionRequest { id: others.clone() });
                service.sessions().revoke_session(request).await.unwrap();
                (vec![others], vec![])
            }
            // A replay.
            "Refresh" => {
                assert!(service.refresh(&ada.refresh).await.is_err());
                (vec![current], vec![])
            }
            "ResetPassword" => {
                let request = pb::ResetPasswordRequest {
                    token: reset,
                    password: NEW.to_owned(),
                    confirm_password: NEW.to_owned(),
                };
                service.accounts().reset_password(request).await.unwrap();
                (both.into(), vec![&id])
            }
            "ChangePassword" => {
                let request = pb::ChangePasswordRequest {
                    current_password: PASSWORD.to_owned(),
                    password: NEW.to_owned(),
                    confirm_password: NEW.to_owned(),
                };
                let request = as_user(&ada.access, request);
                service.accounts().change_password(request).await.unwrap();
                (vec![others], vec![&id])
            }
            "ConfirmUsername" => {
                let request = pb::ConfirmUsernameRequest { token: confirm };
                service.accounts().confirm_username(request).await.unwrap();
                (vec![], vec![&id])
            }
            "ConfirmTotp" => {
                service.set_up(&ada).await;
                (vec![others], vec![&id])
            }
            "RemoveTotp" => {
                let set_up = service.set_up(&ada).await;
                watcher.hears().await;
                let third = set_up.login(&service).await;
                let third = session_of(&service, &third).await;
                let code = set_up.next_code(&service);
                let request = as_user(&ada.access, pb::RemoveTotpRequest { code });
                service.factors().remove_totp(request).await.unwrap();
                (vec![third], vec![&id])
            }
            "DeleteAccount" => {
                let request = pb::DeleteAccountRequest {
                    password: PASSWORD.to_owned(),
                };
                let request = as_user(&ada.access, request);
                service.accounts().delete_account(request).await.unwrap();
                (both.into(), vec![&id])
            }
            "UpdateUser is_staff" => {
                update(&service, &root, &id, staff(), "is_staff").await;
                (vec![], vec![&id])
            }
            "UpdateUser not is_staff" => {
                update(&service, &root, &id, staff(), "is_staff").await;
                watcher.hears().await;
                update(&service, &root, &id, pb::User::default(), "is_staff").await;
                (vec![], vec![&id])
            }
            _ => {
                update(&service, &root, &id, pb::User::default(), "is_active").await;
                (both.into(), vec![&id])
            }
        };
        let told = watcher.hears().await;
        let expected = Told {
            ended_sessions: sessions.into_iter().collect(),
            changed_users: users.into_iter().cloned().collect(),
            kids: None,
        };
        assert_eq!(told, expected, "{rpc}");
    }
}

async fn other_keys_are_told(service: Service) {
    for revoke in [false, true] {
        let mut watcher = Watcher::from(&service, 0).await;
        let before = Told::of(&watcher.told().await.1).kids.unwrap();
        let (config, entropy) = (service.config(), Entropy::default());
        let keys = open_keys(&config, &service.store, &service.clock, &entropy);
        let keys = keys.await.unwrap();
        if revoke {
            keys.revoke(&before[0]).await.unwrap();
        } else {
            service.clock.turn(LEAD);
            keys.rotate().await.unwrap();
        }
        let after = watcher.hears().await.kids.expect("the keys are told");
        assert_eq!(after[0], before[1], "the one signs that was told to be next");
        assert!(!before.contains(&after[1]), "another one is next");
        assert_eq!(after.contains(&before[0]), !revoke);
    }
}

async fn what_takes_nothing_away_is_not_told(service: Service) {
    let root = service.staff("root@example.org").await;
    let ada = service.user(ADA).await;
    let coded = service.coded("coded@example.org").await;
    let mut watcher = Watcher::from(&service, 0).await;
    let (before, _) = watcher.told().await;

    service.login(ADA).await;
    service.refresh(&ada.refresh).await.unwrap();
    service.reset_token(ADA).await;
    let begun = as_user(&ada.access, pb::StartTotpRequest {});
    service.factors().start_totp(begun).await.unwrap();
    let stepped_up = coded.next_code(&service);
    let stepped_up = as_user(&coded.session.access, pb::StepUpRequest { code: stepped_up });
    service.sessions().step_up(stepped_up).await.unwrap();
    let first_name = pb::User {
        first_name: "Ada".to_owned(),
        ..Default::default()
    };
    update(&service, &root, &ada.user.id, first_name, "first_name").await;
    let another = as_user(
        &ada.access,
        pb::RevokeSessionRequest {
            id: root.user.id.clone(),
        },
    );
    assert!(service.sessions().revoke_session(another).await.is_err());

    for _ in 0..3 {
        let (revision, told) = watcher.told().await;
        assert_eq!((revision, told), (before, vec![]));
    }
}
