//! Second factors: begun, tried, confirmed, removed; each under the conditions that decide its races.

use auth_service::{
    model::{
        event_kind::EventKind,
        factor::{Attempt, StoredFactor},
        security_change::SecurityChange,
        session::Session,
        user::User,
    },
    store::factor::{FactorChange, NotTried},
};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    on_both,
    world::{World, at, event, hash_of, new_id, notice, session, user},
};

on_both!(
    an_enrolment_replaces_one_that_does_not_count,
    an_attempt_is_kept_whole_or_not_at_all,
    a_recovery_code_is_used_up_with_its_attempt,
    a_factor_counts_from_its_confirmation_on,
    an_enrolment_that_was_left_lying_is_not_confirmed,
    a_factor_is_removed_with_its_codes,
    recovery_codes_are_replaced_together,
    a_session_is_opened_with_what_the_account_asks_for,
    sealed_secrets_are_read_in_pages_and_replaced_where_unchanged,
    whatever_is_of_an_account_goes_with_it,
);

fn change(user: &User, session_id: Option<Uuid>, now: DateTime<Utc>) -> FactorChange {
    FactorChange {
        user_id: user.id,
        session_id,
        now,
        event: event(EventKind::FactorAdded, 0),
        mail: notice(&user.username),
    }
}

fn hashes(name: &str) -> Vec<Vec<u8>> {
    (0..3)
        .map(|number| format!("{name}{number}").into_bytes())
        .collect()
}

/// The attempt that leaves everything as it is.
fn unchanged(factor: &StoredFactor, passed: bool) -> Attempt {
    Attempt {
        passed,
        last_step: factor.last_step,
        failures: factor.failures,
        blocked_until: factor.blocked_until,
        events: Vec::new(),
        mail: None,
    }
}

impl World {
    /// The factor as it is kept.
    async fn factor(&self, user: &User) -> Option<StoredFactor> {
        let mut seen = None;
        let tried = self.store.try_code(user.id, None, at(0), |factor, _| {
            seen = Some(factor.clone());
            Err::<Attempt, _>(())
        });
        match tried.await {
            Err(NotTried::Refused(())) => seen,
            Err(NotTried::NoFactor) => None,
            other => panic!("{other:?}"),
        }
    }

    /// Whether a recovery code is good; it is used up.
    async fn uses_up(&self, user: &User, hash: &[u8]) -> bool {
        let mut good = false;
        let tried = self
            .store
            .try_code(user.id, Some(hash), at(1), |factor, used_up| {
                good = used_up;
                Ok::<_, ()>(unchanged(factor, used_up))
            });
        assert_eq!(tried.await.unwrap().1, good);
        good
    }

    /// Begins and confirms at a moment; says the enrolment.
    async fn set_up(&self, user: &User, now: DateTime<Utc>) -> Uuid {
        let id = new_id();
        assert!(
            self.store
                .start_factor(user.id, id, b"sealed", now)
                .await
                .unwrap()
        );
        let change = change(user, None, now);
        let confirmed = self
            .store
            .confirm_factor(id, at(-15), &hashes("code"), &change)
            .await;
        assert!(confirmed.unwrap());
        id
    }
}

async fn an_enrolment_replaces_one_that_does_not_count(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    assert_eq!(world.factor(&ada).await, None);
    let (first, second) = (new_id(), new_id());
    for (id, sealed) in [(first, b"one"), (second, b"two")] {
        assert!(world.store.start_factor(ada.id, id, sealed, at(0)).await.unwrap());
    }
    let expected = StoredFactor {
        id: second,
        sealed_secret: b"two".to_vec(),
        last_step: 0,
        failures: 0,
        blocked_until: None,
    };
    assert_eq!(world.factor(&ada).await, Some(expected.clone()));
    assert_eq!(world.now(&ada).await, ada, "the account is as it was");

    // What was confirmed is not replaced, and what was replaced is not confirmed.
    let confirm = |id| {
        let change = change(&ada, None, at(1));
        let store = world.store.clone();
        async move {
            store
                .confirm_factor(id, at(-15), &hashes("code"), &change)
                .await
                .unwrap()
        }
    };
    assert!(!confirm(first).await);
    assert!(confirm(second).await);
    assert!(!confirm(second).await);
    assert!(
        !world
            .store
            .start_factor(ada.id, new_id(), b"x", at(2))
            .await
            .unwrap()
    );
    assert_eq!(world.factor(&ada).await, Some(expected));
    let nobody = world.store.start_factor(new_id(), new_id(), b"x", at(2)).await;
    assert!(!nobody.unwrap());
}

