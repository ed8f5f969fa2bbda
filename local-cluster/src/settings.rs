//! The settings of three services as those of one process: what they share is given once, what they need of
//! each other is filled in, and what a newcomer has not set is made up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use service_runtime::{
    entropy::{Entropy, NoEntropy},
    settings::{Faults, Setting, Values},
};

/// The first staff account.
#[derive(Clone, PartialEq, Eq)]
pub struct Staff {
    /// Its address.
    pub username: String,
    /// Its password, in the clear, if it was made up: it is shown once, to the person who started the cluster.
    /// `None` when that person chose it.
    pub password: Option<String>,
}

impl std::fmt::Debug for Staff {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Staff")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// The address of the first staff account when nobody chose one.
const STAFF_USERNAME: &str = "admin@onlineedu.example";
/// What the cluster needs nobody to set: its services find each other, and talk within one process.
const OWN: [&str; 7] = [
    "AUTH_URL",
    "COURSE_URL",
    "TLS_CERT",
    "TLS_KEY",
    "TLS_CA",
    "GATEWAY_TLS_CERT",
    "GATEWAY_TLS_KEY",
];

/// Every setting of the cluster: those of its services, each once.
pub fn settings() -> Vec<Setting> {
    let services = [
        gateway::config::SETTINGS,
        auth_service::SETTINGS,
        course_service::config::SETTINGS,
    ];
    let mut all: Vec<Setting> = Vec::new();
    for setting in services.into_iter().flatten() {
        if !OWN.contains(&setting.name) && all.iter().all(|known| known.name != setting.name) {
            all.push(*setting);
        }
    }
    all
}

/// What the names of its services' own settings begin with: another name that does is most likely mistyped.
pub fn prefixes() -> Vec<&'static str> {
    [
        gateway::config::PREFIXES,
        auth_service::PREFIXES,
        course_service::config::PREFIXES,
    ]
    .concat()
}

/// Makes up what nobody set, for all services alike.
pub(crate) fn complete(mut values: Values, entropy: &Entropy) -> Result<(Values, Staff), NoEntropy> {
    if values.get("SERVICE_TOKEN").is_none() {
        values = values.with("SERVICE_TOKEN", URL_SAFE_NO_PAD.encode(entropy.bytes::<32>()?));
    }
    let username = values.get("STAFF_USERNAME").unwrap_or(STAFF_USERNAME).to_owned();
    values = values.with("STAFF_USERNAME", &username);
    let mut password = None;
    if values.get("STAFF_PASSWORD").is_none() {
        let made_up = URL_SAFE_NO_PAD.encode(entropy.bytes::<15>()?);
        values = values.with("STAFF_PASSWORD", &made_up);
        password = Some(made_up);
    }
    Ok((values, Staff { username, password }))
}

/// Tells the services where they and the gateway have been bound.
pub(crate) fn bound(values: Values, gateway: SocketAddr, auth: SocketAddr, course: SocketAddr) -> Values {
    let url = |address| format!("http://{}", reachable(address));
    let values = values.with("AUTH_URL", url(auth)).with("COURSE_URL", url(course));
    match values.get("BASE_URL") {
        Some(_) => values,
        None => values.with("BASE_URL", url(gateway)),
    }
}

/// Where something on this machine that is bound to this address can be called: nothing can be called at the
/// address that stands for all of them.
pub fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        _ => return bound,
    };
    SocketAddr::new(ip, bound.port())
}

/// The settings of each service.
#[derive(Debug)]
pub(crate) struct Configs {
    pub(crate) gateway: gateway::config::Config,
    pub(crate) auth: auth_service::Config,
    pub(crate) course: course_service::config::Config,
}

impl Configs {
    /// Reads them all, and names the faults of all of them at once.
    pub(crate) fn from_values(values: &Values) -> Result<Self, Faults> {
        let gateway = gateway::config::Config::from_values(values);
        let auth = auth_service::Config::from_values(values);
        let course = course_service::config::Config::from_values(values);
        let mut faults: Vec<String> = Vec::new();
        let mut note = |found: &Faults| {
            for fault in &found.0 {
                // What services share, each of them finds fault with in its own words.
                if faults.iter().all(|known| setting_of(known) != setting_of(fault)) {
                    faults.push(fault.clone());
                }
            }
        };
        gateway.as_ref().err().into_iter().for_each(&mut note);
        auth.as_ref().err().into_iter().for_each(&mut note);
        course.as_ref().err().into_iter().for_each(&mut note);
        match (gateway, auth, course) {
            (Ok(gateway), Ok(auth), Ok(course)) => Ok(Self {
                gateway,
                auth,
                course,
            }),
            _ => Err(Faults(faults)),
        }
    }
}

/// The setting that a fault begins with.
fn setting_of(fault: &str) -> &str {
    fault.split([':', ' ']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bound_to_every_address_is_called_at_the_loopback_of_its_family() {
        let [gateway, auth, course] =
            ["0.0.0.0:8080", "[::]:50051", "192.0.2.1:50052"].map(|text| text.parse().unwrap());
        let values = bound(Values::default(), gateway, auth, course);
        assert_eq!(values.get("BASE_URL"), Some("http://127.0.0.1:8080"));
        assert_eq!(values.get("AUTH_URL"), Some("http://[::1]:50051"));
        assert_eq!(values.get("COURSE_URL"), Some("http://192.0.2.1:50052"));
        let given = Values::default().with("BASE_URL", "https://edu.example.com");
        let values = bound(given, gateway, auth, course);
        assert_eq!(values.get("BASE_URL"), Some("https://edu.example.com"));
    }
}
