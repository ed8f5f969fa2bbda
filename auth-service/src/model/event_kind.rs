//! The kinds of security events: one table of words, severities and meanings.

use crate::model::event::Severity;

/// Makes the enumeration of its table.
macro_rules! kinds {
    ($($name:ident $word:literal $severity:ident $meaning:literal)*) => {
        /// What a security event is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventKind {
            $(#[doc = $meaning] $name,)*
        }

        impl EventKind {
            /// Every kind there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word in the database and for callers.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// How much it matters.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// What it says, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

kinds! {
    AccountRegistered "account_registered" Info "An account was registered; its address is still to be verified."
    AccountVerified "account_verified" Info "The address of an account was verified; it can log in from then on."
    LoginSucceeded "login_succeeded" Info "Somebody logged in; the detail names the factors."
    LoginFailed "login_failed" Info "A login was refused; the subject is there where there is an account."
    LoginThrottled "login_throttled" Warning "Logins were refused unseen, because too many had failed."
    RefreshFailed "refresh_failed" Info "A refresh token was refused."
    RefreshReplayed "refresh_replayed" Critical "A refresh token was used again after its successor: two parties hold it; the session was ended."
    LoggedOut "logged_out" Info "Somebody ended the session they were in."
    LoggedOutEverywhere "logged_out_everywhere" Info "Somebody ended all of their sessions."
    SessionRevoked "session_revoked" Info "Somebody ended one of their sessions from another."
    SessionsEndedByOperator "sessions_ended_by_operator" Warning "An operator ended the sessions of everybody."
    PasswordResetRequested "password_reset_requested" Info "A mail was asked for that sets a new password."
    PasswordReset "password_reset" Warning "A new password was set by the link of such a mail; all sessions were ended."
    PasswordChanged "password_changed" Info "Somebody changed their password; their other sessions were ended."
    PasswordRefused "password_refused" Warning "A password that somebody who was logged in gave again was refused; the detail says what for."
    UsernameChangeRequested "username_change_requested" Info "Somebody asked for another address; it is still to be confirmed."
    UsernameChanged "username_changed" Warning "An account got another address."
    LinkRefused "link_refused" Info "The token of a mail link was refused."
    FactorAdded "factor_added" Info "A second factor was added to an account."
    FactorRemoved "factor_removed" Warning "A second factor was removed from an account."
    FactorProved "factor_proved" Info "Somebody who was logged in proved a second factor."
    FactorFailed "factor_failed" Warning "The code of a second factor was refused."
    RecoveryCodeUsed "recovery_code_used" Warning "A recovery code stood in for a second factor."
    RecoveryCodesReplaced "recovery_codes_replaced" Info "Somebody got new recovery codes; the former ones are worth nothing."
    AccessDenied "access_denied" Warning "Somebody called a method without the rights for it; the detail names it."
    StaffGranted "staff_granted" Critical "An account administers the site from then on."
    StaffRevoked "staff_revoked" Warning "An account no longer administers the site."
    UserActivated "user_activated" Info "Staff or an operator let an account log in."
    UserDeactivated "user_deactivated" Warning "Staff or an operator barred an account; its sessions were ended."
    DataExported "data_exported" Info "Somebody took a copy of all data about them."
    AccountDeleted "account_deleted" Warning "An account was deleted."
    SigningKeyAdded "signing_key_added" Info "There is a new signing key."
    SigningKeyRevoked "signing_key_revoked" Critical "A signing key was revoked; its tokens are refused."
}

impl EventKind {
    /// The kinds that another service may record.
    pub const OF_SERVICES: &[Self] = &[Self::AccessDenied];

    /// Reads the word; `None` for what is no kind, or one that only a newer version knows.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_as_it_is_written() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.as_str()), Some(*kind));
        }
        assert_eq!(EventKind::parse("Login_failed"), None);
    }

    #[test]
    fn every_kind_stands_in_the_handbook_as_it_is() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/OPERATIONS.md");
        let handbook = std::fs::read_to_string(path).unwrap();
        let row = |kind: &EventKind| {
            let (word, severity) = (kind.as_str(), kind.severity().as_str());
            format!("| `{word}` | {severity} | {} |", kind.meaning())
        };
        let rows: Vec<String> = EventKind::ALL.iter().map(row).collect();
        let table = rows.join("\n");
        assert!(
            handbook.contains(&format!("\n{table}\n\n")),
            "docs/OPERATIONS.md should have:\n{table}"
        );
    }
}
