//! Stored passwords: Argon2id in PHC form for new ones, and the forms that Django kept, which are verified
//! and replaced at the next login. What a stored form may cost is bounded, so that an imported one cannot
//! take the machine down.

use std::num::NonZeroU32;

use argon2::{Algorithm, Argon2, Block, Params, Version, password_hash::phc::PasswordHash};
use aws_lc_rs::{constant_time::verify_slices_are_equal, digest, pbkdf2};
use base64::{Engine, engine::general_purpose::STANDARD};

/// What hashing costs: OWASP's and NIST's floor is 19 MiB, two passes, one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Self {
            memory: 19 * 1024,
            passes: 2,
            lanes: 1,
        }
    }
}

/// The most that a stored Argon2 hash may cost to verify.
const MOST: Cost = Cost {
    memory: 256 * 1024,
    passes: 16,
    lanes: 16,
};
/// The most rounds of a stored PBKDF2 hash.
const MOST_ROUNDS: u32 = 5_000_000;
/// The highest cost of a stored bcrypt hash: 2^14 rounds.
const MOST_BCRYPT: u32 = 14;
const OUTPUT: usize = 32;

/// The outcome of comparing a password with a stored hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is the password.
    pub matches: bool,
    /// Whether the stored form is older than what new passwords get.
    pub outdated: bool,
}

/// Hashes with memory of its own that is used again and again. One per thread.
pub struct Hasher {
    argon2: Argon2<'static>,
    memory: Vec<Block>,
}

/// The hashing parameters cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("a password cannot be hashed: {0}")]
pub struct HashError(String);

impl Hasher {
    /// A hasher for new passwords of this cost.
    ///
    /// # Errors
    /// When the cost is outside what Argon2 allows.
    pub fn new(cost: Cost) -> Result<Self, HashError> {
        let argon2 = argon2(cost)?;
        let memory = vec![Block::default(); argon2.params().block_count()];
        Ok(Self { argon2, memory })
    }

    /// The PHC string of a new password.
    ///
    /// # Errors
    /// Only for a bug.
    pub fn hash(&mut self, password: &str, salt: [u8; 16]) -> Result<String, HashError> {
        use argon2::password_hash::phc::{Output, ParamsString, Salt};
        let mut output = [0; OUTPUT];
        self.argon2
            .hash_password_into_with_memory(password.as_bytes(), &salt, &mut output, &mut self.memory)
            .map_err(|error| HashError(error.to_string()))?;
        let bug = |error: &dyn std::fmt::Display| HashError(error.to_string());
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(self.argon2.params()).map_err(|error| bug(&error))?,
            salt: Some(Salt::new(&salt).map_err(|error| bug(&error))?),
            hash: Some(Output::new(&output).map_err(|error| bug(&error))?),
        };
        Ok(hash.to_string())
    }

    /// Compares a password with a stored hash. A stored form that cannot be read matches nothing, at the cost of
    /// one that can.
    pub fn verify(&mut self, password: &str, stored: &str) -> Verdict {
        self.compare(password, stored).unwrap_or_else(|| {
            let _unused = self.hash(password, [0; 16]);
            Verdict {
                matches: false,
                outdated: true,
            }
        })
    }

    /// `None` for a stored form that cannot be read, or costs more than we are ready to pay.
    fn compare(&mut self, password: &str, stored: &str) -> Option<Verdict> {
        let older = |matches| Verdict {
            matches,
            outdated: true,
        };
        let (scheme, rest) = stored.split_once('$')?;
        match scheme {
            "" => self.verify_argon2(password, stored, false),
            "argon2" => self.verify_argon2(password, &format!("${rest}"), true),
            "pbkdf2_sha256" => verify_pbkdf2(password, rest).map(older),
            "bcrypt_sha256" => {
                // Django hashes first, because bcrypt reads no more than 72 bytes.
                let digest = digest::digest(&digest::SHA256, password.as_bytes());
                let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
                verify_bcrypt(&hex, rest).map(older)
            }
            _ => None,
        }
    }

    fn verify_argon2(&mut self, password: &str, phc: &str, foreign: bool) -> Option<Verdict> {
        let (algorithm, params, salt, expected) = read_argon2(phc)?;
        let mut output = vec![0; expected.len()];
        let own = algorithm == Algorithm::Argon2id && params == *self.argon2.params();
        let hashed = if own {
            self.argon2.hash_password_into_with_memory(
                password.as_bytes(),
                &salt,
                &mut output,
                &mut self.memory,
            )
        } else {
            Argon2::new(algorithm, Version::V0x13, params).hash_password_into(
                password.as_bytes(),
                &salt,
                &mut output,
            )
        };
        let matches = hashed.is_ok() && verify_slices_are_equal(&output, &expected).is_ok();
        Some(Verdict {
            matches,
            outdated: foreign || !own,
        })
    }
}

