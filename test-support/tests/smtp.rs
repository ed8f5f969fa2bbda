//! Conversations between the SMTP server and `lettre`, the client that the services use.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate as Root, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::{self as client, AsyncSmtpTransportBuilder};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use test_support::certificate::Certificate;
use test_support::mail;
use test_support::smtp::{Action, SmtpServer, Stage};

const SOON: Duration = Duration::from_secs(10);

/// The stage at which a script refuses, and the code it does so with.
type Refusal = (fn(&Stage) -> bool, u16);

fn client(server: &SmtpServer) -> AsyncSmtpTransportBuilder {
    AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("localhost")
        .port(server.port())
        .timeout(Some(Duration::from_secs(5)))
}

fn trusting(certificate: &Certificate) -> TlsParameters {
    TlsParameters::builder("localhost".to_owned())
        .certificate_store(CertificateStore::None)
        .add_root_certificate(Root::from_pem(certificate.pem().as_bytes()).unwrap())
        .build()
        .unwrap()
}

async fn send(client: AsyncSmtpTransportBuilder, to: &str) -> Result<(), client::Error> {
    let text = "Hello\r\n.\r\n..two dots\r\nhttp://localhost:8080/verify-email?token=abc_-123\r\n";
    let message = Message::builder()
        .from("edu@example.org".parse().unwrap())
        .to(to.parse().unwrap())
        .subject("Grüße")
        .body(text.to_owned())
        .unwrap();
    client.build().send(message).await.map(|_| ())
}

#[tokio::test]
async fn mail_arrives_as_it_was_sent() {
    let server = SmtpServer::start().await;
    send(client(&server), "ada@example.org").await.unwrap();
    send(client(&server), "grace@example.org").await.unwrap();
    assert_eq!(server.wait_for(2, SOON).await.len(), 2);
    assert_eq!(server.connections(), 2);

    let message = server.next_to("Grace@example.org", SOON).await;
    assert_eq!(message.envelope_from, "edu@example.org");
    assert_eq!(message.recipients, ["grace@example.org"]);
    assert!(!message.encrypted);
    assert_eq!(mail::subject(&message).unwrap(), "Grüße");
    assert!(
        mail::text(&message)
            .unwrap()
            .contains("Hello\r\n.\r\n..two dots\r\n")
    );
    assert_eq!(mail::token(&message).unwrap(), "abc_-123");
}

#[tokio::test]
async fn the_next_mail_is_another_one_and_may_be_waited_for() {
    let server = SmtpServer::start().await;
    send(client(&server), "ada@example.org").await.unwrap();
    server.next_to("ada@example.org", SOON).await;
    let (second, sent) = tokio::join!(server.next_to("ada@example.org", SOON), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        send(client(&server), "ada@example.org").await
    });
    sent.unwrap();
    assert!(second.is_to("ada@example.org"));
    assert_eq!(server.messages().len(), 2);
}

#[tokio::test]
async fn starttls_and_login() {
    let certificate = Certificate::for_localhost();
    let server = SmtpServer::builder()
        .starttls(&certificate)
        .credentials("edu", "secret")
        .start()
        .await;
    for mechanism in [Mechanism::Plain, Mechanism::Login] {
        let client = client(&server)
            .tls(Tls::Required(trusting(&certificate)))
            .authentication(vec![mechanism])
            .credentials(Credentials::new("edu".to_owned(), "secret".to_owned()));
        send(client, "ada@example.org").await.unwrap();
        let message = server.next_to("ada@example.org", SOON).await;
        assert!(message.encrypted);
        assert_eq!(message.login.as_deref(), Some("edu"));
    }
    let logins = server.logins();
    assert!(
        logins
            .iter()
            .all(|login| login.accepted && login.encrypted && login.password == "secret")
    );
    assert_eq!(
        logins
            .iter()
            .map(|login| login.mechanism.as_str())
            .collect::<Vec<_>>(),
        ["PLAIN", "LOGIN"]
    );
    assert!(
        !server.transcript().join("\n").contains("c2VjcmV0"),
        "credentials are not shown"
    );
}

#[tokio::test]
async fn tls_from_the_first_byte() {
    let certificate = Certificate::for_localhost();
    let server = SmtpServer::builder().implicit_tls(&certificate).start().await;
    send(
        client(&server).tls(Tls::Wrapper(trusting(&certificate))),
        "ada@example.org",
    )
    .await
    .unwrap();
    assert!(server.next_to("ada@example.org", SOON).await.encrypted);

    let stranger = Certificate::for_localhost();
    send(
        client(&server).tls(Tls::Wrapper(trusting(&stranger))),
        "ada@example.org",
    )
    .await
    .unwrap_err();
    assert_eq!(server.messages().len(), 1);
}

