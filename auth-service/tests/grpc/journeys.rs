//! What people do from beginning to end, on both databases.

use proto::auth::v1::{self as pb};
use tonic::Code;

use crate::{
    on_both_databases,
    support::{PASSWORD, Service, as_user, refused},
};

const ADA: &str = "ada@example.org";
const NEW_PASSWORD: &str = "gravel lantern octopus";

on_both_databases!(
    register_verify_login_refresh_logout,
    reset_password,
    change_password,
    change_username,
    staff_manage_users,
);

fn registration(username: &str) -> pb::RegisterRequest {
    pb::RegisterRequest {
        username: username.to_owned(),
        password: PASSWORD.to_owned(),
        confirm_password: PASSWORD.to_owned(),
        ..Default::default()
    }
}

async fn register_verify_login_refresh_logout(service: Service) {
    let registered = service
        .accounts()
        .register(registration(ADA))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((registered.username.as_str(), registered.is_active), (ADA, false));
    let early = service.login_with(ADA, PASSWORD).await.unwrap_err();
    assert_eq!(early.message(), "Invalid username/password");

    let token = service.token_to(ADA).await;
    let verify = pb::VerifyEmailRequest { token };
    let verified = service
        .accounts()
        .verify_email(verify.clone())
        .await
        .unwrap()
        .into_inner();
    assert!(verified.is_active);
    let again = service
        .accounts()
        .verify_email(verify)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again, verified);

    let session = service.login_with("ADA@Example.org ", PASSWORD).await.unwrap();
    assert_eq!(session.user.id, registered.id);
    assert!(session.user.last_login.is_some());
    let profile = service.profile(&session.access).await.unwrap();
    assert_eq!(
        (profile.username.as_str(), profile.user_greeting.as_str()),
        (ADA, "Welcome!")
    );

    let next = service.refresh(&session.refresh).await.unwrap();
    assert_ne!((&next.access, &next.refresh), (&session.access, &session.refresh));
    assert!(service.knows(&next.access).await && service.knows(&session.access).await);

    let logout = pb::LogoutRequest {
        refresh: next.refresh.clone(),
    };
    service.sessions().logout(logout.clone()).await.unwrap();
    assert!(!service.knows(&next.access).await && !service.knows(&session.access).await);
    let over = service.refresh(&next.refresh).await.unwrap_err();
    assert_eq!(over.message(), "Token refresh failed. Please log in again.");
    service
        .sessions()
        .logout(logout)
        .await
        .expect("logging out twice is no error");
}

async fn reset_password(service: Service) {
    let session = service.user(ADA).await;
    let request = pb::RequestPasswordResetRequest {
        username: ADA.to_uppercase(),
    };
    service.accounts().request_password_reset(request).await.unwrap();
    let reset = pb::ResetPasswordRequest {
        token: service.token_to(ADA).await,
        password: NEW_PASSWORD.to_owned(),
        confirm_password: NEW_PASSWORD.to_owned(),
    };
    service.accounts().reset_password(reset.clone()).await.unwrap();

    assert!(!service.knows(&session.access).await);
    assert!(service.refresh(&session.refresh).await.is_err());
    assert!(service.login_with(ADA, PASSWORD).await.is_err());
    assert!(service.login_with(ADA, NEW_PASSWORD).await.is_ok());
    refused(service.accounts().reset_password(reset).await)
        .is(
            Code::InvalidArgument,
            "TOKEN_INVALID",
            "Token is invalid or expired",
        )
        .about(&[("token", "Token is invalid or expired")]);
    let notice = service.mail_to(ADA).await;
    assert!(
        test_support::mail::link(&notice).is_none(),
        "a notice holds no link with a token"
    );
}

async fn change_password(service: Service) {
    let other = service.user(ADA).await;
    let own = service.login(ADA).await;
    let change = pb::ChangePasswordRequest {
        current_password: PASSWORD.to_owned(),
        password: NEW_PASSWORD.to_owned(),
        confirm_password: NEW_PASSWORD.to_owned(),
    };
    service
        .accounts()
        .change_password(as_user(&own.access, change))
        .await
        .unwrap();

    assert!(service.knows(&own.access).await, "the own session stays");
    assert!(!service.knows(&other.access).await, "the other sessions end");
    assert!(service.refresh(&other.refresh).await.is_err());
    assert!(service.refresh(&own.refresh).await.is_ok());
    assert!(service.login_with(ADA, PASSWORD).await.is_err());
    assert!(service.login_with(ADA, NEW_PASSWORD).await.is_ok());
    service.mail_to(ADA).await;
}

async fn change_username(service: Service) {
    const NEW: &str = "Countess@Example.org";
    let session = service.user(ADA).await;
    let update = pb::UpdateProfileRequest {
        profile: Some(pb::Profile {
            username: NEW.to_owned(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["username".to_owned()],
        }),
        etag: String::new(),
    };
    let waiting = service
        .accounts()
        .update_profile(as_user(&session.access, update))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(waiting.username, ADA);
    assert_eq!(waiting.pending_username.as_deref(), Some(NEW));
    let told = service.mail_to(ADA).await;
    assert!(
        test_support::mail::link(&told).is_none(),
        "the old mailbox is told and can do nothing"
    );

    let token = service.token_to(NEW).await;
    let confirm = pb::ConfirmUsernameRequest { token };
    let user = service
        .accounts()
        .confirm_username(confirm.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(user.username, NEW);
    let again = service
        .accounts()
        .confirm_username(confirm)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again, user);
    assert!(service.login_with(ADA, PASSWORD).await.is_err());
    let session = service
        .login_with("countess@example.org", PASSWORD)
        .await
        .unwrap();
    assert_eq!(
        service.profile(&session.access).await.unwrap().pending_username,
        None
    );
}

async fn staff_manage_users(service: Service) {
    let staff = service.staff("staff@example.org").await;
    let ada = service.user(ADA).await;
    let list = pb::ListUsersRequest {
        search: "ADA".to_owned(),
        ..Default::default()
    };
    let listed = service
        .users()
        .list_users(as_user(&staff.access, list))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        listed
            .users
            .iter()
            .map(|user| user.username.as_str())
            .collect::<Vec<_>>(),
        [ADA]
    );

    let update = |user, path: &str| pb::UpdateUserRequest {
        id: ada.user.id.clone(),
        user: Some(user),
        update_mask: Some(prost_types::FieldMask {
            paths: vec![path.to_owned()],
        }),
        etag: String::new(),
    };
    let promote = update(
        pb::User {
            is_staff: true,
            ..Default::default()
        },
        "is_staff",
    );
    let user = service
        .users()
        .update_user(as_user(&staff.access, promote))
        .await
        .unwrap()
        .into_inner();
    assert!(user.is_staff);
    let get = pb::GetUserRequest {
        id: ada.user.id.clone(),
    };
    let seen = service
        .users()
        .get_user(as_user(&ada.access, get))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(seen, user, "rights count at once");

    let deactivate = update(pb::User::default(), "is_active");
    let user = service
        .users()
        .update_user(as_user(&staff.access, deactivate))
        .await
        .unwrap()
        .into_inner();
    assert!(!user.is_active);
    assert!(!service.knows(&ada.access).await, "refused at once");
    assert!(service.refresh(&ada.refresh).await.is_err());
    assert!(service.login_with(ADA, PASSWORD).await.is_err());
}
