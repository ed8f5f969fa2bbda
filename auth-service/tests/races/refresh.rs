//! Refreshing: a retry is no replay, and a replay ends the session.

use futures::future::join_all;
use service_runtime::on;
use tonic::Code;

use crate::{
    on_both_databases,
    support::{Refused, Service},
};

on_both_databases!(
    sixty_four_refreshes_of_one_token_have_one_successor,
    a_replay_after_the_successor_was_used_ends_the_session_once,
    logging_out_wins_over_refreshing,
);

/// Every round goes on from the successor of the round before.
async fn sixty_four_refreshes_of_one_token_have_one_successor(service: Service) {
    const ROUNDS: usize = 12;
    let mut session = service.user("ada@example.org").await;
    for round in 0..ROUNDS {
        let answers = join_all((0..64).map(|_| service.refresh(&session.refresh))).await;
        let answers: Vec<_> = answers
            .into_iter()
            .map(|answer| answer.expect("a retry is no replay"))
            .collect();
        let successor = answers[0].clone();
        assert_ne!(successor.refresh, session.refresh, "round {round}");
        for answer in &answers {
            assert_eq!(answer.refresh, successor.refresh, "round {round}");
        }
        assert!(service.knows(&successor.access).await, "round {round}");
        session = successor;
    }
    assert_eq!(events(&service).await, 0);
    let id = session_id(&service).await;
    let stored = service.store.session(id).await.unwrap().unwrap();
    assert_eq!(
        stored.refresh_counter, ROUNDS as i64,
        "one step a round, however many asked"
    );
}

async fn a_replay_after_the_successor_was_used_ends_the_session_once(service: Service) {
    service.add_user("ada@example.org").await;
    for round in 1..=5 {
        let first = service.login("ada@example.org").await;
        let bystander = service.login("ada@example.org").await;
        let second = service.refresh(&first.refresh).await.unwrap();
        // The answer was lost on its way: the same successor again.
        assert_eq!(
            service.refresh(&first.refresh).await.unwrap().refresh,
            second.refresh
        );
        let third = service.refresh(&second.refresh).await.unwrap();

        let replays = join_all((0..16).map(|_| service.refresh(&first.refresh))).await;
        for replay in replays {
            Refused::from(replay.unwrap_err()).is(
                Code::Unauthenticated,
                "REFRESH_FAILED",
                "Token refresh failed. Please log in again.",
            );
        }
        assert!(
            service.refresh(&third.refresh).await.is_err(),
            "the session is over"
        );
        assert!(!service.knows(&third.access).await, "and its access tokens");
        assert!(service.knows(&bystander.access).await, "the other session stays");
        assert_eq!(events(&service).await, round, "one event for all of them");
    }
}

async fn logging_out_wins_over_refreshing(service: Service) {
    service.add_user("ada@example.org").await;
    for round in 0..8 {
        let session = service.login("ada@example.org").await;
        let refreshes = (0..8).map(|_| service.refresh(&session.refresh));
        let logout = proto::auth::v1::LogoutRequest {
            refresh: session.refresh.clone(),
        };
        let mut sessions = service.sessions();
        let (answers, ended) = futures::join!(join_all(refreshes), sessions.logout(logout));
        ended.expect("logging out works at any time");
        for answer in answers.into_iter().flatten() {
            assert!(!service.knows(&answer.access).await, "round {round}");
            assert!(service.refresh(&answer.refresh).await.is_err(), "round {round}");
        }
    }
    assert_eq!(events(&service).await, 0);
}

/// How many replays the trail tells of.
async fn events(service: &Service) -> i64 {
    on!(&service.database, |pool| {
        sqlx::query_scalar("SELECT count(*) FROM security_events WHERE kind = 'refresh_replayed'")
            .fetch_one(pool)
            .await
    })
    .unwrap()
}

/// The id of the one session there is.
async fn session_id(service: &Service) -> uuid::Uuid {
    on!(&service.database, |pool| {
        sqlx::query_scalar("SELECT id FROM sessions")
            .fetch_one(pool)
            .await
    })
    .unwrap()
}
