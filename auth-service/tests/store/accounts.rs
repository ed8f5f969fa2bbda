//! Registering and proving addresses.

use auth_service::{
    model::{
        event::{EventFilter, SecurityEvent},
        event_kind::EventKind,
        mail_token::Purpose,
        user::User,
    },
    store::{account::Registered, address::Proved},
};
use service_runtime::database::idempotency::Once;

use crate::{
    on_both,
    world::{
        World, at, event, full_profile, hash_of, hiding, letters, link, mail_lane, name, once, unverified,
        user,
    },
};

on_both!(
    a_registration_keeps_everything,
    an_address_is_taken_without_case,
    a_key_answers_as_at_first,
    a_key_is_forgotten_after_a_day,
    a_refused_registration_leaves_its_key_free,
    a_hidden_registration_mails_once,
    who_still_waits_for_a_link_gets_one_when_registered_again,
    an_answer_to_a_lost_race_is_the_first_one,
    a_link_is_queued_for_who_has_use_for_it,
    a_link_is_counted_whether_or_not_anybody_gets_it,
    a_token_is_found_for_its_own_purpose,
    a_proved_address_makes_active,
    only_the_current_address_is_proved,
    a_second_proof_does_not_undo_a_deactivation,
    a_confirmed_address_takes_effect_once,
    an_address_taken_meanwhile_is_not_confirmed,
    only_the_waiting_address_is_confirmed,
);

/// What is told of a new account.
fn registered() -> [SecurityEvent; 1] {
    [event(EventKind::AccountRegistered, 0)]
}

async fn register(world: &World, user: &User, once: Option<&Once>) -> Registered {
    let letters = letters(user);
    let (username, hash) = (name(&user.username), hash_of(&user.username));
    world
        .store
        .register(user, &username, &hash, &registered(), Some(&letters), once)
        .await
        .unwrap()
}

fn answer(registered: Registered) -> User {
    match registered {
        Registered::Yes(user) => *user,
        other => panic!("{other:?}"),
    }
}

fn proved(proved: Proved) -> User {
    match proved {
        Proved::Yes(user) => *user,
        other => panic!("{other:?}"),
    }
}

async fn a_registration_keeps_everything(world: World) {
    let ada = User {
        profile: full_profile(),
        ..unverified("Ada+x@Example.org")
    };
    assert_eq!(answer(register(&world, &ada, None).await), ada);
    assert_eq!(world.now(&ada).await, ada);
    assert_eq!(
        world.mails().await,
        [("verify_email".to_owned(), "Ada+x@Example.org".to_owned())]
    );
    assert_eq!(world.count("mail_tokens").await, 1);
    assert_eq!(world.count("security_events").await, 1);
}

async fn an_address_is_taken_without_case(world: World) {
    let ada = world.add(user("Ada@Example.org")).await;
    let again = unverified("aDA@eXAMPLE.ORG");
    assert!(matches!(register(&world, &again, None).await, Registered::Taken));
    assert_eq!(world.now(&ada).await, ada);
    assert_eq!((world.count("users").await, world.mails().await.len()), (1, 0));
    assert_eq!(world.events().await, []);
}

async fn a_key_answers_as_at_first(world: World) {
    let ada = unverified("ada@example.org");
    let key = once("k", "input");
    register(&world, &ada, Some(&key)).await;
    let verified = world
        .store
        .verify_address(
            ada.id,
            ada.id,
            &name("ada@example.org"),
            at(1),
            &event(EventKind::AccountVerified, 1),
        )
        .await;
    assert!(proved(verified.unwrap()).is_active);

    let again = unverified("ada@example.org");
    assert_eq!(answer(register(&world, &again, Some(&key)).await), ada);
    let other_input = once("k", "other input");
    assert!(matches!(
        register(&world, &again, Some(&other_input)).await,
        Registered::KeyReused
    ));
    let other_scope = Once {
        scope: "Other".to_owned(),
        ..key
    };
    assert!(matches!(
        register(&world, &again, Some(&other_scope)).await,
        Registered::Taken
    ));
    assert_eq!((world.count("users").await, world.mails().await.len()), (1, 1));
    let mut told = world.events().await;
    told.retain(|(_, kind)| kind == "account_registered");
    assert_eq!(told.len(), 1, "once, as it happened");
}

