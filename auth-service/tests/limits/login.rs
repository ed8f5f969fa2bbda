//! Limits on logins, as people and attackers meet them.

use auth_service::serve;
use chrono::TimeDelta;
use futures::{StreamExt, future::join_all, stream};
use proto::auth::v1::{self as pb, session_service_client::SessionServiceClient};
use service_runtime::{lifecycle::Tasks, listen, on};
use tonic::{Code, Request, Status, transport::Endpoint};

use crate::{
    ADA, HOME, SCHOOL, fill, on_both_databases, pupil,
    support::{PASSWORD, Refused, Service, as_service_from, refused},
};

on_both_databases!(
    a_class_behind_one_address_is_not_blocked,
    one_password_on_four_hundred_accounts_is_stopped,
    an_outsider_never_locks_a_person_out,
    guesses_from_one_network_run_out_and_come_back,
    a_reset_clears_the_throttle_of_its_account,
    a_success_clears_its_account_and_not_its_network,
    replicas_count_together,
);

async fn login(service: &Service, address: &str, username: &str, password: &str) -> Result<(), Status> {
    let request = pb::LoginRequest {
        username: username.to_owned(),
        password: password.to_owned(),
        code: String::new(),
    };
    service
        .sessions()
        .login(as_service_from(address, request))
        .await
        .map(drop)
}

async fn gets_in(service: &Service, address: &str, username: &str, password: &str) -> bool {
    match login(service, address, username, password).await {
        Ok(()) => true,
        Err(refused) => {
            Refused::from(refused).is(
                Code::Unauthenticated,
                "INVALID_CREDENTIALS",
                "Invalid username/password",
            );
            false
        }
    }
}

async fn a_class_behind_one_address_is_not_blocked(service: Service) {
    for place in 0..40 {
        service.add_user(&pupil(place)).await;
    }
    let blocked = stream::iter(0..40)
        .map(|place| {
            let service = &service;
            async move {
                if place % 10 == 0 {
                    assert!(!gets_in(service, SCHOOL, &pupil(place), "mistyped").await);
                }
                !gets_in(service, SCHOOL, &pupil(place), PASSWORD).await
            }
        })
        .buffer_unordered(8)
        .filter(|blocked| std::future::ready(*blocked))
        .count();
    assert_eq!(blocked.await, 0);
}

/// Sixty guesses count. The password is right for the thirtieth account, which the attacker gets, and for every later
/// one, of which the attacker gets none. Who is known there is not affected.
async fn one_password_on_four_hundred_accounts_is_stopped(service: Service) {
    service.add_user(ADA).await;
    assert!(gets_in(&service, SCHOOL, ADA, PASSWORD).await);
    for place in [30, 61, 62, 200, 399] {
        service.add_user(&pupil(place)).await;
    }
    for place in 0..=60 {
        let stolen = gets_in(&service, SCHOOL, &pupil(place), PASSWORD).await;
        assert_eq!(stolen, place == 30, "{place}");
    }
    let rest = stream::iter(61..400).map(|place| {
        let service = &service;
        async move { gets_in(service, SCHOOL, &pupil(place), PASSWORD).await }
    });
    let stolen = rest
        .buffer_unordered(8)
        .filter(|stolen| std::future::ready(*stolen))
        .count();
    assert_eq!(stolen.await, 0);
    assert!(
        gets_in(&service, SCHOOL, ADA, PASSWORD).await,
        "who is known there gets in"
    );
    assert!(
        gets_in(&service, HOME, &pupil(61), PASSWORD).await,
        "so does everybody elsewhere"
    );
    service.clock.turn(TimeDelta::seconds(10));
    assert!(
        gets_in(&service, SCHOOL, &pupil(62), PASSWORD).await,
        "and there again after a while"
    );
}

