//! A bad or absent server harms nothing: what may pass is tried again, what will not is a dead letter.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use auth_service::domain::outbox::Timing;
use test_support::smtp::{Action, SmtpServer, Stage};

use crate::{
    mail_support::TestOutbox,
    running::{DAY, Running, SOON, becomes, fails_with, now, plain, timing},
};

#[tokio::test]
async fn a_refusal_for_now_is_tried_again() {
    let outbox = TestOutbox::sqlite().await;
    let times = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&times);
    let server = SmtpServer::builder()
        .script(move |stage| match stage {
            Stage::RcptTo(_) if counted.fetch_add(1, Ordering::SeqCst) < 2 => {
                Action::reply(451, "4.2.1 <ada@example.org> is busy")
            }
            _ => Action::Continue,
        })
        .start()
        .await;
    let worker = Running::start(&outbox, plain(server.port()), timing());
    let mail = outbox.queue_notice("ada@example.org", now()).await;
    server.next_to("ada@example.org", SOON).await;
    becomes(&outbox, mail.id, "sent").await;
    worker.stop().await;
    let fate = outbox.fate(mail.id).await.unwrap();
    assert_eq!((fate.attempts, fate.last_error), (3, None));
    assert_eq!(server.messages().len(), 1);
}

#[tokio::test]
async fn a_refusal_for_good_is_a_dead_letter_and_keeps_no_address() {
    let outbox = TestOutbox::sqlite().await;
    type Refusal = fn(&Stage) -> bool;
    let refusals: [(Refusal, &str); 3] = [
        (|stage| matches!(stage, Stage::RcptTo(_)), "RCPT TO: 550 5.1.1"),
        (|stage| matches!(stage, Stage::Data), "DATA: 550 5.1.1"),
        (
            |stage| matches!(stage, Stage::Body(_)),
            "the end of the message: 550 5.1.1",
        ),
    ];
    for (refuses, reason) in refusals {
        let server = SmtpServer::builder()
            .script(move |stage| match stage {
                stage if refuses(&stage) => Action::reply(550, "5.1.1 <ada@example.org>: unknown"),
                _ => Action::Continue,
            })
            .start()
            .await;
        let worker = Running::start(&outbox, plain(server.port()), timing());
        let mail = outbox.queue_notice("ada@example.org", now()).await;
        becomes(&outbox, mail.id, "dead").await;
        worker.stop().await;
        let fate = outbox.fate(mail.id).await.unwrap();
        assert_eq!((fate.attempts, fate.last_error.as_deref()), (1, Some(reason)));
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_server_or_our_account_there_kills_no_mail() {
    let outbox = TestOutbox::sqlite().await;
    type Refusal = (fn(&Stage) -> bool, u16, &'static str, &'static str);
    let refusals: [Refusal; 7] = [
        (|stage| *stage == Stage::Connected, 554, "no", "connecting: 554"),
        (
            |stage| matches!(stage, Stage::Ehlo(_)),
            550,
            "no",
            "connecting: 550",
        ),
        (
            |stage| matches!(stage, Stage::MailFrom(_)),
            550,
            "no",
            "MAIL FROM: 550",
        ),
        (
            |stage| matches!(stage, Stage::RcptTo(_)),
            530,
            "no",
            "RCPT TO: 530",
        ),
        // Many servers say only here what they think of the sender, or that they relay nothing for us.
        (
            |stage| matches!(stage, Stage::RcptTo(_)),
            553,
            "5.7.1 Sender rejected",
            "RCPT TO: 553 5.7.1",
        ),
        (
            |stage| matches!(stage, Stage::RcptTo(_)),
            554,
            "5.7.1 Relay access denied",
            "RCPT TO: 554 5.7.1",
        ),
        (
            |stage| matches!(stage, Stage::RcptTo(_)),
            550,
            "5.1.8 No such domain",
            "RCPT TO: 550 5.1.8",
        ),
    ];
    let server = SmtpServer::start().await;
    let mail = outbox.queue_notice("ada@example.org", now()).await;
    let worker = Running::start(&outbox, plain(server.port()), timing());
    for (refuses, code, text, reason) in refusals {
        server.set_script(move |stage| {
            if refuses(&stage) {
                Action::reply(code, text)
            } else {
                Action::Continue
            }
        });
        fails_with(&outbox, mail.id, reason).await;
    }
    server.behave();
    becomes(&outbox, mail.id, "sent").await;
    worker.stop().await;
}

#[tokio::test]
async fn attempts_end_and_the_mail_is_dead() {
    let outbox = TestOutbox::sqlite().await;
    let server = SmtpServer::builder().script(|_| Action::Drop).start().await;
    let short = Timing {
        pauses: vec![Duration::from_millis(20); 2],
        ..timing()
    };
    let worker = Running::start(&outbox, plain(server.port()), short);
    let mail = outbox.queue_notice("ada@example.org", now()).await;
    becomes(&outbox, mail.id, "dead").await;
    worker.stop().await;
    assert_eq!(outbox.fate(mail.id).await.unwrap().attempts, 3);
}

#[tokio::test]
async fn a_server_that_stalls_anywhere_is_given_up_and_tried_again() {
    let outbox = TestOutbox::sqlite().await;
    let stages: [fn(&Stage) -> bool; 5] = [
        |stage| *stage == Stage::Connected,
        |stage| matches!(stage, Stage::Ehlo(_)),
        |stage| matches!(stage, Stage::RcptTo(_)),
        |stage| *stage == Stage::Data,
        |stage| matches!(stage, Stage::Body(_)),
    ];
    for stalls in stages {
        let server = SmtpServer::builder()
            .script(move |stage| {
                if stalls(&stage) {
                    Action::Stall
                } else {
                    Action::Continue
                }
            })
            .start()
            .await;
        let impatient = Timing {
            send_within: Duration::from_millis(200),
            ..timing()
        };
        let worker = Running::start(&outbox, plain(server.port()), impatient);
        let mail = outbox.queue_notice("ada@example.org", now()).await;
        fails_with(&outbox, mail.id, "too long").await;
        server.behave();
        becomes(&outbox, mail.id, "sent").await;
        worker.stop().await;
        assert_eq!(server.messages().len(), 1);
    }
}

#[tokio::test]
async fn mail_waits_for_a_server_that_is_down() {
    let outbox = TestOutbox::sqlite().await;
    let address = SmtpServer::start().await.stop().await;
    let worker = Running::start(&outbox, plain(address.port()), timing());
    let mut mails = Vec::new();
    for _ in 0..10 {
        mails.push(outbox.queue_link("ada@example.org", now(), DAY).await);
    }
    for mail in &mails {
        fails_with(&outbox, mail.id, "refused").await;
    }
    let server = SmtpServer::builder().address(address).start().await;
    for mail in &mails {
        becomes(&outbox, mail.id, "sent").await;
    }
    worker.stop().await;
    assert_eq!(server.messages().len(), mails.len());
}
