//! No mail goes out whose link has expired.

use std::time::Duration;

use chrono::TimeDelta;
use test_support::smtp::{Action, SmtpServer};

use crate::{
    mail_support::TestOutbox,
    on_both_databases,
    running::{Running, becomes, now, plain, timing},
};

on_both_databases!(mail_that_is_due_after_its_link_expired_is_never_sent);

async fn mail_that_is_due_after_its_link_expired_is_never_sent(outbox: TestOutbox) {
    let server = SmtpServer::builder()
        .script(|_| Action::reply(421, "not now"))
        .start()
        .await;
    let worker = Running::start(&outbox, plain(server.port()), timing());
    let mail = outbox
        .queue_link("ada@example.org", now(), TimeDelta::milliseconds(500))
        .await;
    becomes(&outbox, mail.id, "expired").await;
    assert!(outbox.fate(mail.id).await.unwrap().attempts >= 1);
    server.behave();
    let other = outbox.queue_notice("grace@example.org", now()).await;
    becomes(&outbox, other.id, "sent").await;
    worker.stop().await;
    assert!(
        server
            .messages()
            .iter()
            .all(|message| message.is_to("grace@example.org"))
    );
}

#[tokio::test]
async fn sending_stops_at_the_moment_the_link_expires() {
    let outbox = TestOutbox::sqlite().await;
    let server = SmtpServer::builder().script(|_| Action::Stall).start().await;
    let worker = Running::start(&outbox, plain(server.port()), timing());
    let mail = outbox
        .queue_link("ada@example.org", now(), TimeDelta::milliseconds(300))
        .await;
    // Sending may take five seconds; this mail's link is not good for that long.
    tokio::time::timeout(Duration::from_secs(4), becomes(&outbox, mail.id, "expired"))
        .await
        .unwrap();
    worker.stop().await;
}
