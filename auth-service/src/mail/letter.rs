//! What the mails say. Text and HTML are rendered from the same words, so they cannot say different things.

use askama::Template;

use crate::model::mail::MailKind;

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

/// The text part.
#[derive(Template)]
#[template(path = "letter.txt")]
pub(super) struct Text<'a> {
    pub(super) words: &'a Words,
    pub(super) link: Option<&'a Link>,
    pub(super) recipient: &'a str,
    pub(super) site: &'a str,
}

/// The HTML part.
#[derive(Template)]
#[template(path = "letter.html")]
pub(super) struct Html<'a> {
    pub(super) words: &'a Words,
    pub(super) link: Option<&'a Link>,
    pub(super) recipient: &'a str,
    pub(super) site: &'a str,
}
