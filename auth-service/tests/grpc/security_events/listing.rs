//! `ListSecurityEvents`: filters, pages, and what it does with nonsense.

use proto::auth::v1::{self as pb, Severity};

use super::{ADA, PATIENCE, trail};
use crate::support::{Service, Session, as_user, refused};

type Request = pb::ListSecurityEventsRequest;

async fn list(service: &Service, staff: &Session, request: Request) -> pb::ListSecurityEventsResponse {
    let answer = service
        .users()
        .list_security_events(as_user(&staff.access, request))
        .await;
    answer.unwrap().into_inner()
}

/// A service with 5 failed logins of Ada, each of its own kind of network, and the login of staff.
async fn with_events() -> (Service, Session, String) {
    let service = Service::on_sqlite().await;
    let ada = service.add_user(ADA).await.id.to_string();
    let staff = service.staff("staff@example.org").await;
    for place in 0..5 {
        service.clock.turn(chrono::TimeDelta::seconds(1));
        let request = pb::LoginRequest {
            username: ADA.to_owned(),
            password: "wrong".to_owned(),
            code: String::new(),
        };
        let request = crate::support::as_service_from(&format!("203.0.113.{place}"), request);
        service.sessions().login(request).await.unwrap_err();
    }
    let begun = std::time::Instant::now();
    while trail(&service).await.len() < 6 {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    (service, staff, ada)
}

#[tokio::test]
async fn pages_are_of_one_filter() {
    let (service, staff, ada) = with_events().await;
    let failed = Request {
        kind: "login_failed".to_owned(),
        subject_id: ada.clone(),
        page_size: 2,
        ..Default::default()
    };
    let mut networks = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = Request {
            page_token,
            ..failed.clone()
        };
        let page = list(&service, &staff, request).await;
        networks.extend(page.security_events.into_iter().map(|event| event.ip_address));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let expected: Vec<String> = (0..5).rev().map(|place| format!("203.0.113.{place}")).collect();
    assert_eq!(networks, expected);

    let token = list(&service, &staff, failed.clone()).await.next_page_token;
    let mut flipped = token.clone().into_bytes();
    flipped[30] = if flipped[30] == b'A' { b'B' } else { b'A' };
    let with = |change: fn(&mut Request), token: &str| {
        let mut request = Request {
            page_token: token.to_owned(),
            ..failed.clone()
        };
        change(&mut request);
        request
    };
    for bad in [
        with(|request| request.kind.clear(), &token),
        with(|request| request.subject_id.clear(), &token),
        with(|request| request.actor_id = request.subject_id.clone(), &token),
        with(|request| request.severity = Severity::Info.into(), &token),
        with(|request| request.since = Some(Default::default()), &token),
        with(|request| request.until = Some(Default::default()), &token),
        with(|_| (), &String::from_utf8(flipped).unwrap()),
        with(|_| (), "x"),
        with(|_| (), &"A".repeat(100_000)),
    ] {
        refused(
            service
                .users()
                .list_security_events(as_user(&staff.access, bad))
                .await,
        )
        .is_about(&[("page_token", "The page token is not valid for this list.")]);
    }

    let login = Request {
        actor_id: staff.user.id.clone(),
        ..Default::default()
    };
    let events = list(&service, &staff, login).await.security_events;
    assert_eq!(events.len(), 1);
    let event = &events[0];
    assert_eq!(
        (event.kind.as_str(), event.severity(), event.detail.as_str()),
        ("login_succeeded", Severity::Info, "pwd")
    );
    assert_eq!(event.subject_id.as_ref(), Some(&staff.user.id));
    let warnings = Request {
        severity: Severity::Warning.into(),
        ..Default::default()
    };
    assert!(list(&service, &staff, warnings).await.security_events.is_empty());
}

#[tokio::test]
async fn times_bound_a_list() {
    let (service, staff, _) = with_events().await;
    let all = list(&service, &staff, Request::default()).await.security_events;
    let (since, until) = (all[3].time, all[0].time);
    let some = Request {
        since,
        until,
        ..Default::default()
    };
    let some = list(&service, &staff, some).await.security_events;
    assert_eq!(
        some,
        all[1..=3],
        "the first moment belongs to it, the last does not"
    );
}

#[tokio::test]
async fn nonsense_is_refused_by_its_name() {
    let (service, staff, _) = with_events().await;
    let moment = |seconds, nanos| Some(prost_types::Timestamp { seconds, nanos });
    let none = Request::default;
    let (no_kind, no_id) = ("There is no such kind of event.", "An id is a UUID.");
    let no_moment = "There is no such moment.";
    for (request, field, sentence) in [
        (
            Request {
                severity: i32::MAX,
                ..none()
            },
            "severity",
            "There is no such severity.",
        ),
        (
            Request {
                kind: "LOGIN_FAILED".to_owned(),
                ..none()
            },
            "kind",
            no_kind,
        ),
        (
            Request {
                kind: "' OR ''='".to_owned(),
                ..none()
            },
            "kind",
            no_kind,
        ),
        (
            Request {
                actor_id: "me".to_owned(),
                ..none()
            },
            "actor_id",
            no_id,
        ),
        (
            Request {
                subject_id: "\0".to_owned(),
                ..none()
            },
            "subject_id",
            no_id,
        ),
        (
            Request {
                actor_id: format!("{{{}}}", staff.user.id),
                ..none()
            },
            "actor_id",
            no_id,
        ),
        (
            Request {
                subject_id: format!("urn:uuid:{}", staff.user.id),
                ..none()
            },
            "subject_id",
            no_id,
        ),
        (
            Request {
                since: moment(i64::MAX, 0),
                ..none()
            },
            "since",
            no_moment,
        ),
        (
            Request {
                since: moment(0, -1),
                ..none()
            },
            "since",
            no_moment,
        ),
        (
            Request {
                until: moment(253_402_300_800, 0),
                ..none()
            },
            "until",
            no_moment,
        ),
        (
            Request {
                page_size: -1,
                ..none()
            },
            "page_size",
            "The page size must not be negative.",
        ),
    ] {
        refused(
            service
                .users()
                .list_security_events(as_user(&staff.access, request))
                .await,
        )
        .is_about(&[(field, sentence)]);
    }
}