fn argon2(cost: Cost) -> Result<Argon2<'static>, HashError> {
    let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(OUTPUT));
    let params = params.map_err(|error| HashError(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn read_argon2(phc: &str) -> Option<(Algorithm, Params, Vec<u8>, Vec<u8>)> {
    let hash = PasswordHash::new(phc).ok()?;
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    if hash.version != Some(Version::V0x13.into()) {
        return None;
    }
    let params = Params::try_from(&hash).ok()?;
    let affordable =
        params.m_cost() <= MOST.memory && params.t_cost() <= MOST.passes && params.p_cost() <= MOST.lanes;
    let (salt, output) = (hash.salt?.to_vec(), hash.hash?.as_bytes().to_vec());
    affordable.then_some((algorithm, params, salt, output))
}

/// `<rounds>$<salt>$<base64>`, the salt as it stands.
fn verify_pbkdf2(password: &str, rest: &str) -> Option<bool> {
    let parts: Vec<&str> = rest.split('$').collect();
    let [rounds, salt, hash] = parts[..] else {
        return None;
    };
    let rounds: NonZeroU32 = rounds.parse().ok()?;
    let hash = STANDARD.decode(hash).ok()?;
    let (salt, password) = (salt.as_bytes(), password.as_bytes());
    (rounds.get() <= MOST_ROUNDS && hash.len() == OUTPUT)
        .then(|| pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, password, &hash).is_ok())
}

fn verify_bcrypt(digest: &str, hash: &str) -> Option<bool> {
    let parts: bcrypt::HashParts = hash.parse().ok()?;
    let affordable = parts.get_cost() <= MOST_BCRYPT;
    affordable.then(|| bcrypt::verify(digest, hash).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher() -> Hasher {
        Hasher::new(Cost {
            memory: 64,
            passes: 1,
            lanes: 1,
        })
        .unwrap()
    }

    #[test]
    fn a_hash_matches_its_password_only() {
        let mut hasher = hasher();
        let stored = hasher.hash("correct horse", [7; 16]).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{stored}");
        assert_eq!(
            hasher.verify("correct horse", &stored),
            Verdict {
                matches: true,
                outdated: false
            }
        );
        for other in [
            "correct hors",
            "correct horse ",
            "Correct horse",
            "",
            "correct horse\0",
        ] {
            assert!(!hasher.verify(other, &stored).matches, "{other:?}");
        }
    }

    #[test]
    fn no_character_is_cut_off() {
        let mut hasher = hasher();
        for length in [71, 72, 73, 127, 128] {
            let password = "x".repeat(length);
            let stored = hasher.hash(&password, [7; 16]).unwrap();
            assert!(hasher.verify(&password, &stored).matches);
            assert!(!hasher.verify(&"x".repeat(length + 1), &stored).matches);
            assert!(!hasher.verify(&"x".repeat(length - 1), &stored).matches);
        }
    }

    #[test]
    fn older_costs_match_and_are_outdated() {
        let stored = Hasher::new(Cost {
            memory: 32,
            passes: 2,
            lanes: 1,
        })
        .unwrap()
        .hash("pw", [7; 16])
        .unwrap();
        assert_eq!(
            hasher().verify("pw", &stored),
            Verdict {
                matches: true,
                outdated: true
            }
        );
    }

    /// Made with Django 4.2's hashers from the password `lètmein`.
    #[test]
    fn django_forms_match_and_are_outdated() {
        let mut hasher = hasher();
        for stored in DJANGO {
            assert_eq!(
                hasher.verify("lètmein", stored),
                Verdict {
                    matches: true,
                    outdated: true
                },
                "{stored}"
            );
            assert!(!hasher.verify("letmein", stored).matches, "{stored}");
        }
    }

    const DJANGO: [&str; 3] = [
        "pbkdf2_sha256$600000$61egDJT9kscAxM9ZtkwrgZ$ckxsax4I0xM1yqjpVAM5wItdCQAA/Kcgh3fFw5552K8=",
        "argon2$argon2id$v=19$m=102400,t=2,p=8$N3l6MTdYUWtsRjF5bEwxTk5DSU5GYQ$IW9GVuLYQLrC4W0q9gfAuLBcP11YlSp9rOxwARfQOxA",
        "bcrypt_sha256$$2b$12$zqvFAh5PzWUbfI85QMenW.LlS7.r5FYWChU1YcT0yHynWa.mqEKjK",
    ];

    #[test]
    fn what_cannot_be_read_or_afforded_matches_nothing() {
        let mut hasher = hasher();
        for stored in [
            "",
            "!",
            "$",
            "plain",
            "md5$salt$hash",
            "pbkdf2_sha256$0$salt$AAAA",
            "pbkdf2_sha256$99999999$s$AAAA",
            "pbkdf2_sha256$1$s",
            "pbkdf2_sha256$1$s$AAAA$x",
            "bcrypt_sha256$$2b$31$xxxxxxxxxxxxxxxxxxxxxx",
            "$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=1048576,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=16$m=64,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(
                hasher.verify("x", stored),
                Verdict {
                    matches: false,
                    outdated: true
                },
                "{stored}"
            );
            assert_eq!(
                hasher.compare("x", stored),
                None,
                "{stored} costs a hash all the same"
            );
        }
    }
}
