//! Mail arrives as soon as it can, with its link, once.

use std::{collections::HashSet, time::Duration};

use auth_service::{domain::outbox::Timing, model::mail_token::Purpose};
use test_support::smtp::SmtpServer;

use crate::{
    mail_support::TestOutbox,
    on_both_databases,
    running::{DAY, Running, SOON, becomes, now, plain, timing, tokens},
};

on_both_databases!(
    mail_arrives_with_its_link,
    many_mails_and_two_workers_make_one_of_each,
);

async fn mail_arrives_with_its_link(outbox: TestOutbox) {
    let server = SmtpServer::start().await;
    let worker = Running::start(&outbox, plain(server.port()), timing());
    let mail = outbox.queue_link("ada@example.org", now(), DAY).await;
    let message = server.next_to("ada@example.org", SOON).await;
    assert_eq!(message.envelope_from, "edu@example.org");
    assert_eq!(message.recipients, ["ada@example.org"]);
    let token = tokens().token(mail.token_id.unwrap(), Purpose::VerifyEmail);
    assert_eq!(test_support::mail::token(&message).as_ref(), Some(token.expose()));
    becomes(&outbox, mail.id, "sent").await;
    worker.stop().await;
    assert_eq!(server.messages().len(), 1);
}

#[tokio::test]
async fn a_ring_is_answered_at_once() {
    let outbox = TestOutbox::sqlite().await;
    let server = SmtpServer::start().await;
    let sleepy = Timing {
        poll: Duration::from_secs(3_600),
        ..timing()
    };
    let worker = Running::start(&outbox, plain(server.port()), sleepy);
    for _ in 0..3 {
        outbox.queue_notice("ada@example.org", now()).await;
        worker.bell.ring();
        server.next_to("ada@example.org", SOON).await;
    }
    worker.stop().await;
}

async fn many_mails_and_two_workers_make_one_of_each(outbox: TestOutbox) {
    const MAILS: usize = 60;
    let server = SmtpServer::start().await;
    let workers = [(); 2].map(|()| Running::start(&outbox, plain(server.port()), timing()));
    let mut mails = Vec::new();
    for number in 0..MAILS {
        mails.push(
            outbox
                .queue_notice(&format!("ada{number}@example.org"), now())
                .await,
        );
    }
    for mail in &mails {
        becomes(&outbox, mail.id, "sent").await;
    }
    for worker in workers {
        worker.stop().await;
    }
    let messages = server.messages();
    let recipients: HashSet<_> = messages
        .iter()
        .map(|message| message.recipients.clone())
        .collect();
    assert_eq!((messages.len(), recipients.len()), (MAILS, MAILS));
}
