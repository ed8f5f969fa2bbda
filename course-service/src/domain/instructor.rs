//! Who teaches a course: the first instructor first, never nobody, only staff.

use auth_client::authorize::Caller;
use uuid::Uuid;

use super::{
    Call, Courses, Error,
    course::{nobody, settled},
    once::once,
};
use crate::model::{
    course::Course,
    field::noted,
    instructor::{Instructor, Person},
    user_id,
};

/// One page of instructors.
#[derive(Debug, Clone)]
pub struct InstructorsPage {
    /// The instructors of this page.
    pub instructors: Vec<Instructor>,
    /// The token of the next page; empty on the last.
    pub next_page_token: String,
}

/// Asks once more, of the course as it is now that nobody else can change it.
pub(super) fn still_teaches(course: &Course, caller: &Caller, refusal: Error) -> Result<(), Error> {
    if course.deleted_at.is_some() {
        Err(Error::CourseNotFound)
    } else if course.instructor(caller.user_id).is_none() {
        Err(refusal)
    } else {
        Ok(())
    }
}

impl Courses {
    /// A page of the instructors of a course.
    ///
    /// # Errors
    /// [`Error::CourseNotFound`], [`Error::SlugChanged`], [`Error::Fields`].
    pub async fn instructors(
        &self,
        call: &Call,
        slug: &str,
        size: i32,
        page_token: &str,
    ) -> Result<InstructorsPage, Error> {
        let course = self.get(call, slug).await?;
        let scope = ("instructors", course.id);
        let (size, after) = self.asked_page(&scope, size, page_token)?;
        let after: i64 = after.unwrap_or(0);
        let mut instructors = course.instructors;
        instructors.retain(|instructor| instructor.position > after);
        let next_page_token = self.cut_page(&scope, &mut instructors, size, |last| last.position);
        Ok(InstructorsPage {
            instructors,
            next_page_token,
        })
    }

    /// Makes a user an instructor; one who is there already stays as they are. The same `request_id` and
    /// input answer the same again.
    ///
    /// # Errors
    /// [`Error::CourseNotFound`], [`Error::CourseHidden`], [`Error::SlugChanged`],
    /// [`Error::InstructorRequiredForInstructors`], [`Error::Fields`], [`Error::InstructorNotStaff`],
    /// [`Error::TooManyInstructors`], [`Error::KeyReused`]; [`Error::LostRace`] when the user stopped teaching
    /// the course meanwhile.
    pub async fn add_instructor(
        &self,
        call: &Call,
        slug: &str,
        user_id: &str,
        request_id: String,
    ) -> Result<Instructor, Error> {
        let refusal = Error::InstructorRequiredForInstructors;
        let (course, caller) = self.taught(call, slug, refusal).await?;
        let mut faults = Vec::new();
        let user = noted(&mut faults, "user_id", user_id::parse(user_id));
        let once = once("AddInstructor", caller, request_id, &(course.id, user));
        let (Some(user_id), Ok(once)) = (user, &once) else {
            faults.extend(once.err());
            return Err(Error::Fields(faults));
        };
        let newcomer = match course.instructor(user_id) {
            Some(_) => None,
            None => Some(self.future_instructor(call, user_id).await?),
        };
        let rule = |course: &mut Course| {
            still_teaches(course, caller, Error::InstructorRequiredForInstructors)?;
            if course.instructor(user_id).is_some() {
                return Ok(());
            }
            // They left since nobody had to ask about them: whether they may teach is not known.
            let person = newcomer.ok_or(Error::LostRace)?;
            if course.instructors.len() >= Course::MOST_INSTRUCTORS {
                return Err(Error::TooManyInstructors);
            }
            course.add_instructor(person);
            Ok(())
        };
        let changed = self
            .store
            .change(course.id, once.as_ref(), self.clock.now(), rule)
            .await?;
        let course = settled(changed)?;
        course.instructor(user_id).cloned().ok_or(Error::LostRace)
    }

    /// Ends that a user is an instructor.
    ///
    /// # Errors
    /// [`Error::CourseNotFound`], [`Error::CourseHidden`], [`Error::SlugChanged`],
    /// [`Error::InstructorRequiredForInstructors`], [`Error::InstructorNotFound`], [`Error::LastInstructor`].
    pub async fn remove_instructor(&self, call: &Call, slug: &str, user_id: &str) -> Result<(), Error> {
        let refusal = Error::InstructorRequiredForInstructors;
        let (course, caller) = self.taught(call, slug, refusal).await?;
        let user_id = user_id::parse(user_id).map_err(|_| Error::InstructorNotFound)?;
        let rule = |course: &mut Course| {
            still_teaches(course, caller, Error::InstructorRequiredForInstructors)?;
            if course.instructor(user_id).is_none() {
                return Err(Error::InstructorNotFound);
            }
            if course.instructors.len() == 1 {
                return Err(Error::LastInstructor);
            }
            course
                .instructors
                .retain(|instructor| instructor.person.id != user_id);
            Ok(())
        };
        settled(self.store.change(course.id, None, self.clock.now(), rule).await?).map(|_| ())
    }

    /// The names of a user who may teach.
    async fn future_instructor(&self, call: &Call, user_id: Uuid) -> Result<Person, Error> {
        let found = self.auth.users(&call.context, &[user_id]).await?;
        match found.into_iter().find(|user| user.id == user_id) {
            None => Err(nobody()),
            Some(user) if user.is_active && user.is_staff => Ok(user.into()),
            Some(_) => Err(Error::InstructorNotStaff),
        }
    }
}