async fn a_key_is_forgotten_after_a_day(world: World) {
    let key = once("k", "input");
    let joined = |minutes, username: &str| User {
        date_joined: at(minutes),
        ..unverified(username)
    };
    let day = 24 * 60;
    register(&world, &joined(0, "a@example.org"), Some(&key)).await;
    let early = register(&world, &joined(day - 1, "b@example.org"), Some(&key)).await;
    assert_eq!(answer(early).username, "a@example.org");
    let late = once("k", "other input");
    let user = answer(register(&world, &joined(day, "c@example.org"), Some(&late)).await);
    assert_eq!(user.username, "c@example.org");
    let again = answer(register(&world, &joined(day + 1, "d@example.org"), Some(&late)).await);
    assert_eq!(again.username, "c@example.org");
    assert_eq!(world.count("users").await, 2);
}

async fn a_refused_registration_leaves_its_key_free(world: World) {
    world.add(user("ada@example.org")).await;
    let key = once("k", "input");
    let taken = register(&world, &unverified("ada@example.org"), Some(&key)).await;
    assert!(matches!(taken, Registered::Taken));
    assert_eq!(world.count("idempotency_keys").await, 0);
    let bob = unverified("bob@example.org");
    assert_eq!(answer(register(&world, &bob, Some(&key)).await), bob);
}

async fn hide(world: &World, user: &User, once: Option<&Once>) -> Registered {
    let (letters, username, events) = (hiding(user), name(&user.username), registered());
    let hidden = world
        .store
        .register(user, &username, "form", &events, Some(&letters), once);
    hidden.await.unwrap()
}

fn hidden(registered: Registered) -> User {
    match registered {
        Registered::Hidden { user, .. } => *user,
        other => panic!("{other:?}"),
    }
}

async fn a_hidden_registration_mails_once(world: World) {
    world.add(user("ada@example.org")).await;
    let pretended = unverified("ADA@example.org");
    let (key, other) = (once("k", "input"), once("k", "other input"));
    assert_eq!(hidden(hide(&world, &pretended, Some(&key)).await), pretended);
    let again = unverified("Ada@example.org");
    assert_eq!(answer(hide(&world, &again, Some(&key)).await), pretended);
    let reused = hide(&world, &again, Some(&other)).await;
    assert!(matches!(reused, Registered::KeyReused));
    assert_eq!(world.mails().await.len(), 1);
    assert_eq!(hidden(hide(&world, &again, None).await), again);
    // They have had their share; the answer is the same.
    assert_eq!(hidden(hide(&world, &again, None).await), again);
    let mails = world.mails().await;
    assert_eq!(mails.len(), 2);
    assert!(mails.iter().all(|(kind, _)| kind == "already_registered"));
    assert_eq!(
        (world.count("users").await, world.count("mail_tokens").await),
        (1, 0)
    );
    assert_eq!(hidden(hide(&world, &pretended, None).await), pretended);
    assert_eq!(world.events().await, [], "no account was made");
}

async fn who_still_waits_for_a_link_gets_one_when_registered_again(world: World) {
    world.add(unverified("Ada@example.org")).await;
    for mails in [1, 2, 2] {
        let again = unverified("ada@EXAMPLE.org");
        assert_eq!(hidden(hide(&world, &again, None).await), again);
        assert_eq!(world.mails().await.len(), mails);
    }
    // To the address as its owner wrote it, with tokens of the one account that there is.
    let mail = ("verify_email".to_owned(), "Ada@example.org".to_owned());
    assert_eq!(world.mails().await, [mail.clone(), mail]);
    assert_eq!(
        (world.count("users").await, world.count("mail_tokens").await),
        (1, 2)
    );
}

/// Many at once with one key: all get the answer of the one that was first.
async fn an_answer_to_a_lost_race_is_the_first_one(world: World) {
    for round in 0..10 {
        let (username, key) = (
            format!("u{round}@example.org"),
            once(&format!("k{round}"), "input"),
        );
        let calls = (0..16).map(|_| {
            let (user, key) = (unverified(&username), key.clone());
            let world = &world;
            async move { answer(register(world, &user, Some(&key)).await) }
        });
        let answers = futures::future::join_all(calls).await;
        assert!(
            answers.iter().all(|answer| *answer == answers[0]),
            "round {round}"
        );
        assert_eq!(world.now(&answers[0]).await, answers[0]);
    }
    assert_eq!((world.count("users").await, world.mails().await.len()), (10, 10));
}