async fn an_attempt_is_kept_whole_or_not_at_all(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let id = world.set_up(&ada, at(0)).await;
    let before = world.factor(&ada).await.unwrap();
    let (mails, events) = (world.mails().await.len(), world.events().await.len());
    let failing = |factor: &StoredFactor| Attempt {
        passed: false,
        last_step: factor.last_step + 7,
        failures: factor.failures + 1,
        blocked_until: Some(at(9)),
        events: vec![
            event(EventKind::FactorFailed, 1),
            event(EventKind::FactorProved, 1),
        ],
        mail: Some(notice("ada@example.org")),
    };
    let refused = world.store.try_code(ada.id, None, at(1), |factor, _| {
        let _lost = failing(factor);
        Err::<Attempt, _>("no")
    });
    assert!(matches!(refused.await, Err(NotTried::Refused("no"))));
    assert_eq!(world.factor(&ada).await.unwrap(), before);

    let tried = world
        .store
        .try_code(ada.id, None, at(1), |factor, _| Ok::<_, ()>(failing(factor)));
    assert_eq!(tried.await.unwrap(), (id, false));
    let after = StoredFactor {
        last_step: 7,
        failures: 1,
        blocked_until: Some(at(9)),
        ..before
    };
    assert_eq!(world.factor(&ada).await.unwrap(), after);
    assert_eq!(world.mails().await.len(), mails + 1);
    assert_eq!(world.events().await.len(), events + 2);

    // One after the other, however many come at once.
    let attempts = (0..50).map(|_| {
        world.store.try_code(ada.id, None, at(1), |factor, _| {
            Ok::<_, ()>(Attempt {
                failures: factor.failures + 1,
                ..unchanged(factor, true)
            })
        })
    });
    for tried in futures::future::join_all(attempts).await {
        assert_eq!(tried.unwrap(), (id, true));
    }
    assert_eq!(world.factor(&ada).await.unwrap().failures, 51);
    let nobody = world.store.try_code(new_id(), None, at(1), |factor, _| {
        Ok::<_, ()>(unchanged(factor, true))
    });
    assert!(matches!(nobody.await, Err(NotTried::NoFactor)));
}

async fn a_recovery_code_is_used_up_with_its_attempt(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let bob = world.add(user("bob@example.org")).await;
    world.set_up(&ada, at(0)).await;
    let id = new_id();
    world.store.start_factor(bob.id, id, b"x", at(0)).await.unwrap();
    let codes = hashes("code");
    let refused = world
        .store
        .try_code(ada.id, Some(&codes[0]), at(1), |_, used_up| {
            assert!(used_up);
            Err::<Attempt, _>(())
        });
    assert!(matches!(refused.await, Err(NotTried::Refused(()))));
    assert!(!world.uses_up(&bob, &codes[0]).await, "somebody else's");
    assert!(world.uses_up(&ada, &codes[0]).await, "it was taken back");
    assert!(!world.uses_up(&ada, &codes[0]).await);
    assert!(!world.uses_up(&ada, b"none").await);
    assert!(world.uses_up(&ada, &codes[1]).await);
}

async fn a_factor_counts_from_its_confirmation_on(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let (here, elsewhere) = (world.open(&ada, at(0)).await, world.open(&ada, at(0)).await);
    let before = world.now(&ada).await;
    let id = new_id();
    world.store.start_factor(ada.id, id, b"x", at(0)).await.unwrap();
    let revision = world.store.security_revision().await.unwrap();
    let change = change(&ada, Some(here.id), at(1));
    let confirmed = world
        .store
        .confirm_factor(id, at(-15), &hashes("code"), &change)
        .await;
    assert!(confirmed.unwrap());
    let expected = User {
        factor_since: Some(at(1)),
        revision: before.revision + 1,
        ..before
    };
    assert_eq!(world.now(&ada).await, expected);
    assert!(world.is_open(&here).await && !world.is_open(&elsewhere).await);
    let mut recorded = changes(&world, revision).await;
    recorded.sort();
    let expected = [
        SecurityChange::SessionEnded(elsewhere.id),
        SecurityChange::UserChanged(ada.id),
    ];
    assert_eq!(recorded, expected);
    let mut told = world.events().await;
    told.retain(|(_, kind)| kind == "factor_added");
    assert_eq!(told.len(), 1);
    assert_eq!(world.mails().await.len(), 1);
    assert_eq!(world.count("recovery_codes").await, 3);

    let inactive = User {
        is_active: false,
        ..user("bob@example.org")
    };
    let bob = world.add(inactive).await;
    world.store.start_factor(bob.id, id, b"x", at(0)).await.unwrap();
    let change = self::change(&bob, None, at(1));
    let refused = world
        .store
        .confirm_factor(id, at(-15), &hashes("other"), &change)
        .await;
    assert!(!refused.unwrap(), "an account that is not active");
    assert_eq!(world.count("recovery_codes").await, 3);
}

async fn an_enrolment_that_was_left_lying_is_not_confirmed(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let id = new_id();
    assert!(world.store.start_factor(ada.id, id, b"x", at(0)).await.unwrap());
    let confirm = async |since| {
        let (change, hashes) = (change(&ada, None, at(1)), hashes("code"));
        let confirmed = world.store.confirm_factor(id, since, &hashes, &change);
        confirmed.await.unwrap()
    };
    assert!(!confirm(at(0)).await);
    assert_eq!(world.now(&ada).await.factor_since, None);
    assert_eq!(
        (world.count("recovery_codes").await, world.mails().await.len()),
        (0, 0)
    );
    assert!(confirm(at(-1)).await);
}

