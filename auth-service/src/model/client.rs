//! The device that calls, as far as the gateway tells.

/// The longest name of a device that is kept, in bytes.
const LONGEST_AGENT: usize = 512;

/// Where a call comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Client {
    /// What the device calls itself; empty when unknown.
    pub user_agent: String,
    /// Its network address; empty when unknown.
    pub ip_address: String,
}

impl Client {
    /// A client; the name of its device is cut to what is kept and freed of what must not be shown.
    pub fn new(user_agent: &str, ip_address: impl Into<String>) -> Self {
        let user_agent: String = user_agent.chars().filter(|letter| !letter.is_control()).collect();
        let end = user_agent.floor_char_boundary(LONGEST_AGENT);
        Self {
            user_agent: user_agent[..end].to_owned(),
            ip_address: ip_address.into(),
        }
    }
}
