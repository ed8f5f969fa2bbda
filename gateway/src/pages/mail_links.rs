//! The pages that mail links open. Mail scanners open links too, so opening one changes nothing: it shows a
//! form whose button acts.

/// A form around one call of the API.
#[derive(Debug)]
pub struct Form {
    /// The path of the page, and of its form.
    pub path: &'static str,
    /// The API route that the button calls.
    pub calls: &'static str,
    /// The title of the page.
    pub title: &'static str,
    /// What the button will do.
    pub lead: &'static str,
    /// The button.
    pub button: &'static str,
    /// What is asked for besides the token.
    pub inputs: &'static [Input],
    /// The title once it is done.
    pub done_title: &'static str,
    /// What the person can do next.
    pub done: &'static str,
}

/// A password to type in.
#[derive(Debug)]
pub struct Input {
    /// The field of the API.
    pub name: &'static str,
    /// Its label.
    pub label: &'static str,
}

/// The pages.
pub const FORMS: [Form; 3] = [
    Form {
        path: "/verify-email",
        calls: "/api/v1/auth/verify-email",
        title: "Verify your e-mail address",
        lead: "Press the button to verify your address and activate your account.",
        button: "Verify my address",
        inputs: &[],
        done_title: "Your address is verified",
        done: "Your account is active. You can log in now.",
    },
    Form {
        path: "/reset-password",
        calls: "/api/v1/auth/reset-password",
        title: "Choose a new password",
        lead: "Type your new password twice. You will be logged out everywhere.",
        button: "Set my new password",
        inputs: &[
            Input {
                name: "password",
                label: "New password",
            },
            Input {
                name: "confirm_password",
                label: "The same password again",
            },
        ],
        done_title: "Your password is changed",
        done: "You can log in with your new password now.",
    },
    Form {
        path: "/confirm-username",
        calls: "/api/v1/auth/confirm-username",
        title: "Confirm your new e-mail address",
        lead: "Press the button to use this address for your account from now on.",
        button: "Use this address",
        inputs: &[],
        done_title: "Your new address is confirmed",
        done: "Use it the next time you log in.",
    },
];
