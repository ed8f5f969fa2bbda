//! Proving a second factor: each code works once, and wrong ones make waiting.

use chrono::{DateTime, TimeDelta, Utc};
use service_runtime::secret::Secret;
use uuid::Uuid;

use super::{FactorError, Factors, recovery};
use crate::{
    domain::{
        error::Error,
        totp::{self, Verdict},
    },
    model::{
        event::{Actor, SecurityEvent},
        event_kind::EventKind,
        factor::{Attempt, Code, StoredFactor},
        mail::MailKind,
        session::{PASSWORD, SECOND_FACTOR},
        user::User,
    },
    store::factor::NotTried,
};

/// How many wrong codes in a row cost no waiting.
const FREE_FAILURES: i64 = 5;
/// How long the first waiting is; each wrong code after it doubles it.
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(30);
/// No waiting is longer.
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(15);
/// How many wrong codes lie between two mails about them.
const FAILURES_A_MAIL: i64 = 50;

impl Factors {
    /// What somebody has proved who logs in with the right password, as RFC 8176 names.
    ///
    /// # Errors
    /// [`FactorError::Required`], and those of [`Self::prove`].
    pub(crate) async fn at_login(
        &self,
        user: &User,
        code: &Secret<String>,
        by: &Actor,
    ) -> Result<Vec<String>, Error> {
        if user.factor_since.is_none() {
            return Ok(vec![PASSWORD.to_owned()]);
        }
        if code.expose().trim().is_empty() {
            return Err(FactorError::Required.into());
        }
        self.prove(user, code, by).await?;
        Ok(vec![PASSWORD.to_owned(), SECOND_FACTOR.to_owned()])
    }

    /// Uses up a code; says of which enrolment. Every right one works once, and every wrong one is counted.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a code, [`FactorError::Missing`], [`FactorError::WrongCode`],
    /// [`FactorError::Throttled`].
    pub(crate) async fn prove(&self, user: &User, code: &Secret<String>, by: &Actor) -> Result<Uuid, Error> {
        self.prove_and_tell(user, code, by, None).await
    }

    /// The same; if the code is right, the trail is told this besides.
    ///
    /// # Errors
    /// As those of [`Self::prove`].
    pub(crate) async fn prove_and_tell(
        &self,
        user: &User,
        code: &Secret<String>,
        by: &Actor,
        proved: Option<SecurityEvent>,
    ) -> Result<Uuid, Error> {
        if code.expose().trim().is_empty() {
            return Err(Error::field("code", "The code field is required"));
        }
        // What no code looks like is no guess.
        let code = Code::parse(code.expose()).ok_or(FactorError::WrongCode)?;
        let recovery_hash = match &code {
            Code::Recovery(code) => Some(recovery::hash(user.id, code)),
            Code::App(_) => None,
        };
        let now = self.clock.now();
        let tried = self
            .store
            .try_code(user.id, recovery_hash.as_deref(), now, |factor, used_up| {
                let mut attempt = self.judge(user, factor, &code, used_up, by, now)?;
                attempt.events.extend(proved.filter(|_| attempt.passed));
                Ok::<_, Error>(attempt)
            })
            .await;
        let (enrolment, passed) = tried.map_err(|not| match not {
            NotTried::NoFactor => FactorError::Missing.into(),
            NotTried::Refused(error) => error,
            NotTried::Store(error) => error.into(),
        })?;
        self.bell.ring();
        match passed {
            true => Ok(enrolment),
            false => Err(FactorError::WrongCode.into()),
        }
    }

    /// What an attempt with a code comes to.
    fn judge(
        &self,
        user: &User,
        factor: &StoredFactor,
        code: &Code,
        used_up: bool,
        by: &Actor,
        now: DateTime<Utc>,
    ) -> Result<Attempt, Error> {
        let unchanged = || Attempt {
            passed: false,
            last_step: factor.last_step,
            failures: factor.failures,
            blocked_until: factor.blocked_until,
            events: Vec::new(),
            mail: None,
        };
        let right = || Attempt {
            passed: true,
            failures: 0,
            blocked_until: None,
            ..unchanged()
        };
        // Nobody guesses a recovery code, so whoever has one is let in, however many wrong codes there were.
        if used_up {
            return Ok(Attempt {
                events: vec![
                    self.events
                        .event(EventKind::RecoveryCodeUsed, by, Some(user.id), "")?,
                ],
                mail: Some(self.mail(MailKind::RecoveryCodeUsed, user, now)?),
                ..right()
            });
        }
        if let Some(wait) = factor.blocked_until.and_then(|until| (until - now).to_std().ok())
            && !wait.is_zero()
        {
            self.note_failed(user, by, "not looked at");
            return Err(FactorError::Throttled(wait).into());
        }
        let verdict = match code {
            Code::Recovery(_) => Verdict::Wrong,
            Code::App(digits) => {
                let opened = self.sealing.open(user.id.as_bytes(), &factor.sealed_secret)?;
                totp::judge(opened.secret.expose(), digits.expose(), now, factor.last_step)
            }
        };
        match verdict {
            Verdict::Right(step) => Ok(Attempt {
                last_step: step,
                ..right()
            }),
            // Nothing is guessed that way, and who sends a request twice should not have to wait.
            Verdict::Used => {
                self.note_failed(user, by, "used again");
                Ok(unchanged())
            }
            Verdict::Wrong => {
                let failures = factor.failures.saturating_add(1);
                let is_mailed = user.factor_since.is_some() && failures % FAILURES_A_MAIL == FREE_FAILURES;
                let (kind, subject) = (EventKind::FactorFailed, Some(user.id));
                let mail = is_mailed.then(|| self.mail(MailKind::SecondFactorFailing, user, now));
                Ok(Attempt {
                    failures,
                    blocked_until: wait_after(failures).map(|wait| now + wait),
                    events: vec![self.events.event(kind, by, subject, "wrong code")?],
                    mail: mail.transpose()?,
                    ..unchanged()
                })
            }
        }
    }

    /// Notes a code that was refused and makes nobody wait: there is no end to how often that may be, so it has no row
    /// of its own in the trail each time.
    fn note_failed(&self, user: &User, by: &Actor, why: &str) {
        self.events.note(EventKind::FactorFailed, by, Some(user.id), why);
    }
}

/// How long no code of the app is looked at after so many wrong ones in a row.
fn wait_after(failures: i64) -> Option<TimeDelta> {
    let doublings = failures.checked_sub(FREE_FAILURES).filter(|more| *more >= 0)?;
    let factor = 1_i32 << doublings.min(10);
    Some((FIRST_WAIT * factor).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_doubles_and_stays_short() {
        let seconds = |failures| wait_after(failures).map(|wait| wait.num_seconds());
        assert_eq!([0, 1, 4].map(seconds), [None; 3]);
        assert_eq!(
            [5, 6, 7, 8, 9, 10, 11, i64::MAX].map(seconds),
            [30, 60, 120, 240, 480, 900, 900, 900].map(Some)
        );
    }
}
