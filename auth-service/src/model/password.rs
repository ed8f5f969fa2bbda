//! The rules for new passwords: long, not guessable, and nothing about classes of characters
//! (NIST SP 800-63B-4 §3.1.1.2). Every character of Unicode is welcome and none is cut off or changed.

use service_runtime::secret::Secret;

/// The longest password, in characters. Hashing takes the same time for any length up to it.
pub const LONGEST: usize = 128;
/// What zxcvbn must give at least: 2 is "safe from unthrottled online attacks", 10^6 guesses or more.
const LEAST_SCORE: u8 = 2;
/// How much of a password is measured, in characters.
const LONGEST_MEASURED: usize = 24;
/// Shorter pieces of the person's own data are not looked for in the password.
const SHORTEST_PIECE: usize = 4;

/// What a new password is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// The shortest password, in characters.
    pub min_length: usize,
    /// Whether strength is measured at all.
    pub strong: bool,
}

/// A password that passed the rules.
#[derive(Debug, Clone)]
pub struct NewPassword(Secret<String>);

impl NewPassword {
    /// The password, for the one who hashes it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl PasswordPolicy {
    /// Checks a new password. `own` is the person's own data: address, names.
    ///
    /// # Errors
    /// A sentence that says what to do better.
    pub fn check(&self, password: &str, own: &[&str]) -> Result<NewPassword, String> {
        let length = password.chars().count();
        if length > LONGEST {
            return Err(format!("The password must have at most {LONGEST} characters."));
        }
        if self.strong {
            if length < self.min_length {
                return Err(format!(
                    "The password must have at least {} characters.",
                    self.min_length
                ));
            }
            if password.chars().all(char::is_numeric) {
                return Err("The password must not consist of digits alone.".to_owned());
            }
            if close_to(password, own) {
                return Err("The password is too close to your own data.".to_owned());
            }
            if u8::from(zxcvbn::zxcvbn(beginning(password), own).score()) < LEAST_SCORE {
                return Err("The password is too easy to guess. Use more or rarer words.".to_owned());
            }
        }
        Ok(NewPassword(Secret::new(password.to_owned())))
    }
}

/// What of a password is measured. Measuring costs more than the square of the length, for some texts a second at
/// 100 characters; and the guesses that the beginning takes are the least that the whole takes.
fn beginning(password: &str) -> &str {
    let end = password
        .char_indices()
        .nth(LONGEST_MEASURED)
        .map_or(password.len(), |(at, _)| at);
    &password[..end]
}

/// Whether the password is mostly a piece of the person's own data, or the other way round.
fn close_to(password: &str, own: &[&str]) -> bool {
    let password = password.to_lowercase();
    let length = password.chars().count();
    let pieces = own
        .iter()
        .flat_map(|data| std::iter::once(*data).chain(data.split(|c: char| !c.is_alphanumeric())));
    pieces.map(str::to_lowercase).any(|piece| {
        let size = piece.chars().count();
        // A long password may mention a name; one that is half a name is that name with decoration.
        size >= SHORTEST_PIECE
            && (password.contains(&piece) && size * 2 >= length
                || length >= SHORTEST_PIECE && piece.contains(&password))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: PasswordPolicy = PasswordPolicy {
        min_length: 8,
        strong: true,
    };
    const OWN: [&str; 3] = ["ada.lovelace@example.com", "Ada", "Lovelace"];

    #[test]
    fn no_more_is_measured_than_takes_as_long_as_a_hash() {
        // Every character of it may stand for another one, which makes it the dearest text to measure.
        let dear = "4@8({[<369!1|70$5+%2".repeat(6);
        assert_eq!(beginning(&dear).chars().count(), LONGEST_MEASURED);
        assert!(POLICY.check(&dear, &OWN).is_ok());
        assert_eq!(beginning("\u{1f980}"), "\u{1f980}");
    }

    #[test]
    fn good_passwords_pass_whatever_they_are_made_of() {
        let long = "correct horse battery staple ".repeat(4);
        for password in [
            "correct horse battery",
            "Tr0ub4dour&3x",
            "пароль-из-слов-и-пробелов",
            "漢字仮名交じり文の合言葉",
            "🦀🐙🦑🐡🐠🐟🐬🐳",
            "kJ8#mQ2$vL9",
            "lovelace once wrote about looms and numbers",
            &long,
        ] {
            assert!(
                POLICY.check(password, &OWN).is_ok(),
                "{password}: {:?}",
                POLICY.check(password, &OWN)
            );
        }
    }

    #[test]
    fn weak_passwords_are_refused_with_advice() {
        for password in [
            "",
            "short7!",
            "1234567890123456",
            "password",
            "password123",
            "qwertyuiop",
            "aaaaaaaaaaaa",
            "letmein1",
            "lovelace1815",
            "Ada.Lovelace",
            "ada.lovelace@example.com",
            "example.com1",
            "iloveyou",
        ] {
            assert!(POLICY.check(password, &OWN).is_err(), "{password}");
        }
    }

    #[test]
    fn length_is_counted_in_characters() {
        let policy = PasswordPolicy {
            min_length: 15,
            strong: true,
        };
        assert!(policy.check("кулебяка-зебра", &[]).is_err());
        assert!(policy.check("кулебяка-зебра-7", &[]).is_ok());
        let longest: String = "zebra kettle ".chars().cycle().take(LONGEST).collect();
        assert!(POLICY.check(&longest, &[]).is_ok());
        assert!(POLICY.check(&format!("{longest}x"), &[]).is_err());
    }

    #[test]
    fn without_the_rules_only_the_length_is_bounded() {
        let policy = PasswordPolicy {
            min_length: 8,
            strong: false,
        };
        assert!(policy.check("pw", &[]).is_ok());
        assert!(policy.check(&"x".repeat(129), &[]).is_err());
    }

    #[test]
    fn debug_shows_no_password() {
        let shown = format!("{:?}", POLICY.check("correct horse battery", &[]));
        assert!(!shown.contains("horse"), "{shown}");
    }
}
