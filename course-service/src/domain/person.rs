//! A person's own data: told to them, and erased for good. An erasure may end after any of its steps, and then it is
//! called again: first nothing can make the person an instructor or a student any more, then one course after the other
//! lets them go, and only then what names them elsewhere is looked for, because nothing new can name them.

use service_runtime::field::FieldError;
use uuid::Uuid;

use super::{Courses, Error};
use crate::{
    model::{
        instructor::Person,
        person::{Erased, Held},
        user_id,
    },
    store::Left,
};

/// How many courses one call works through, and how many enrolments.
const AT_ONCE: i64 = 100;
/// How many answers one look finds.
const ANSWERS: i64 = 100;
/// How many courses are told, and how many enrolments.
const MOST_TOLD: i64 = 1000;

impl Courses {
    /// Takes a person out of everything, as far as one call goes.
    ///
    /// # Errors
    /// [`Error::Fields`], [`Error::HeirRequired`], [`Error::HeirErased`]. What was done stays done.
    pub async fn erase(&self, user_id: &str, heir: Option<Person>) -> Result<Erased, Error> {
        let user_id = user_id_of("user_id", user_id)?;
        if heir.as_ref().is_some_and(|heir| heir.id == user_id) {
            let same = FieldError::new("heir", "Nobody is their own heir");
            return Err(Error::Fields(vec![same]));
        }
        self.store.begin_erasure(user_id, self.clock.now()).await?;
        let courses = self.store.taught_by(user_id, None, AT_ONCE).await?;
        let enrollments = self.store.enrollment_ids(user_id, AT_ONCE).await?;
        let all = usize::try_from(AT_ONCE).unwrap_or(0);
        let is_complete = courses.len() < all && enrollments.len() < all;
        for enrollment in enrollments {
            self.store.forget_enrollment(enrollment).await?;
        }
        for course in courses {
            let left = self.store.leave(course, user_id, heir.as_ref(), self.clock.now());
            match left.await? {
                Left::Done => {}
                Left::HeirRequired => return Err(Error::HeirRequired),
                Left::HeirErased => return Err(Error::HeirErased),
            }
        }
        if is_complete {
            while self.store.forget_answers_about(user_id, ANSWERS).await? > 0 {}
            self.store.forget_person(user_id).await?;
        }
        Ok(Erased {
            is_complete,
            heirs: self.store.heirs(user_id).await?,
        })
    }

    /// Everything that is held about a person.
    ///
    /// # Errors
    /// [`Error::Fields`].
    pub async fn held(&self, user_id: &str) -> Result<Held, Error> {
        let user_id = user_id_of("user_id", user_id)?;
        Ok(self.store.held(user_id, MOST_TOLD).await?)
    }
}

/// Reads an id; which field it stands in is told when it is none.
pub(crate) fn user_id_of(field: &str, text: &str) -> Result<Uuid, Error> {
    user_id::parse(text).map_err(|bad| Error::Fields(vec![FieldError::new(field, bad.to_string())]))
}
