//! What the mails say. Text and HTML are rendered from the same words, so they cannot say different things.

use askama::Template;

use crate::model::{alarm::Alarm, event::RecordedEvent, event_kind::EventKind, mail::MailKind};

/// What mails of one kind say.
pub(super) struct Words {
    /// The subject line and the heading.
    pub(super) subject: &'static str,
    /// What happened.
    pub(super) news: &'static str,
    /// What the link does; it stands on the button. Empty where there is no link.
    pub(super) action: &'static str,
    /// What to do if it was not you.
    pub(super) not_you: &'static str,
}

/// The words of a kind.
pub(super) const fn words(kind: MailKind) -> Words {
    match kind {
        MailKind::VerifyEmail => Words {
            subject: "Confirm your e-mail address",
            news: "Welcome to Online Edu. Please confirm that this is your e-mail address; \
                   your account can be used from then on.",
            action: "Confirm this address",
            not_you: "If you did not register, do nothing: an account that is not confirmed is removed.",
        },
        MailKind::AlreadyRegistered => Words {
            subject: "You already have an account",
            news: "Somebody tried to register at Online Edu with this e-mail address, which already has an \
                   account. Nothing was changed. If it was you, log in; if you do not remember your \
                   password, ask for a new one on the login page.",
            action: "",
            not_you: "If it was not you, there is nothing to do: whoever it was has learnt nothing about \
                      your account.",
        },
        MailKind::ResetPassword => Words {
            subject: "Choose a new password",
            news: "A new password was asked for, for the Online Edu account with this e-mail address. Until \
                   you choose one, the present password stays.",
            action: "Choose a new password",
            not_you: "If it was not you, do nothing: your password stays as it is.",
        },
        MailKind::ConfirmUsername => Words {
            subject: "Confirm your new e-mail address",
            news: "You asked to use this e-mail address for your Online Edu account. Please confirm it; \
                   until then the old address stays.",
            action: "Confirm the new address",
            not_you: "If you did not ask for this, do nothing: nobody's account will get this address.",
        },
        MailKind::UsernameChangeRequested => Words {
            subject: "A new e-mail address was asked for",
            news: "Somebody who was logged in to your Online Edu account asked to use another e-mail \
                   address for it. The change takes effect once it is confirmed from the new mailbox; from \
                   then on you log in with the new address.",
            action: "",
            not_you: "If it was not you, choose a new password at once: that ends all other sessions.",
        },
        MailKind::PasswordChanged => Words {
            subject: "Your password was changed",
            news: "The password of your Online Edu account was changed, and all other sessions were ended.",
            action: "",
            not_you: "If it was not you, ask for a new password on the login page at once.",
        },
        MailKind::SecondFactorAdded => Words {
            subject: "Logging in takes a code from now on",
            news: "An authenticator app was set up for your Online Edu account, and all other sessions were \
                   ended. From now on you log in with your password and a code of the app. Keep the recovery \
                   codes in a safe place: each of them replaces the app once.",
            action: "",
            not_you: "If it was not you, somebody knows your password and can lock you out: ask for a new \
                      password on the login page at once, and write to whoever runs this site.",
        },
        MailKind::SecondFactorRemoved => Words {
            subject: "Logging in takes no code any more",
            news: "The authenticator app of your Online Edu account was removed, and all other sessions were \
                   ended. Your password alone logs you in from now on.",
            action: "",
            not_you: "If it was not you, ask for a new password on the login page at once, and set up the app \
                      again.",
        },
        MailKind::SecondFactorFailing => Words {
            subject: "Somebody enters wrong codes",
            news: "Wrong codes of your authenticator app are being entered, by somebody who knows the password \
                   of your Online Edu account or is logged in to it. They were refused, and codes of the app \
                   now have to wait a while; your recovery codes work all the time.",
            action: "",
            not_you: "If it was not you, ask for a new password on the login page at once: without the \
                      password nobody gets as far as the code.",
        },
        MailKind::RecoveryCodeUsed => Words {
            subject: "A recovery code was used",
            news: "A recovery code was used for your Online Edu account in place of a code of your \
                   authenticator app. It is used up. When few are left, or the app is lost, make new ones.",
            action: "",
            not_you: "If it was not you, somebody knows your password and your recovery codes: ask for a new \
                      password on the login page at once, and then make new recovery codes.",
        },
        MailKind::RecoveryCodesRenewed => Words {
            subject: "You have new recovery codes",
            news: "New recovery codes were made for your Online Edu account. The former ones are worth nothing \
                   any more.",
            action: "",
            not_you: "If it was not you, ask for a new password on the login page at once, and then make new \
                      recovery codes.",
        },
        MailKind::SecurityAlarm => Words {
            subject: "Security alarm",
            news: "Something happened at Online Edu that somebody should look into now.",
            action: "",
            not_you: "Administrators find all of it at /api/v1/security-events?severity=critical. What follows \
                      within 15 minutes comes in one mail then.",
        },
        MailKind::CoursesInherited => Words {
            subject: "Courses have come to you",
            news: "Somebody who taught at Online Edu has closed their account. Courses that would have been \
                   left without an instructor are yours now, because you have administered the site for \
                   longest. You can make somebody else their instructor.",
            action: "",
            not_you: "Nothing about your account was changed.",
        },
    }
}

