//! Every text field of every call, filled with every hostile text: an answer each time, never an internal error,
//! and afterwards the service is as it was.

use proto::auth::v1 as pb;
use tonic::{Code, Status};

use crate::support::{PASSWORD, Service, as_service, as_user, mask, registration};

/// Texts that have broken things before.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "\0",
        "a\0b@example.org",
        "\r\nX-Evil: 1",
        "\u{1b}[2J",
        "\u{7f}",
        "\u{85}",
        "\u{feff}ada@example.org",
        "\u{202e}moc.elpmaxe@ada",
        "\u{2066}x\u{2069}",
        "\u{200b}",
        "\u{fffd}\u{10ffff}",
        "a\u{301}\u{301}\u{301}",
        "'; DROP TABLE users; --",
        "\" OR \"\"=\"",
        "%s%n${jndi:ldap://x}{{7*7}}",
        "../../etc/passwd",
        "<script>alert(1)</script>",
        "-1",
        "1e999",
        "null",
        "00000000-0000-0000-0000-000000000000",
        "{00000000-0000-7000-8000-000000000000}",
        "urn:uuid:00000000-0000-7000-8000-000000000000",
        "r9223372036854775807",
        "9999-12-31",
        "oem_AAAA",
        "oer_AAAA",
        "a.b.c",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.extend([
        "x".repeat(300_000),
        "🦀".repeat(60_000),
        "a@".repeat(5_000),
        "\u{0}".repeat(5_000),
    ]);
    texts
}

fn check<T>(what: &str, text: &str, answer: Result<T, Status>) {
    let code = answer.err().map_or(Code::Ok, |status| status.code());
    let shown: String = text.chars().take(40).collect();
    assert!(
        !matches!(
            code,
            Code::Internal | Code::Unknown | Code::Unavailable | Code::DataLoss
        ),
        "{what} with {shown:?}: {code:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_and_sessions_on_sqlite() {
    run(Service::on_sqlite().await).await;
}

/// PostgreSQL keeps no NUL in a text and says so with an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_and_sessions_on_postgres() {
    if let Some(service) = Service::on_postgres().await {
        run(service).await;
    }
}

