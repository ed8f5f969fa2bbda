//! A worker that is asked to stop finishes the mail in hand, but does not wait for ever.

use std::time::Duration;

use auth_service::domain::outbox::Timing;
use test_support::smtp::{Action, SmtpServer, Stage};

use crate::{
    mail_support::TestOutbox,
    running::{Running, SOON, now, plain, timing},
};

#[tokio::test]
async fn a_worker_that_is_asked_to_stop_finishes_the_mail_in_hand() {
    let outbox = TestOutbox::sqlite().await;
    let server = SmtpServer::start().await;
    server.set_script(|stage| match stage {
        Stage::Body(_) => Action::Dribble(Duration::from_millis(50)),
        _ => Action::Continue,
    });
    let worker = Running::start(&outbox, plain(server.port()), timing());
    let mail = outbox.queue_notice("ada@example.org", now()).await;
    server.next_to("ada@example.org", SOON).await;
    worker.stop().await;
    assert_eq!(outbox.state(mail.id).await, "sent");
}

#[tokio::test]
async fn a_worker_that_is_asked_to_stop_does_not_wait_for_ever() {
    let outbox = TestOutbox::sqlite().await;
    let server = SmtpServer::builder().script(|_| Action::Stall).start().await;
    let hasty = Timing {
        finish_within: Duration::from_millis(100),
        ..timing()
    };
    let worker = Running::start(&outbox, plain(server.port()), hasty);
    let mail = outbox.queue_notice("ada@example.org", now()).await;
    while server.connections() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::timeout(Duration::from_secs(4), worker.stop())
        .await
        .unwrap();
    assert_eq!(outbox.state(mail.id).await, "queued");
}