async fn a_link_is_queued_for_who_has_use_for_it(world: World) {
    let ada = world.add(user("Ada@example.org")).await;
    let eve = world.add(unverified("eve@example.org")).await;
    let out = User {
        is_active: false,
        ..user("out@example.org")
    };
    world.add(out).await;
    let (reset, verify) = (Purpose::ResetPassword, Purpose::VerifyEmail);
    for (address, purpose, whose) in [
        ("ada@EXAMPLE.org", reset, Some(&ada)),
        ("ada@example.org", verify, None),
        ("eve@example.org", reset, None),
        ("eve@example.org", verify, Some(&eve)),
        ("out@example.org", reset, None),
        ("out@example.org", verify, None),
        ("nobody@example.org", reset, None),
        ("nobody@example.org", verify, None),
    ] {
        let before = (world.count("mail_tokens").await, world.mails().await.len());
        let (token, mail) = link(&user(address), purpose);
        let lane = mail_lane(&format!("{address} {purpose:?}"));
        let event = event(EventKind::PasswordResetRequested, 0);
        let asked = world.store.queue_asked(&lane, &token, &mail, Some(&event));
        let whom = whose.map(|user| user.id);
        assert_eq!(asked.await.unwrap(), (true, whom), "{address} {purpose:?}");
        let mut told = world
            .store
            .list_events(&EventFilter::default(), None, 9)
            .await
            .unwrap();
        told.retain(|told| told.id == event.id);
        let about: Vec<_> = told.iter().map(|told| told.subject_id).collect();
        assert_eq!(about, whom.map(Some).into_iter().collect::<Vec<_>>(), "{address}");
        let stored = world.store.mail_token(token.id, purpose).await.unwrap();
        let Some(whose) = whose else {
            assert!(stored.is_none());
            assert_eq!(
                (world.count("mail_tokens").await, world.mails().await.len()),
                before
            );
            continue;
        };
        let stored = stored.unwrap();
        assert_eq!(
            (stored.user_id, &stored.username, stored.token_hash),
            (whose.id, &whose.username, token.token_hash)
        );
        assert_eq!((stored.expires_at, stored.used_at), (at(15), None));
        let queued = world.mails().await;
        assert_eq!(queued.len(), before.1 + 1);
        assert!(
            queued.contains(&(mail.kind.as_str().to_owned(), whose.username.clone())),
            "{queued:?}"
        );
    }
}

async fn a_link_is_counted_whether_or_not_anybody_gets_it(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    for (address, whose) in [("ada@example.org", Some(ada.id)), ("nobody@example.org", None)] {
        for asked in [(true, whose), (true, whose), (false, None)] {
            let (token, mail) = link(&user(address), Purpose::ResetPassword);
            let lane = mail_lane(address);
            let found = world.store.queue_asked(&lane, &token, &mail, None).await.unwrap();
            assert_eq!(found, asked, "{address}");
        }
    }
    assert_eq!(
        (world.count("mail_tokens").await, world.mails().await.len()),
        (2, 2)
    );
}

async fn a_token_is_found_for_its_own_purpose(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let token = world.add_token(&ada, Purpose::VerifyEmail).await;
    for (purpose, found) in [
        (Purpose::VerifyEmail, true),
        (Purpose::ResetPassword, false),
        (Purpose::ConfirmUsername, false),
    ] {
        let stored = world.store.mail_token(token.id, purpose).await.unwrap();
        assert_eq!(stored.is_some(), found, "{purpose:?}");
    }
    let unknown = world
        .store
        .mail_token(ada.id, Purpose::VerifyEmail)
        .await
        .unwrap();
    assert!(unknown.is_none());
}

async fn a_proved_address_makes_active(world: World) {
    let ada = world.add(unverified("Ada@example.org")).await;
    let token = world.add_token(&ada, Purpose::VerifyEmail).await;
    let address = name("ada@example.org");
    let verify = async |minutes| {
        let event = event(EventKind::AccountVerified, minutes);
        let verified = world
            .store
            .verify_address(token.id, ada.id, &address, at(minutes), &event);
        proved(verified.await.unwrap())
    };
    let first = verify(1).await;
    let expected = User {
        is_active: true,
        verified_at: Some(at(1)),
        revision: 2,
        ..ada.clone()
    };
    assert_eq!(first, expected);
    assert!(world.is_used(&token).await);
    assert_eq!(verify(2).await, expected, "nothing changes twice");
    assert_eq!(world.now(&ada).await, expected);
    assert_eq!(world.events().await.len(), 1);
}

