//! The contract of the outbox, the same on both databases: queued with its cause, held by one worker at a time,
//! settled by nobody but the holder, and never handed out once it is worth nothing.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use auth_service::{model::mail::Outcome, store::outbox::Outbox};
use chrono::{DateTime, TimeDelta, Utc};
use service_runtime::{database::BeginWrite, on};
use uuid::Uuid;

use crate::{
    mail_support::{Fate, TestOutbox, new_id},
    on_both_databases,
};

on_both_databases!(
    a_mail_is_queued_with_its_cause_or_not_at_all,
    a_claimed_mail_is_nobody_elses_until_its_lease_runs_out,
    only_the_holder_of_the_latest_lease_settles,
    a_mail_put_off_is_due_again_at_its_time,
    a_dead_mail_stays_dead,
    mail_that_is_worth_nothing_is_not_handed_out_but_expires,
    a_mail_in_hand_does_not_expire,
    claims_are_bounded_and_the_oldest_come_first,
    mail_goes_with_its_account,
    a_kind_of_a_newer_version_is_left_to_others,
    finished_mail_is_removed_when_it_is_old,
    workers_that_claim_at_once_never_get_the_same_mail,
);

const LEASE: TimeDelta = TimeDelta::seconds(60);

fn start() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

async fn claim(outbox: &TestOutbox, now: DateTime<Utc>, lease: Uuid) -> Vec<Uuid> {
    let claimed = outbox.store.claim_mail(now, LEASE, 10, lease).await.unwrap();
    claimed.into_iter().map(|claimed| claimed.mail.id).collect()
}

async fn settle(outbox: &TestOutbox, id: Uuid, lease: Uuid, now: DateTime<Utc>, outcome: Outcome) -> bool {
    outbox.store.settle_mail(id, lease, now, &outcome).await.unwrap()
}

async fn a_mail_is_queued_with_its_cause_or_not_at_all(outbox: TestOutbox) {
    let mail = outbox
        .queue_link("ada@example.org", start(), TimeDelta::minutes(15))
        .await;
    let undone = auth_service::model::mail::NewMail {
        id: new_id(),
        ..mail.clone()
    };
    on!(&outbox.database, |pool| {
        let mut tx = pool.begin_write().await?;
        tx.enqueue(&undone).await?;
        tx.rollback().await
    })
    .unwrap();
    let claimed = outbox
        .store
        .claim_mail(start(), LEASE, 10, new_id())
        .await
        .unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].attempt, 1);
    assert_eq!(format!("{:?}", claimed[0].mail), format!("{mail:?}"));
}

async fn a_claimed_mail_is_nobody_elses_until_its_lease_runs_out(outbox: TestOutbox) {
    let mail = outbox.queue_notice("ada@example.org", start()).await;
    assert!(
        claim(&outbox, start() - TimeDelta::microseconds(1), new_id())
            .await
            .is_empty()
    );
    assert_eq!(claim(&outbox, start(), new_id()).await, [mail.id]);
    let almost = start() + LEASE - TimeDelta::microseconds(1);
    assert!(claim(&outbox, almost, new_id()).await.is_empty());
    assert_eq!(claim(&outbox, start() + LEASE, new_id()).await, [mail.id]);
    assert_eq!(outbox.fate(mail.id).await.unwrap().attempts, 2);
}

async fn only_the_holder_of_the_latest_lease_settles(outbox: TestOutbox) {
    let mail = outbox.queue_notice("ada@example.org", start()).await;
    let (first, second) = (new_id(), new_id());
    claim(&outbox, start(), first).await;
    let later = start() + LEASE;
    claim(&outbox, later, second).await;
    let dead = Outcome::Dead {
        reason: "RCPT TO: 550".to_owned(),
    };
    for outcome in [
        Outcome::Sent,
        dead,
        Outcome::PutOff {
            until: later,
            reason: "?".to_owned(),
        },
    ] {
        assert!(!settle(&outbox, mail.id, first, later, outcome).await);
    }
    assert!(
        claim(&outbox, later, new_id()).await.is_empty(),
        "the second lease holds"
    );
    assert!(settle(&outbox, mail.id, second, later, Outcome::Sent).await);
    assert!(
        !settle(&outbox, mail.id, second, later, Outcome::Sent).await,
        "settled is settled"
    );
    let sent = Fate {
        state: "sent".to_owned(),
        attempts: 2,
        last_error: None,
        is_finished: true,
    };
    assert_eq!(outbox.fate(mail.id).await.unwrap(), sent);
    assert!(
        claim(&outbox, start() + TimeDelta::days(1), new_id())
            .await
            .is_empty()
    );
}