async fn an_outsider_never_locks_a_person_out(service: Service) {
    service.add_user(ADA).await;
    assert!(gets_in(&service, HOME, ADA, PASSWORD).await);
    // From many networks, and from some of them more often than counts.
    let attack = async || {
        let guesses = (0..42).map(|place| if place < 12 { 0 } else { place });
        let guesses = stream::iter(guesses).map(|network| {
            let service = &service;
            async move { gets_in(service, &format!("192.0.2.{network}"), ADA, "a guess").await }
        });
        let stolen = guesses
            .buffer_unordered(8)
            .filter(|stolen| std::future::ready(*stolen))
            .count();
        assert_eq!(stolen.await, 0);
    };
    attack().await;
    assert!(
        gets_in(&service, HOME, ADA, PASSWORD).await,
        "the usual network, at the first attempt"
    );
    assert!(
        !gets_in(&service, SCHOOL, ADA, PASSWORD).await,
        "a new network waits for its turn"
    );
    attack().await;
    service.clock.turn(TimeDelta::seconds(59));
    assert!(!gets_in(&service, SCHOOL, ADA, PASSWORD).await);
    attack().await;
    service.clock.turn(TimeDelta::seconds(1));
    assert!(
        gets_in(&service, SCHOOL, ADA, PASSWORD).await,
        "a minute, whatever the attacker does"
    );
    attack().await;
    assert!(
        gets_in(&service, SCHOOL, ADA, PASSWORD).await,
        "and now it is a usual one"
    );
    assert!(gets_in(&service, HOME, ADA, PASSWORD).await);
}

async fn guesses_from_one_network_run_out_and_come_back(service: Service) {
    service.add_user(ADA).await;
    // One network: the addresses of a /64.
    for place in 1..=10 {
        assert!(!gets_in(&service, &format!("2001:db8:1:2::{place}"), ADA, "a guess").await);
    }
    let there = "2001:db8:1:2:3:4:5:6";
    assert!(
        !gets_in(&service, there, ADA, PASSWORD).await,
        "the right one is one guess too many"
    );
    assert!(
        gets_in(&service, "2001:db8:1:3::1", ADA, PASSWORD).await,
        "the /64 beside it"
    );
    service.clock.turn(TimeDelta::seconds(60));
    assert!(gets_in(&service, there, ADA, PASSWORD).await);
}

async fn a_reset_clears_the_throttle_of_its_account(service: Service) {
    service.add_user(ADA).await;
    for _ in 0..10 {
        assert!(!gets_in(&service, SCHOOL, ADA, "a guess").await);
    }
    assert!(!gets_in(&service, SCHOOL, ADA, PASSWORD).await);
    let token = service.reset_token(ADA).await;
    let password = "gravel lantern octopus";
    let reset = pb::ResetPasswordRequest {
        token,
        password: password.to_owned(),
        confirm_password: password.to_owned(),
    };
    service
        .accounts()
        .reset_password(as_service_from(HOME, reset))
        .await
        .unwrap();
    assert!(gets_in(&service, SCHOOL, ADA, password).await);
    assert!(gets_in(&service, HOME, ADA, password).await);
}

async fn a_success_clears_its_account_and_not_its_network(service: Service) {
    for place in 0..4 {
        service.add_user(&pupil(place)).await;
    }
    for _ in 0..9 {
        assert!(!gets_in(&service, SCHOOL, &pupil(0), "mistyped").await);
    }
    assert!(gets_in(&service, SCHOOL, &pupil(0), PASSWORD).await);
    for _ in 0..9 {
        assert!(!gets_in(&service, SCHOOL, &pupil(0), "mistyped").await);
    }
    assert!(gets_in(&service, SCHOOL, &pupil(0), PASSWORD).await, "nine more");

    assert!(!gets_in(&service, SCHOOL, &pupil(1), "mistyped").await);
    fill(&service, "login_network").await;
    assert!(
        gets_in(&service, SCHOOL, &pupil(0), PASSWORD).await,
        "a login that is known there"
    );
    assert!(
        !gets_in(&service, SCHOOL, &pupil(2), PASSWORD).await,
        "pays for nobody else"
    );
}