async fn only_the_current_address_is_proved(world: World) {
    let ada = world.add(unverified("ada@example.org")).await;
    let token = world.add_token(&ada, Purpose::VerifyEmail).await;
    for (user_id, address) in [(ada.id, "former@example.org"), (token.id, "ada@example.org")] {
        let (address, event) = (name(address), event(EventKind::AccountVerified, 1));
        let verified = world
            .store
            .verify_address(token.id, user_id, &address, at(1), &event);
        assert!(matches!(verified.await.unwrap(), Proved::Invalid), "{address:?}");
    }
    assert_eq!(world.now(&ada).await, ada);
}

async fn a_second_proof_does_not_undo_a_deactivation(world: World) {
    let ada = world
        .add(User {
            is_active: false,
            ..user("ada@example.org")
        })
        .await;
    let token = world.add_token(&ada, Purpose::VerifyEmail).await;
    let (address, event) = (name("ada@example.org"), event(EventKind::AccountVerified, 1));
    let verified = world
        .store
        .verify_address(token.id, ada.id, &address, at(1), &event);
    assert_eq!(proved(verified.await.unwrap()), ada);
}

/// Adds a user for whom an address waits.
async fn add_waiting(world: &World, username: &str, pending: &str) -> User {
    let ada = world.add(user(username)).await;
    let changed = world.store.change_user(ada.id, None, at(1), |user| {
        user.pending_username = Some(pending.to_owned());
        Ok::<_, ()>(Default::default())
    });
    changed.await.unwrap()
}

async fn a_confirmed_address_takes_effect_once(world: World) {
    let ada = add_waiting(&world, "ada@example.org", "Countess@example.org").await;
    let token = world.add_token(&ada, Purpose::ConfirmUsername).await;
    let address = name("Countess@example.org");
    let confirm = async |minutes| {
        let event = event(EventKind::UsernameChanged, minutes);
        let confirmed = world
            .store
            .confirm_username(token.id, ada.id, &address, at(minutes), &event);
        proved(confirmed.await.unwrap())
    };
    let expected = User {
        username: "Countess@example.org".to_owned(),
        pending_username: None,
        revision: ada.revision + 1,
        ..ada.clone()
    };
    assert_eq!(confirm(1).await, expected);
    assert!(world.is_used(&token).await);
    assert_eq!(confirm(2).await, expected, "nothing changes twice");
    assert_eq!(world.events().await.len(), 1);
    assert_eq!(world.now(&ada).await, expected);
    let find = |key: &'static str| world.store.user_by_username(key);
    assert_eq!(find("countess@example.org").await.unwrap(), Some(expected));
    assert_eq!(find("ada@example.org").await.unwrap(), None);
}

async fn an_address_taken_meanwhile_is_not_confirmed(world: World) {
    let ada = add_waiting(&world, "ada@example.org", "wanted@example.org").await;
    let token = world.add_token(&ada, Purpose::ConfirmUsername).await;
    world.add(user("Wanted@example.org")).await;
    let (address, event) = (name("wanted@example.org"), event(EventKind::UsernameChanged, 1));
    let confirmed = world
        .store
        .confirm_username(token.id, ada.id, &address, at(1), &event);
    assert!(matches!(confirmed.await.unwrap(), Proved::Taken));
    assert_eq!(world.now(&ada).await, ada);
    assert!(!world.is_used(&token).await);
}

async fn only_the_waiting_address_is_confirmed(world: World) {
    let ada = add_waiting(&world, "ada@example.org", "wanted@example.org").await;
    let bob = world.add(user("bob@example.org")).await;
    let token = world.add_token(&ada, Purpose::ConfirmUsername).await;
    for (user_id, address) in [
        (ada.id, "other@example.org"),
        // Its own address, while another one waits: the person changed their mind since that mail.
        (ada.id, "ada@example.org"),
        (bob.id, "wanted@example.org"),
        (token.id, "wanted@example.org"),
    ] {
        let (address, event) = (name(address), event(EventKind::UsernameChanged, 1));
        let confirmed = world
            .store
            .confirm_username(token.id, user_id, &address, at(1), &event);
        assert!(matches!(confirmed.await.unwrap(), Proved::Invalid), "{address:?}");
    }
    assert_eq!(world.now(&ada).await, ada);
    assert_eq!(world.now(&bob).await, bob);
}