/// A link, and until when it is good.
pub(super) struct Link {
    pub(super) url: String,
    /// Such as `15 minutes`.
    pub(super) validity: String,
    /// Such as `1 March 2026, 12:15 UTC`.
    pub(super) until: String,
}

/// Critical events, in lines.
pub(super) struct Told {
    /// How often each kind, and what that says.
    pub(super) counts: Vec<String>,
    /// The first of them: when and what, and who, whom, where.
    pub(super) first: Vec<(String, String)>,
    /// How many there are besides.
    pub(super) more: i64,
}

impl Told {
    pub(super) fn of(alarm: &Alarm) -> Self {
        let count = |(kind, count): &(String, i64)| match EventKind::parse(kind) {
            Some(known) => format!("{count} × {kind}: {}", known.meaning()),
            None => format!("{count} × {kind}"),
        };
        let first = |event: &RecordedEvent| {
            let when = event.time.format("%-d %B %Y, %H:%M:%S UTC");
            (format!("{when}, {}", event.kind), circumstances(event))
        };
        let told = i64::try_from(alarm.first.len()).unwrap_or(i64::MAX);
        Self {
            counts: alarm.counts.iter().map(count).collect(),
            first: alarm.first.iter().map(first).collect(),
            more: alarm.all() - told,
        }
    }
}

/// Who did it to whom, from where; in ids.
fn circumstances(event: &RecordedEvent) -> String {
    let id = |id: Option<uuid::Uuid>| id.map(|id| id.to_string());
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let known = [
        ("event", Some(event.id.to_string())),
        ("by user", id(event.actor_id)),
        ("about user", id(event.subject_id)),
        ("session", id(event.session_id)),
        ("from", text(&event.ip_address)),
        ("request", text(&event.request_id)),
    ];
    let known = known
        .into_iter()
        .filter_map(|(what, which)| Some(format!("{what} {}", which?)));
    known.collect::<Vec<_>>().join(", ")
}

/// The text part.
#[derive(Template)]
#[template(path = "letter.txt")]
pub(super) struct Text<'a> {
    pub(super) words: &'a Words,
    pub(super) link: Option<&'a Link>,
    pub(super) told: Option<&'a Told>,
    pub(super) recipient: &'a str,
    pub(super) site: &'a str,
}

/// The HTML part.
#[derive(Template)]
#[template(path = "letter.html")]
pub(super) struct Html<'a> {
    pub(super) words: &'a Words,
    pub(super) link: Option<&'a Link>,
    pub(super) told: Option<&'a Told>,
    pub(super) recipient: &'a str,
    pub(super) site: &'a str,
}