async fn replicas_count_together(service: Service) {
    service.add_user(ADA).await;
    let listener = listen::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = Tasks::default();
    let served = serve(service.config(), listener, None, service.clock.clone(), &tasks);
    served.await.expect("the replica starts");
    let other = Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_lazy();
    let replicas = [service.sessions(), SessionServiceClient::new(other)];
    let guess = |place: usize, password: &str| {
        let request = pb::LoginRequest {
            username: ADA.to_owned(),
            password: password.to_owned(),
            code: String::new(),
        };
        let mut replica = replicas[place % 2].clone();
        async move { replica.login(as_service_from(SCHOOL, request)).await }
    };
    let guesses = join_all((0..10).map(|place| guess(place, "a guess"))).await;
    assert!(guesses.iter().all(Result::is_err));
    for place in 0..2 {
        refused(guess(place, PASSWORD).await).is(
            Code::Unauthenticated,
            "INVALID_CREDENTIALS",
            "Invalid username/password",
        );
    }
    service.clock.turn(TimeDelta::minutes(1));
    guess(1, PASSWORD).await.expect("a minute later");
    tasks.stop();
}

/// What fails for accounts that are known there is counted, but never together with what strangers try.
#[tokio::test]
async fn known_accounts_have_a_lane_of_their_own() {
    let service = Service::on_sqlite().await;
    for place in 0..3 {
        service.add_user(&pupil(place)).await;
        assert!(gets_in(&service, SCHOOL, &pupil(place), PASSWORD).await);
    }
    assert!(!gets_in(&service, SCHOOL, &pupil(0), "mistyped").await);
    assert!(!gets_in(&service, SCHOOL, "nobody@example.org", "a guess").await);
    fill(&service, "login_network").await;
    assert!(gets_in(&service, SCHOOL, &pupil(1), PASSWORD).await);
    fill(&service, "login_network_known").await;
    assert!(!gets_in(&service, SCHOOL, &pupil(2), PASSWORD).await);
    assert!(gets_in(&service, HOME, &pupil(2), PASSWORD).await);
    service.clock.turn(TimeDelta::seconds(10));
    assert!(gets_in(&service, SCHOOL, &pupil(2), PASSWORD).await);
}

/// A client that writes the header itself is believed nothing.
#[tokio::test]
async fn an_address_that_no_service_tells_changes_nothing() {
    let service = Service::on_sqlite().await;
    let request = pb::LoginRequest {
        username: ADA.to_owned(),
        password: "a guess".to_owned(),
        code: String::new(),
    };
    let mut request = Request::new(request);
    request
        .metadata_mut()
        .insert("x-client-address", HOME.parse().unwrap());
    assert!(service.sessions().login(request).await.is_err());
    let kinds: Vec<String> = on!(&service.database, |pool| {
        sqlx::query_scalar("SELECT kind FROM throttles")
            .fetch_all(pool)
            .await
    })
    .unwrap();
    assert_eq!(kinds, ["login_untold"]);
}

/// Whatever is wrong with a login: the same code, sentence, details and metadata.
#[tokio::test]
async fn a_throttled_login_is_answered_like_any_other_failure() {
    let service = Service::on_sqlite().await;
    service.add_user(ADA).await;
    service.register("inactive@example.org").await;
    let failure = async |username: &str, password: &str| {
        let status = login(&service, HOME, username, password).await.unwrap_err();
        let mut metadata = status.metadata().clone();
        for own in ["date", "x-request-id"] {
            metadata.remove(own);
        }
        let (message, details) = (status.message().to_owned(), status.details().to_vec());
        (status.code(), message, details, metadata.into_headers())
    };
    let wrong = failure(ADA, "a guess").await;
    assert_eq!(failure("nobody@example.org", PASSWORD).await, wrong);
    assert_eq!(failure("inactive@example.org", PASSWORD).await, wrong);
    fill(&service, "login").await;
    assert_eq!(failure(ADA, "a guess").await, wrong);
    assert_eq!(failure(ADA, PASSWORD).await, wrong);
}