async fn a_mail_put_off_is_due_again_at_its_time(outbox: TestOutbox) {
    let mail = outbox.queue_notice("ada@example.org", start()).await;
    let lease = new_id();
    claim(&outbox, start(), lease).await;
    let until = start() + TimeDelta::minutes(5);
    let reason = "RCPT TO: 451 4.2.1".to_owned();
    assert!(
        settle(
            &outbox,
            mail.id,
            lease,
            start(),
            Outcome::PutOff {
                until,
                reason: reason.clone()
            }
        )
        .await
    );
    let waits = Fate {
        state: "queued".to_owned(),
        attempts: 1,
        last_error: Some(reason),
        is_finished: false,
    };
    assert_eq!(outbox.fate(mail.id).await.unwrap(), waits);
    assert!(
        !settle(&outbox, mail.id, lease, start(), Outcome::Sent).await,
        "the lease was given back"
    );
    assert!(
        claim(&outbox, until - TimeDelta::microseconds(1), new_id())
            .await
            .is_empty()
    );
    assert_eq!(claim(&outbox, until, new_id()).await, [mail.id]);
}

async fn a_dead_mail_stays_dead(outbox: TestOutbox) {
    let mail = outbox.queue_notice("ada@example.org", start()).await;
    let lease = new_id();
    claim(&outbox, start(), lease).await;
    let reason = "RCPT TO: 550 5.1.1".to_owned();
    assert!(
        settle(
            &outbox,
            mail.id,
            lease,
            start(),
            Outcome::Dead {
                reason: reason.clone()
            }
        )
        .await
    );
    let later = start() + TimeDelta::days(3);
    assert!(claim(&outbox, later, new_id()).await.is_empty());
    assert_eq!(outbox.store.expire_mail(later).await.unwrap(), 0);
    let dead = Fate {
        state: "dead".to_owned(),
        attempts: 1,
        last_error: Some(reason),
        is_finished: true,
    };
    assert_eq!(outbox.fate(mail.id).await.unwrap(), dead);
}

async fn mail_that_is_worth_nothing_is_not_handed_out_but_expires(outbox: TestOutbox) {
    let soon = TimeDelta::minutes(15);
    let late = outbox.queue_link("late@example.org", start(), soon).await;
    let used = outbox
        .queue_link("used@example.org", start(), TimeDelta::days(2))
        .await;
    let good = outbox
        .queue_link("good@example.org", start(), TimeDelta::days(2))
        .await;
    let notice = outbox.queue_notice("notice@example.org", start()).await;
    outbox.use_token(&used, start()).await;

    let end = start() + soon;
    assert_eq!(
        outbox
            .store
            .expire_mail(end - TimeDelta::microseconds(1))
            .await
            .unwrap(),
        1
    );
    assert_eq!(outbox.state(used.id).await, "expired");
    let claimed: HashSet<Uuid> = claim(&outbox, end, new_id()).await.into_iter().collect();
    assert_eq!(claimed, HashSet::from([good.id, notice.id]));
    assert_eq!(outbox.store.expire_mail(end).await.unwrap(), 1);
    let expired = Fate {
        state: "expired".to_owned(),
        attempts: 0,
        last_error: None,
        is_finished: true,
    };
    assert_eq!(outbox.fate(late.id).await.unwrap(), expired);
}

async fn a_mail_in_hand_does_not_expire(outbox: TestOutbox) {
    let mail = outbox
        .queue_link("ada@example.org", start(), TimeDelta::seconds(30))
        .await;
    let lease = new_id();
    claim(&outbox, start(), lease).await;
    let after_its_end = start() + TimeDelta::seconds(31);
    assert_eq!(outbox.store.expire_mail(after_its_end).await.unwrap(), 0);
    assert!(
        settle(&outbox, mail.id, lease, after_its_end, Outcome::Sent).await,
        "it was sent in time"
    );
}