#[tokio::test]
async fn wrong_credentials_and_none_are_refused() {
    let server = SmtpServer::builder().credentials("edu", "secret").start().await;
    let wrong = Credentials::new("edu".to_owned(), "guess".to_owned());
    let failure = send(client(&server).credentials(wrong), "ada@example.org")
        .await
        .unwrap_err();
    assert_eq!(failure.status().unwrap().to_string(), "535");
    assert!(!server.logins()[0].accepted);
    let failure = send(client(&server), "ada@example.org").await.unwrap_err();
    assert_eq!(failure.status().unwrap().to_string(), "530");
    assert!(server.messages().is_empty());
}

#[tokio::test]
async fn a_script_refuses_at_the_stage_it_wants() {
    let server = SmtpServer::start().await;
    let refusing: [Refusal; 6] = [
        (|stage| *stage == Stage::Connected, 421),
        (|stage| matches!(stage, Stage::MailFrom(_)), 451),
        (|stage| matches!(stage, Stage::RcptTo(_)), 550),
        (|stage| *stage == Stage::Data, 451),
        (|stage| matches!(stage, Stage::Body(_)), 452),
        (|stage| matches!(stage, Stage::Body(_)), 554),
    ];
    for (is_refused, code) in refusing {
        server.set_script(move |stage| {
            if is_refused(&stage) {
                Action::reply(code, "no")
            } else {
                Action::Continue
            }
        });
        let failure = send(client(&server), "ada@example.org").await.unwrap_err();
        assert_eq!(failure.status().unwrap().to_string(), code.to_string());
        assert_eq!(failure.is_transient(), code < 500);
        assert!(server.messages().is_empty());
    }
    server.behave();
    send(client(&server), "ada@example.org").await.unwrap();
}

#[tokio::test]
async fn a_dropped_connection_loses_the_mail_or_only_the_answer() {
    let server = SmtpServer::builder()
        .script(|stage| {
            if matches!(stage, Stage::Body(_)) {
                Action::Drop
            } else {
                Action::Continue
            }
        })
        .start()
        .await;
    send(client(&server), "ada@example.org").await.unwrap_err();
    assert!(server.messages().is_empty());

    server.set_script(|stage| {
        if matches!(stage, Stage::Kept(_)) {
            Action::Drop
        } else {
            Action::Continue
        }
    });
    send(client(&server), "ada@example.org").await.unwrap_err();
    assert_eq!(server.messages().len(), 1);

    server.set_script(|stage| {
        if matches!(stage, Stage::Accepted(_)) {
            Action::Drop
        } else {
            Action::Continue
        }
    });
    send(client(&server), "ada@example.org").await.unwrap();
    assert_eq!(server.messages().len(), 2);
}

#[tokio::test]
async fn a_server_may_stall_or_be_slow() {
    let server = SmtpServer::start().await;
    server.set_script(|stage| {
        if stage == Stage::Data {
            Action::Stall
        } else {
            Action::Continue
        }
    });
    // The client's own timeout covers no more than connecting.
    let patience = Duration::from_millis(200);
    tokio::time::timeout(patience, send(client(&server), "ada@example.org"))
        .await
        .unwrap_err();

    server.set_script(|_| Action::Dribble(Duration::from_millis(1)));
    send(client(&server), "ada@example.org").await.unwrap();
}

#[tokio::test]
async fn a_script_may_wait_for_the_test() {
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let held = std::sync::Arc::clone(&gate);
    let server = SmtpServer::builder()
        .script_async(move |stage| {
            let gate = std::sync::Arc::clone(&held);
            async move {
                if matches!(stage, Stage::Body(_)) {
                    gate.acquire().await.unwrap().forget();
                }
                Action::Continue
            }
        })
        .start()
        .await;
    let sending = send(client(&server), "ada@example.org");
    tokio::pin!(sending);
    tokio::time::timeout(Duration::from_millis(200), &mut sending)
        .await
        .unwrap_err();
    assert!(server.messages().is_empty());
    gate.add_permits(1);
    sending.await.unwrap();
    assert_eq!(server.messages().len(), 1);
}

#[tokio::test]
async fn a_stopped_server_refuses_and_another_can_take_its_place() {
    let server = SmtpServer::start().await;
    let to_it = client(&server);
    let address = server.stop().await;
    send(to_it.clone(), "ada@example.org").await.unwrap_err();
    let server = SmtpServer::builder().address(address).start().await;
    send(to_it, "ada@example.org").await.unwrap();
    server.next_to("ada@example.org", SOON).await;
}
