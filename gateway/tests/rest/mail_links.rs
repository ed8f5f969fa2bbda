//! The pages that mail links open.

use proto::auth::v1::{ConfirmUsernameRequest, ResetPasswordRequest, VerifyEmailRequest};
use service_runtime::grpc::refusal::{FieldError, Refusal};
use tonic::Code;

use crate::support::Gateway;

const PAGES: [&str; 3] = ["/verify-email", "/reset-password", "/confirm-username"];

async fn submit(gateway: &Gateway, path: &str, form: &str) -> (u16, String) {
    let request = gateway
        .request("POST", path)
        .header("content-type", "application/x-www-form-urlencoded");
    let response = request.body(form.to_owned()).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn opening_a_link_changes_nothing() {
    let gateway = Gateway::start();
    for path in PAGES {
        for method in ["GET", "HEAD"] {
            let response = gateway
                .request(method, &format!("{path}?token=t%22%3E%3Cb"))
                .send()
                .await
                .unwrap();
            assert_eq!(response.status().as_u16(), 200);
            assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert_eq!(response.headers()["referrer-policy"], "no-referrer");
            let policy = response.headers()["content-security-policy"].to_str().unwrap();
            assert!(
                policy.contains("form-action 'self'") && !policy.contains("script"),
                "{policy}"
            );
            let page = response.text().await.unwrap();
            if method == "GET" {
                assert!(
                    page.contains("<html lang=\"en\">") && page.contains("<h1>"),
                    "{page}"
                );
                assert!(
                    page.contains(&format!("<form method=\"post\" action=\"{path}\">")),
                    "{page}"
                );
                assert!(page.contains("value=\"t&#34;&#62;&#60;b\""), "{page}");
            }
        }
    }
    assert!(gateway.auth.calls().is_empty());
}

#[tokio::test]
async fn a_link_without_its_token_is_incomplete() {
    let gateway = Gateway::start();
    for path in PAGES {
        for query in ["", "?token=", "?token=%ff"] {
            let response = gateway
                .request("GET", &format!("{path}{query}"))
                .send()
                .await
                .unwrap();
            assert_eq!(response.status().as_u16(), 400);
            assert!(!response.text().await.unwrap().contains("<form"));
        }
    }
}

#[tokio::test]
async fn the_button_verifies() {
    let gateway = Gateway::start();
    let (status, page) = submit(&gateway, "/verify-email", "token=a%2Bb+c").await;
    assert_eq!(status, 200);
    assert!(page.contains("You can log in now."), "{page}");
    let call = gateway.auth.last();
    assert_eq!(call.message::<VerifyEmailRequest>().token, "a+b c");
    assert_eq!(call.metadata("x-client-address"), Some("127.0.0.1"));
    assert!(call.metadata("x-request-id").is_some());

    let (status, _) = submit(&gateway, "/confirm-username", "token=t&ignored=1").await;
    assert_eq!(status, 200);
    assert_eq!(gateway.auth.last().message::<ConfirmUsernameRequest>().token, "t");
}

#[tokio::test]
async fn a_refusal_is_shown_with_its_status() {
    let gateway = Gateway::start();
    let refusal = Refusal::new(
        Code::InvalidArgument,
        "TOKEN_INVALID",
        "Token is invalid or expired",
    );
    gateway.auth.refuse("VerifyEmail", refusal);
    let (status, page) = submit(&gateway, "/verify-email", "token=t").await;
    assert_eq!(status, 400);
    assert!(
        page.contains("role=\"alert\">Token is invalid or expired</p>"),
        "{page}"
    );

    gateway
        .auth
        .refuse("VerifyEmail", tonic::Status::internal("secret"));
    let (status, page) = submit(&gateway, "/verify-email", "token=t").await;
    assert_eq!(status, 500);
    assert!(
        page.contains("Something went wrong. Request id: ") && !page.contains("secret"),
        "{page}"
    );
}

#[tokio::test]
async fn a_new_password_is_typed_twice_and_faults_stand_at_their_fields() {
    let gateway = Gateway::start();
    let form = "token=t&password=p%C3%A4ss&confirm_password=other";
    gateway.auth.refuse(
        "ResetPassword",
        Refusal::fields(
            "INVALID",
            vec![
                FieldError::new("password", "Too <short>."),
                FieldError::new("confirm_password", "Passwords are not matching."),
            ],
        ),
    );
    let (status, page) = submit(&gateway, "/reset-password", form).await;
    assert_eq!(status, 400);
    let message: ResetPasswordRequest = gateway.auth.last().message();
    assert_eq!(
        (&*message.password, &*message.confirm_password),
        ("päss", "other")
    );
    assert!(
        page.contains("id=\"password-errors\" class=\"refusal\">Too &#60;short&#62;."),
        "{page}"
    );
    assert!(
        page.contains("aria-describedby=\"confirm_password-errors\""),
        "{page}"
    );
    assert!(
        !page.contains("other") && !page.contains("päss"),
        "a password is not shown again"
    );
}

#[tokio::test]
async fn a_browser_neither_cuts_nor_measures_a_new_password() {
    // It would cut what is pasted without a word, and it counts in UTF-16 units.
    let gateway = Gateway::start();
    let request = gateway.request("GET", "/reset-password?token=t");
    let page = request.send().await.unwrap().text().await.unwrap();
    assert_eq!(page.matches("type=\"password\"").count(), 2, "{page}");
    assert!(
        !page.contains("minlength") && !page.contains("maxlength"),
        "{page}"
    );
}

#[tokio::test]
async fn a_form_is_a_form() {
    let gateway = Gateway::start();
    let request = gateway
        .request("POST", "/verify-email")
        .header("content-type", "application/json");
    assert_eq!(gateway.send(request.body("{\"token\":\"t\"}")).await.0, 415);
    let (status, _) = submit(&gateway, "/verify-email", &"x".repeat(300_000)).await;
    assert_eq!(status, 413);
    assert_eq!(
        gateway.send(gateway.request("DELETE", "/verify-email")).await.0,
        405
    );
    assert!(gateway.auth.calls().is_empty());
}
