//! What people ask again and again while something goes wrong.

use std::{
    fmt,
    net::SocketAddr,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::json;

use crate::fleet::{Fleet, Ground, Probe, STAFF, Sample, Summary, people::Person};

/// How long a recovery may take on a machine that does much else; how long it took is in the row.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Those who need auth-service, and those who do not.
pub struct People {
    pub fleet: Fleet,
    pub reads: Probe,
    pub writes: Probe,
    pub profiles: Probe,
    pub logins: Probe,
}

impl People {
    /// They use a fleet of one replica of each service.
    pub async fn come() -> Self {
        Self::to(Fleet::start(Ground::sqlite(), 1).await).await
    }

    /// They use this fleet.
    pub async fn to(fleet: Fleet) -> Self {
        let staff = Person::staff(&fleet.gateways, 0).await;
        let people = Self {
            reads: reads(&fleet.gateways),
            writes: creates(&staff, Duration::from_millis(50)),
            profiles: profiles(&staff),
            logins: logins(&fleet.gateways),
            fleet,
        };
        people.are_served(Instant::now()).await;
        people
    }

    /// Waits until all of them are served again; says how long the last one took.
    pub async fn are_served(&self, from: Instant) -> Duration {
        let mut longest = Duration::ZERO;
        for probe in [&self.reads, &self.writes, &self.profiles, &self.logins] {
            longest = longest.max(probe.served_again(from, PATIENCE).await);
        }
        longest
    }

    /// What became of the requests that began between two moments.
    pub async fn between(&self, from: Instant, to: Instant) -> Seen {
        Seen {
            reads: self.reads.between(from, to).await,
            writes: self.writes.between(from, to).await,
            profiles: self.profiles.between(from, to).await,
            logins: self.logins.between(from, to).await,
        }
    }
}

/// What became of their requests.
#[derive(Debug)]
pub struct Seen {
    pub reads: Summary,
    pub writes: Summary,
    pub profiles: Summary,
    pub logins: Summary,
}

impl Seen {
    /// All four.
    pub fn all(&self) -> [&Summary; 4] {
        [&self.reads, &self.writes, &self.profiles, &self.logins]
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            reads,
            writes,
            profiles,
            logins,
        } = self;
        write!(
            formatter,
            "reads: {reads}; writes: {writes}; profiles: {profiles}; logins: {logins}"
        )
    }
}

/// A stranger reads the list of courses, twenty times a second.
pub fn reads(gateways: &[SocketAddr]) -> Probe {
    reads_of(1, gateways, Duration::from_millis(50))
}

/// So many strangers on connections of their own read the list of courses in turn, at this pace.
pub fn reads_of(strangers: usize, gateways: &[SocketAddr], pause: Duration) -> Probe {
    let strangers: Vec<Person> = (0..strangers)
        .map(|turn| Person::stranger(gateways, turn))
        .collect();
    Probe::every(pause, move |number| {
        let stranger = strangers[number % strangers.len()].clone();
        async move {
            stranger
                .send(Method::GET, "/courses?page_size=5", None, &[])
                .await
        }
    })
}

/// Somebody looks at their profile, ten times a second.
pub fn profiles(person: &Person) -> Probe {
    gets(person, "/me", Duration::from_millis(100))
}

/// Somebody reads something, at this pace.
pub fn gets(person: &Person, path: &'static str, pause: Duration) -> Probe {
    let person = person.clone();
    Probe::every(pause, move |_| {
        let person = person.clone();
        async move { person.send(Method::GET, path, None, &[]).await }
    })
}

/// Somebody logs in, twice a second.
pub fn logins(gateways: &[SocketAddr]) -> Probe {
    logins_every(Duration::from_millis(500), gateways)
}

/// Somebody logs in, at this pace.
pub fn logins_every(pause: Duration, gateways: &[SocketAddr]) -> Probe {
    let stranger = Person::stranger(gateways, 0);
    Probe::every(pause, move |_| {
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

/// Somebody looks at their profile and at the courses, thirty times each, more at once than there are open connections
/// to the databases.
pub async fn at_once(person: &Person) -> Summary {
    let one = async |path: &str| {
        let begun = Instant::now();
        Sample::answered(begun, person.send(Method::GET, path, None, &[]).await)
    };
    let many = (0..30).flat_map(|_| [one("/me"), one("/courses")]);
    Summary::of(&futures::future::join_all(many).await)
}