async fn run(service: Service) {
    let staff = service.staff("staff@example.org").await;
    let access = staff.access.as_str();
    let (mut accounts, mut sessions) = (service.accounts(), service.sessions());
    let (mut users, mut tokens, mut factors) = (service.users(), service.tokens(), service.factors());
    // Somebody with a second factor, and somebody who has begun to set one up.
    let coded = service.coded("coded@example.org").await;
    let begun = as_user(access, pb::StartTotpRequest {});
    factors.start_totp(begun).await.unwrap();
    for text in texts() {
        let text = || text.clone();
        // Without passwords, so that nothing is hashed and the fields are still all read.
        let request = pb::RegisterRequest {
            username: text(),
            confirm_password: String::new(),
            first_name: text(),
            last_name: text(),
            bio: text(),
            user_greeting: Some(text()),
            color_mode: i32::MAX,
            dashboard_first_date: Some(text()),
            ..registration("")
        };
        check(
            "Register",
            &text(),
            accounts
                .register(pb::RegisterRequest {
                    username: text(),
                    ..request
                })
                .await,
        );
        let request = pb::RegisterRequest {
            request_id: text(),
            password: String::new(),
            ..registration("ada@example.org")
        };
        check("Register", &text(), accounts.register(request).await);
        check(
            "VerifyEmail",
            &text(),
            accounts
                .verify_email(pb::VerifyEmailRequest { token: text() })
                .await,
        );
        let request = pb::ResendVerificationRequest { username: text() };
        check(
            "ResendVerification",
            &text(),
            accounts.resend_verification(request).await,
        );
        let request = pb::RequestPasswordResetRequest { username: text() };
        check(
            "RequestPasswordReset",
            &text(),
            accounts.request_password_reset(request).await,
        );
        let request = pb::ResetPasswordRequest {
            token: text(),
            password: text(),
            confirm_password: text(),
        };
        check("ResetPassword", &text(), accounts.reset_password(request).await);
        let request = pb::ConfirmUsernameRequest { token: text() };
        check(
            "ConfirmUsername",
            &text(),
            accounts.confirm_username(request).await,
        );
        for path in [
            "username",
            "first_name",
            "last_name",
            "bio",
            "user_greeting",
            "dashboard_first_date",
        ] {
            let profile = pb::Profile {
                username: text(),
                first_name: text(),
                last_name: text(),
                bio: text(),
                user_greeting: text(),
                dashboard_first_date: Some(text()),
                ..Default::default()
            };
            let request = pb::UpdateProfileRequest {
                profile: Some(profile),
                update_mask: mask(&[path]),
                etag: String::new(),
            };
            check(
                path,
                &text(),
                accounts.update_profile(as_user(access, request)).await,
            );
        }
        let request = pb::UpdateProfileRequest {
            profile: None,
            update_mask: mask(&[&text()]),
            etag: text(),
        };
        check(
            "UpdateProfile",
            &text(),
            accounts.update_profile(as_user(access, request)).await,
        );
        let request = pb::ChangePasswordRequest {
            current_password: text(),
            password: text(),
            confirm_password: text(),
        };
        if text().len() < 4096 {
            check(
                "ChangePassword",
                &text(),
                accounts.change_password(as_user(access, request)).await,
            );
            let request = pb::DeleteAccountRequest { password: text() };
            check(
                "DeleteAccount",
                &text(),
                accounts.delete_account(as_user(access, request)).await,
            );
            let request = pb::LoginRequest {
                username: text(),
                password: text(),
                code: String::new(),
            };
            check("Login", &text(), sessions.login(request).await);
            let request = pb::LoginRequest {
                username: "coded@example.org".to_owned(),
                password: PASSWORD.to_owned(),
                code: text(),
            };
            check("Login", &text(), sessions.login(request).await);
        }
        check(
            "Refresh",
            &text(),
            sessions.refresh(pb::RefreshRequest { refresh: text() }).await,
        );
        check(
            "Logout",
            &text(),
            sessions.logout(pb::LogoutRequest { refresh: text() }).await,
        );
        for access in [access, coded.session.access.as_str()] {
            let request = as_user(access, pb::StepUpRequest { code: text() });
            check("StepUp", &text(), sessions.step_up(request).await);
            let request = as_user(access, pb::ConfirmTotpRequest { code: text() });
            check("ConfirmTotp", &text(), factors.confirm_totp(request).await);
            let request = as_user(access, pb::RemoveTotpRequest { code: text() });
            check("RemoveTotp", &text(), factors.remove_totp(request).await);
            let request = as_user(access, pb::RenewRecoveryCodesRequest { code: text() });
            check(
                "RenewRecoveryCodes",
                &text(),
                factors.renew_recovery_codes(request).await,
            );
        }
        let request = pb::ListSessionsRequest {
            page_size: i32::MAX,
            page_token: text(),
        };
        check(
            "ListSessions",
            &text(),
            sessions.list_sessions(as_user(access, request)).await,
        );
        let request = as_user(access, pb::RevokeSessionRequest { id: text() });
        check("RevokeSession", &text(), sessions.revoke_session(request).await);
        for (search, order_by, page_token) in [
            (text(), String::new(), String::new()),
            (String::new(), text(), String::new()),
            (String::new(), String::new(), text()),
        ] {
            let request = pb::ListUsersRequest {
                search,
                order_by,
                page_size: 1,
                page_token,
            };
            check(
                "ListUsers",
                &text(),
                users.list_users(as_user(access, request)).await,
            );
        }
        let request = as_user(access, pb::GetUserRequest { id: text() });
        check("GetUser", &text(), users.get_user(request).await);
        let request = pb::UpdateUserRequest {
            id: text(),
            user: None,
            update_mask: mask(&["bio"]),
            etag: text(),
        };
        check(
            "UpdateUser",
            &text(),
            users.update_user(as_user(access, request)).await,
        );
        let request = as_service(pb::AuthorizeRequest { access_token: text() });
        check("Authorize", &text(), tokens.authorize(request).await);
        for place in 0..4 {
            let at = |wanted| if place == wanted { text() } else { String::new() };
            let request = pb::ListSecurityEventsRequest {
                kind: at(0),
                actor_id: at(1),
                subject_id: at(2),
                page_token: at(3),
                ..Default::default()
            };
            check(
                "ListSecurityEvents",
                &text(),
                users.list_security_events(as_user(access, request)).await,
            );
        }
        let request = pb::RecordSecurityEventRequest {
            id: text(),
            kind: text(),
            actor_id: text(),
            session_id: text(),
            ip_address: text(),
            request_id: text(),
            method: text(),
            times: i32::MIN,
        };
        check(
            "RecordSecurityEvent",
            &text(),
            tokens.record_security_event(as_service(request)).await,
        );
        let request = as_service(pb::BatchGetUsersRequest {
            user_ids: vec![text()],
        });
        check("BatchGetUsers", &text(), tokens.batch_get_users(request).await);
    }
    assert!(service.knows(access).await);
    service.login("staff@example.org").await;
}
