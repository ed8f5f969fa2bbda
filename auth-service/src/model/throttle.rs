//! Limits on how often something may be tried, and the lanes in which it is counted. The numbers are explained in
//! docs/OPERATIONS.md.

use std::time::Duration;

/// So many at once, and then one for each interval. No lane is full for longer than `burst` intervals, and whoever finds
/// it full waits for one interval at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// What is limited, as the database and the numbers name it.
    pub kind: &'static str,
    /// How many at once.
    pub burst: u32,
    /// How long until there is one more.
    pub interval: Duration,
}

impl Limit {
    const fn new(kind: &'static str, burst: u32, interval: u64) -> Self {
        Self {
            kind,
            burst,
            interval: Duration::from_secs(interval),
        }
    }

    /// One interval in microseconds.
    pub fn step(self) -> i64 {
        i64::try_from(self.interval.as_micros()).unwrap_or(i64::MAX / i64::from(u32::MAX))
    }
}

/// Failed logins to one account from one network.
pub const LOGIN: Limit = Limit::new("login", 10, 60);
/// Failed logins to one account by callers whose network is not known.
pub const LOGIN_UNTOLD: Limit = Limit::new("login_untold", 100, 3);
/// Failed logins to one account from networks it never logged in from. Beyond it a network has to wait before its first
/// attempt counts; nobody is refused for longer.
pub const LOGIN_STRANGERS: Limit = Limit::new("login_strangers", 30, 60);
/// Accounts that never logged in from a network and to which a login from there failed.
pub const LOGIN_NETWORK: Limit = Limit::new("login_network", 60, 10);
/// The same for accounts that did log in from there.
pub const LOGIN_NETWORK_KNOWN: Limit = Limit::new("login_network_known", 240, 10);
/// Registrations from one network.
pub const REGISTRATION: Limit = Limit::new("registration", 300, 10);
/// Mails to one address that verify it.
pub const MAIL_VERIFY: Limit = Limit::new("mail_verify", 4, 600);
/// Mails to one address that set a new password.
pub const MAIL_RESET: Limit = Limit::new("mail_reset", 4, 600);
/// Mails to one address that make it the new one of an account.
pub const MAIL_CONFIRM: Limit = Limit::new("mail_confirm", 4, 600);
/// Mails to one address that say that somebody tried to take it.
pub const MAIL_NOTICE: Limit = Limit::new("mail_notice", 4, 600);
/// Mails that one network asks for.
pub const MAIL_NETWORK: Limit = Limit::new("mail_network", 100, 20);
/// New addresses that one account asks for.
pub const USERNAME_CHANGE: Limit = Limit::new("username_change", 5, 600);
/// Changes of how one logs in to an account, each of which is told to its mailbox.
pub const CREDENTIAL_CHANGE: Limit = Limit::new("credential_change", 20, 600);
/// Copies of their data that one account takes.
pub const EXPORT: Limit = Limit::new("export", 10, 600);
/// Wrong passwords of an account that is logged in.
pub const PASSWORD: Limit = Limit::new("password", 10, 60);

/// Every limit.
pub const LIMITS: [Limit; 15] = [
    LOGIN,
    LOGIN_UNTOLD,
    LOGIN_STRANGERS,
    LOGIN_NETWORK,
    LOGIN_NETWORK_KNOWN,
    REGISTRATION,
    MAIL_VERIFY,
    MAIL_RESET,
    MAIL_CONFIRM,
    MAIL_NOTICE,
    MAIL_NETWORK,
    USERNAME_CHANGE,
    CREDENTIAL_CHANGE,
    EXPORT,
    PASSWORD,
];

/// How much an attempt counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// It does not count; it is only asked whether it would be let in.
    Nothing,
    /// One.
    One,
    /// One, unless something is owed in the first lane of the same attempt: so each account counts once.
    OneIfFirstIsClear,
    /// If it is let in, nothing is owed any more.
    Forgives,
}

/// Where an attempt is counted.
#[derive(Debug, Clone)]
pub struct Lane {
    /// The limit.
    pub limit: Limit,
    /// Whose attempts; empty for everybody's.
    pub account: Vec<u8>,
    /// From where; empty for everywhere.
    pub network: Vec<u8>,
    /// How much this attempt counts.
    pub weight: Weight,
}

/// What an attempt found in a lane. Times are microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Whether the lane lets it in.
    pub let_in: bool,
    /// When the lane was first used.
    pub since: i64,
    /// By when everything counted before was worked off.
    pub was: i64,
}