async fn changes(world: &World, revision: i64) -> Vec<SecurityChange> {
    let recorded = world.store.security_changes(revision, i64::MAX).await.unwrap();
    recorded.into_iter().map(|recorded| recorded.change).collect()
}

async fn a_factor_is_removed_with_its_codes(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let bob = world.add(user("bob@example.org")).await;
    world.set_up(&ada, at(0)).await;
    world.set_up(&bob, at(0)).await;
    let here = world.open(&ada, at(1)).await;
    let elsewhere = world.open(&ada, at(1)).await;
    let revision = world.store.security_revision().await.unwrap();
    let change = change(&ada, Some(here.id), at(2));
    let other = world.store.remove_factor(at(1), &change).await;
    assert!(!other.unwrap(), "that is not the one which was proved");
    assert!(changes(&world, revision).await.is_empty());
    assert!(world.store.remove_factor(at(0), &change).await.unwrap());
    assert!(!world.store.remove_factor(at(0), &change).await.unwrap());
    assert_eq!(world.now(&ada).await.factor_since, None);
    assert_eq!(world.factor(&ada).await, None);
    assert!(world.is_open(&here).await && !world.is_open(&elsewhere).await);
    let mut recorded = changes(&world, revision).await;
    recorded.sort();
    let expected = [
        SecurityChange::SessionEnded(elsewhere.id),
        SecurityChange::UserChanged(ada.id),
    ];
    assert_eq!(recorded, expected);
    assert_eq!(world.count("recovery_codes").await, 3, "bob's");
    assert_eq!(world.now(&bob).await.factor_since, Some(at(0)));
}

async fn recovery_codes_are_replaced_together(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    world.set_up(&ada, at(0)).await;
    assert!(world.uses_up(&ada, &hashes("code")[0]).await);
    let change = change(&ada, None, at(1));
    let other = world
        .store
        .renew_recovery_codes(at(1), &hashes("new"), &change)
        .await;
    assert!(!other.unwrap(), "of another factor");
    let renewed = world
        .store
        .renew_recovery_codes(at(0), &hashes("new"), &change)
        .await;
    assert!(renewed.unwrap());
    assert_eq!(world.count("recovery_codes").await, 3);
    assert!(!world.uses_up(&ada, &hashes("code")[1]).await);
    assert!(world.uses_up(&ada, &hashes("new")[0]).await);
    assert_eq!(world.now(&ada).await.factor_since, Some(at(0)));
}

async fn a_session_is_opened_with_what_the_account_asks_for(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let open = |session: Session| {
        let store = world.store.clone();
        async move {
            let opened = store
                .open_session(
                    &session,
                    &hash_of("ada@example.org"),
                    None,
                    &event(EventKind::LoginSucceeded, 0),
                )
                .await;
            opened.unwrap().is_some()
        }
    };
    let with = |minutes, factors: &[&str]| Session {
        factors: factors.iter().map(|factor| (*factor).to_owned()).collect(),
        ..session(&ada, at(minutes))
    };
    assert!(open(with(0, &["pwd"])).await);
    world.set_up(&ada, at(5)).await;
    assert!(!open(with(6, &["pwd"])).await, "set up meanwhile");
    assert!(!open(with(4, &["pwd", "otp"])).await, "the factor of before");
    assert!(open(with(5, &["pwd", "otp"])).await);
    assert!(open(with(6, &["pwd", "otp"])).await);
    let change = change(&ada, None, at(7));
    assert!(world.store.remove_factor(at(5), &change).await.unwrap());
    assert!(open(with(8, &["pwd"])).await);
}

async fn sealed_secrets_are_read_in_pages_and_replaced_where_unchanged(world: World) {
    let mut ids = Vec::new();
    for number in 0..5 {
        let user = world.add(user(&format!("user{number}@example.org"))).await;
        world.set_up(&user, at(0)).await;
        ids.push(user.id);
    }
    ids.sort();
    let (mut seen, mut after) = (Vec::new(), Uuid::nil());
    loop {
        let page = world.store.sealed_factors(after, 2).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = *last;
        assert!(page.len() <= 2 && page.iter().all(|(_, sealed)| sealed == b"sealed"));
        seen.extend(page.into_iter().map(|(id, _)| id));
    }
    assert_eq!(seen, ids);
    let reseal = |former: &'static [u8]| world.store.reseal_factor(ids[0], former, b"anew");
    assert!(!reseal(b"another").await.unwrap());
    assert!(reseal(b"sealed").await.unwrap());
    assert!(!reseal(b"sealed").await.unwrap());
    let first = world.store.sealed_factors(Uuid::nil(), 1).await.unwrap();
    assert_eq!(first, [(ids[0], b"anew".to_vec())]);
}

async fn whatever_is_of_an_account_goes_with_it(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    world.set_up(&ada, at(0)).await;
    let removed = service_runtime::on!(&world.database, |pool| {
        sqlx::query("DELETE FROM users WHERE id = $1")
            .bind(ada.id)
            .execute(pool)
            .await
            .map(|done| done.rows_affected())
    });
    assert_eq!(removed.unwrap(), 1);
    for table in ["second_factors", "recovery_codes"] {
        assert_eq!(world.count(table).await, 0, "{table}");
    }
}
