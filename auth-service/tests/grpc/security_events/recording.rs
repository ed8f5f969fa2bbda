//! `RecordSecurityEvent`: what another service may tell, once, and nothing else.

use proto::auth::v1 as pb;
use tonic::Code;
use uuid::Uuid;

use super::trail;
use crate::{
    on_both_databases,
    support::{Service, as_service, refused},
};

on_both_databases!(a_denial_is_recorded_once, whatever_is_not_sound_is_refused);

type Request = pb::RecordSecurityEventRequest;

fn denial() -> Request {
    Request {
        id: Uuid::from_u128(7).to_string(),
        kind: "access_denied".to_owned(),
        actor_id: Uuid::from_u128(1).to_string(),
        session_id: Uuid::from_u128(2).to_string(),
        ip_address: "2001:0db8::0001".to_owned(),
        request_id: "req-1".to_owned(),
        method: "onlineedu.course.v1.CourseService/CreateCourse".to_owned(),
        times: 1,
    }
}

async fn a_denial_is_recorded_once(service: Service) {
    let again = Request { times: 9, ..denial() };
    let many = Request {
        id: Uuid::from_u128(8).to_string(),
        actor_id: String::new(),
        session_id: String::new(),
        ip_address: String::new(),
        request_id: String::new(),
        times: 57,
        ..denial()
    };
    for request in [denial(), denial(), again, many] {
        let recorded = service.tokens().record_security_event(as_service(request)).await;
        recorded.unwrap();
    }
    let mut events = trail(&service).await;
    events.sort_by_key(|event| event.id);
    assert_eq!(events.len(), 2);
    let event = &events[0];
    assert_eq!(
        (event.kind.as_str(), event.severity.as_str()),
        ("access_denied", "warning")
    );
    assert_eq!(event.time, service.clock.now(), "by auth-service's clock");
    assert_eq!(event.actor_id, Some(Uuid::from_u128(1)));
    assert_eq!(event.session_id, Some(Uuid::from_u128(2)));
    assert_eq!(
        (event.ip_address.as_str(), event.request_id.as_str()),
        ("2001:db8::1", "req-1")
    );
    assert_eq!(event.detail, denial().method);
    let many = format!("{}; 57 times since the one before", denial().method);
    assert_eq!((&events[1].detail, events[1].actor_id), (&many, None));
}

async fn whatever_is_not_sound_is_refused(service: Service) {
    let text = |text: &str| text.to_owned();
    let no_id = "An id is a UUID.";
    let no_kind = "A service may not record this kind of event.";
    let no_method = "A method is package.Service/Method.";
    let no_request = "This is not a request id.";
    let no_address = "This is not a network address.";
    type Spoil = fn(&mut Request, String);
    let id: Spoil = |request, text| request.id = text;
    let kind: Spoil = |request, text| request.kind = text;
    let actor_id: Spoil = |request, text| request.actor_id = text;
    let session_id: Spoil = |request, text| request.session_id = text;
    let ip_address: Spoil = |request, text| request.ip_address = text;
    let request_id: Spoil = |request, text| request.request_id = text;
    let method: Spoil = |request, text| request.method = text;
    for (spoil, bad, field, sentence) in [
        (id, text(""), "id", no_id),
        (id, Uuid::nil().to_string(), "id", no_id),
        (id, text("\0"), "id", no_id),
        (id, Uuid::from_u128(7).urn().to_string(), "id", no_id),
        (kind, text(""), "kind", no_kind),
        (kind, text("staff_granted"), "kind", no_kind),
        (kind, text("login_failed"), "kind", no_kind),
        (kind, text("x' OR '1'='1"), "kind", no_kind),
        (actor_id, text("ada@example.org"), "actor_id", no_id),
        (
            actor_id,
            Uuid::from_u128(7).braced().to_string(),
            "actor_id",
            no_id,
        ),
        (session_id, text("-1"), "session_id", no_id),
        (
            session_id,
            Uuid::from_u128(7).simple().to_string(),
            "session_id",
            no_id,
        ),
        (ip_address, text("203.0.113.7:80"), "ip_address", no_address),
        (ip_address, text("\u{1b}[2J"), "ip_address", no_address),
        (request_id, text("a\r\nb"), "request_id", no_request),
        (request_id, "x".repeat(129), "request_id", no_request),
        (method, text(""), "method", no_method),
        (method, text("CreateCourse"), "method", no_method),
        (method, text("a.b/c/d"), "method", no_method),
        (method, text("a..b/c"), "method", no_method),
        (method, text("a.b/<script>"), "method", no_method),
        (method, format!("a/{}", "x".repeat(199)), "method", no_method),
    ] {
        let mut request = denial();
        spoil(&mut request, bad);
        refused(service.tokens().record_security_event(as_service(request)).await)
            .is_about(&[(field, sentence)]);
    }
    for times in [0, -1, i32::MIN] {
        let request = Request {
            times,
            kind: String::new(),
            ..denial()
        };
        refused(service.tokens().record_security_event(as_service(request)).await)
            .is_about(&[("kind", no_kind), ("times", "It happened at least once.")]);
    }
    assert_eq!(trail(&service).await, []);

    let unknown = service.tokens().record_security_event(denial()).await;
    assert_eq!(refused(unknown).code, Code::PermissionDenied);
}
