//! The trail over REST: what happens in either service is there for staff, with its request and its network.

use serde_json::{Value, json};

use crate::support::World;

crate::on_every_ground!(whoever_tries_without_rights_is_seen_by_staff);

const EVENTS: &str = "/api/v1/security-events";

async fn whoever_tries_without_rights_is_seen_by_staff(world: &World) {
    let staff = world.staff().await;
    let ada = world.user("ada").await;
    let id = ada.get("/api/v1/me").await.is(200).json()["id"].clone();
    let course = json!({"title": "Go", "description": "All of it.", "price": "10.99"});
    let refused = ada.post("/api/v1/courses", course).await.is(403).json();
    ada.get(EVENTS).await.is(403);

    let denials = format!(
        "{EVENTS}?severity=warning&kind=access_denied&actor_id={}",
        id.as_str().unwrap()
    );
    let begun = std::time::Instant::now();
    let events = loop {
        let page = staff.get(&denials).await.is(200).json();
        let events = page["security_events"].as_array().unwrap().clone();
        if events.len() >= 2 {
            break events;
        }
        assert!(begun.elapsed().as_secs() < 30, "{page}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let about = |method: &str| -> &Value {
        let is_it = |event: &&Value| event["detail"].as_str().unwrap().ends_with(method);
        events.iter().find(is_it).expect("it is told")
    };
    about("UserService/ListSecurityEvents");
    let event = about("onlineedu.course.v1.CourseService/CreateCourse");
    for (field, value) in [
        ("severity", json!("warning")),
        ("kind", json!("access_denied")),
        ("actor_id", id),
        ("subject_id", Value::Null),
        ("ip_address", json!("127.0.0.1")),
        ("request_id", refused["request_id"].clone()),
    ] {
        assert_eq!(event[field], value, "{field}");
    }

    let since = event["time"].as_str().unwrap();
    staff
        .get(&format!("{EVENTS}?since={since}&severity=critical"))
        .await
        .is(200);
    staff.get(&format!("{EVENTS}?severity=urgent")).await.is(400);
    staff.get(&format!("{EVENTS}?kind=urgent")).await.is(400);
    staff.get(&format!("{EVENTS}?since=yesterday")).await.is(400);
    let page = staff.get(&format!("{EVENTS}?page_size=1")).await.is(200).json();
    assert_eq!(page["security_events"].as_array().unwrap().len(), 1);
    assert_ne!(page["next_page_token"], "");
}
