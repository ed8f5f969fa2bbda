//! What people ask again and again while something goes wrong.

use std::{net::SocketAddr, time::Duration};

use reqwest::Method;
use serde_json::json;

use crate::fleet::{Probe, STAFF, people::Person};

/// A stranger reads the list of courses, twenty times a second.
pub fn reads(gateways: &[SocketAddr]) -> Probe {
    let stranger = Person::stranger(gateways, 0);
    Probe::every(Duration::from_millis(50), move |_| {
        let stranger = stranger.clone();
        async move {
            stranger
                .send(Method::GET, "/courses?page_size=5", None, &[])
                .await
        }
    })
}

/// Somebody looks at their profile, ten times a second.
pub fn profiles(person: &Person) -> Probe {
    let person = person.clone();
    Probe::every(Duration::from_millis(100), move |_| {
        let person = person.clone();
        async move { person.send(Method::GET, "/me", None, &[]).await }
    })
}

/// Somebody logs in, twice a second.
pub fn logins(gateways: &[SocketAddr]) -> Probe {
    let stranger = Person::stranger(gateways, 0);
    Probe::every(Duration::from_millis(500), move |_| {
        let stranger = stranger.clone();
        let body = json!({"username": STAFF.0, "password": STAFF.1});
        async move { stranger.send(Method::POST, "/auth/login", Some(body), &[]).await }
    })
}

/// A staff member makes a course, at this pace.
pub fn creates(staff: &Person, pause: Duration) -> Probe {
    let staff = staff.clone();
    Probe::every(pause, move |number| {
        let staff = staff.clone();
        let course = json!({"title": format!("Asked {number}"), "description": "d", "price": "1.50"});
        async move { staff.send(Method::POST, "/courses", Some(course), &[]).await }
    })
}