async fn claims_are_bounded_and_the_oldest_come_first(outbox: TestOutbox) {
    let mut queued = Vec::new();
    for minute in [2, 0, 1] {
        let caused_at = start() + TimeDelta::minutes(minute);
        queued.push((minute, outbox.queue_notice("ada@example.org", caused_at).await.id));
    }
    queued.sort();
    let now = start() + TimeDelta::minutes(3);
    for (_, id) in queued {
        let claimed = outbox.store.claim_mail(now, LEASE, 1, new_id()).await.unwrap();
        assert_eq!(
            claimed.iter().map(|claimed| claimed.mail.id).collect::<Vec<_>>(),
            [id]
        );
    }
}

async fn mail_goes_with_its_account(outbox: TestOutbox) {
    let mail = outbox
        .queue_link("ada@example.org", start(), TimeDelta::minutes(15))
        .await;
    let lease = new_id();
    claim(&outbox, start(), lease).await;
    on!(&outbox.database, |pool| sqlx::query("DELETE FROM users")
        .execute(pool)
        .await
        .map(|_| ()))
    .unwrap();
    assert_eq!(outbox.fate(mail.id).await, None);
    assert!(!settle(&outbox, mail.id, lease, start(), Outcome::Sent).await);
}

async fn a_kind_of_a_newer_version_is_left_to_others(outbox: TestOutbox) {
    let newer = outbox.queue_notice("ada@example.org", start()).await;
    let known = outbox.queue_notice("ada@example.org", start()).await;
    on!(&outbox.database, |pool| sqlx::query(
        "UPDATE mail_outbox SET kind = 'newsletter' WHERE id = $1"
    )
    .bind(newer.id)
    .execute(pool)
    .await
    .map(|_| ()))
    .unwrap();
    assert_eq!(claim(&outbox, start(), new_id()).await, [known.id]);
    assert_eq!(outbox.state(newer.id).await, "queued");
}

async fn finished_mail_is_removed_when_it_is_old(outbox: TestOutbox) {
    let mut finished = Vec::new();
    for _ in 0..3 {
        let mail = outbox.queue_notice("ada@example.org", start()).await;
        let lease = new_id();
        claim(&outbox, start(), lease).await;
        assert!(settle(&outbox, mail.id, lease, start(), Outcome::Sent).await);
        finished.push(mail.id);
    }
    let waiting = outbox.queue_notice("ada@example.org", start()).await;
    assert_eq!(outbox.store.purge_finished_mail(start(), 10).await.unwrap(), 0);
    let later = start() + TimeDelta::microseconds(1);
    assert_eq!(outbox.store.purge_finished_mail(later, 2).await.unwrap(), 2);
    assert_eq!(outbox.store.purge_finished_mail(later, 2).await.unwrap(), 1);
    assert_eq!(outbox.fate(finished[0]).await, None);
    assert_eq!(outbox.state(waiting.id).await, "queued");
}

async fn workers_that_claim_at_once_never_get_the_same_mail(outbox: TestOutbox) {
    const ROUNDS: i64 = 20;
    const MAILS: usize = 24;
    let outbox = Arc::new(outbox);
    for round in 0..ROUNDS {
        let now = start() + TimeDelta::hours(round);
        let mut queued = HashSet::new();
        for _ in 0..MAILS {
            queued.insert(outbox.queue_notice("ada@example.org", now).await.id);
        }
        let mut workers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let outbox = Arc::clone(&outbox);
            workers.spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let lease = new_id();
                    let claimed = outbox.store.claim_mail(now, LEASE, 3, lease).await.unwrap();
                    if claimed.is_empty() {
                        return mine;
                    }
                    assert!(claimed.len() <= 3);
                    for claimed in claimed {
                        let id = claimed.mail.id;
                        assert!(settle(&outbox, id, lease, now, Outcome::Sent).await);
                        mine.push(id);
                    }
                }
            });
        }
        let mut times: HashMap<Uuid, usize> = HashMap::new();
        for id in workers.join_all().await.into_iter().flatten() {
            *times.entry(id).or_default() += 1;
        }
        assert!(
            times.values().all(|times| *times == 1),
            "round {round}: {times:?}"
        );
        assert_eq!(times.into_keys().collect::<HashSet<_>>(), queued, "round {round}");
    }
}
