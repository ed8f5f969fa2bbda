//! More than can be answered: what is too much is refused at once, the rest is answered.

use std::{net::SocketAddr, time::Duration};

use crate::support::{Gateway, exchange, request};
use futures_util::future::join_all;

/// Two threads, each with a channel of 256 places; which thread a connection comes to is chance.
const MOST: usize = 2 * 256;

async fn courses(gateway: SocketAddr) -> (u16, String) {
    let answer = exchange(gateway, &request("GET", "/api/v1/courses", "", b"")).await;
    (answer.status, answer.text)
}

#[tokio::test]
async fn more_requests_than_a_service_may_hold_are_refused_with_the_time_to_wait() {
    let gateway = Gateway::start();
    // Longer than it takes all of them to come.
    gateway.course.delay(Duration::from_secs(6));
    let asking = (0..MOST + 100).map(|_| courses(gateway.address));
    let answers = join_all(asking).await;
    let answered = answers.iter().filter(|(status, _)| *status == 200).count();
    let refused: Vec<_> = answers.iter().filter(|(status, _)| *status == 429).collect();
    assert_eq!(answered + refused.len(), answers.len());
    assert!((256..=MOST).contains(&answered), "{answered}");
    for (_, text) in refused {
        for said in ["retry-after: 1\r\n", "\"OVERLOADED\"", "\"RESOURCE_EXHAUSTED\""] {
            assert!(text.contains(said), "{text}");
        }
    }
    gateway.course.delay(Duration::ZERO);
    gateway.assert_serves().await;
}

#[tokio::test]
async fn a_slow_service_does_not_take_the_places_of_the_other_one() {
    let gateway = Gateway::start();
    gateway.course.delay(Duration::from_secs(2));
    let flood = (0..MOST + 100).map(|_| courses(gateway.address));
    let (_, answers) = tokio::join!(join_all(flood), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        join_all((0..50).map(|_| gateway.send_json("POST", "/api/v1/auth/login", "{}"))).await
    });
    for (status, answer) in answers {
        assert_eq!(status, 200, "{answer}");
    }
}
