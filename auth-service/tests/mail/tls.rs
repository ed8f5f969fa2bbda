//! Nothing goes out in the clear where TLS is wanted, nor to a server that the machine does not trust.

use std::process::{Command, Stdio};

use auth_service::mail::smtp::SmtpConfig;
use service_runtime::secret::LiveSecret;
use test_support::{certificate::Certificate, smtp::SmtpServer};

use crate::{
    mail_support::TestOutbox,
    running::{Running, SOON, becomes, fails_with, now, plain, timing},
};

#[tokio::test]
async fn nothing_goes_out_in_the_clear_where_tls_is_wanted() {
    let outbox = TestOutbox::sqlite().await;
    let server = SmtpServer::builder().credentials("edu", "secret").start().await;
    let config = SmtpConfig {
        username: Some("edu".to_owned()),
        password: Some(LiveSecret::new("secret".to_owned(), None)),
        use_tls: true,
        ..plain(server.port())
    };
    let worker = Running::start(&outbox, config, timing());
    let mail = outbox.queue_notice("ada@example.org", now()).await;
    fails_with(&outbox, mail.id, "STARTTLS").await;
    worker.stop().await;
    assert_eq!(outbox.state(mail.id).await, "queued");
    assert!(server.logins().is_empty());
    let said = server.transcript();
    assert!(
        said.iter()
            .all(|line| !line.contains("MAIL") && !line.contains("AUTH …")),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_not_trusted() {
    let outbox = TestOutbox::sqlite().await;
    let server = SmtpServer::builder()
        .starttls(&Certificate::for_localhost())
        .start()
        .await;
    let worker = Running::start(
        &outbox,
        SmtpConfig {
            use_tls: true,
            ..plain(server.port())
        },
        timing(),
    );
    let mail = outbox.queue_notice("ada@example.org", now()).await;
    fails_with(&outbox, mail.id, "STARTTLS").await;
    worker.stop().await;
    assert!(server.messages().is_empty());
}

#[tokio::test]
async fn a_wrong_password_kills_no_mail() {
    let outbox = TestOutbox::sqlite().await;
    let server = SmtpServer::builder().credentials("edu", "secret").start().await;
    let config = |password: &str| SmtpConfig {
        username: Some("edu".to_owned()),
        password: Some(LiveSecret::new(password.to_owned(), None)),
        ..plain(server.port())
    };
    let mail = outbox.queue_notice("ada@example.org", now()).await;
    let worker = Running::start(&outbox, config("guess"), timing());
    fails_with(&outbox, mail.id, "logging in: 535").await;
    worker.stop().await;
    let worker = Running::start(&outbox, config("secret"), timing());
    let message = server.next_to("ada@example.org", SOON).await;
    assert_eq!(message.login.as_deref(), Some("edu"));
    worker.stop().await;
}

#[tokio::test]
async fn mail_goes_over_starttls_to_a_server_that_the_machine_trusts() {
    let outbox = TestOutbox::sqlite().await;
    let certificate = Certificate::for_localhost();
    let server = SmtpServer::builder()
        .starttls(&certificate)
        .credentials("edu", "secret")
        .start()
        .await;
    let root = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(root.path(), certificate.pem()).unwrap();
    let mail = outbox.queue_notice("ada@example.org", now()).await;
    // What the machine trusts is read from the environment of a process: the real one.
    let mut service = Command::new(env!("CARGO_BIN_EXE_auth-service"))
        .arg("serve")
        .args(["--auth-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .env("AUTH_DATABASE_URL", &outbox.url)
        .env("SERVICE_TOKEN", "a-service-token-of-the-tests-0123456789")
        .env("SECRET_KEY", "the-secret-key-of-the-tests-0123456789")
        .env("EMAIL_HOST", "localhost")
        .env("EMAIL_PORT", server.port().to_string())
        .env("EMAIL_USERNAME", "edu")
        .env("EMAIL_PASSWORD", "secret")
        .env("SSL_CERT_FILE", root.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let message = server.next_to("ada@example.org", SOON).await;
    assert!(message.encrypted);
    assert_eq!(message.login.as_deref(), Some("edu"));
    becomes(&outbox, mail.id, "sent").await;
    service.kill().unwrap();
    service.wait().unwrap();
}
