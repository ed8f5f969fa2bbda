//! One course: read, created, updated.

use auth_client::authorize::AuthError;
use service_runtime::field::FieldError;

use super::{
    Call, Courses, Error,
    draft::{Draft, NewCourse},
    instructor::still_teaches,
    once::once,
    patch::{Edit, Patch},
};
use crate::{
    model::{
        course::Course,
        instructor::{Instructor, Person},
        slug::Slug,
        state::State,
    },
    store::{Changed, Created},
};

impl Courses {
    /// The course of this slug.
    ///
    /// # Errors
    /// [`Error::CourseNotFound`], [`Error::SlugChanged`].
    pub async fn get(&self, call: &Call, slug: &str) -> Result<Course, Error> {
        self.visible(call, slug).await
    }

    /// Creates a course as a draft with the caller as its first instructor. The same `request_id` and input
    /// answer the same again.
    ///
    /// # Errors
    /// [`Error::Fields`], [`Error::TitleTaken`], [`Error::KeyReused`].
    pub async fn create(&self, call: &Call, typed: NewCourse, request_id: String) -> Result<Course, Error> {
        let caller = call.known()?;
        let once = once("CreateCourse", caller, request_id, &typed);
        let (draft, once) = match (Draft::parse(typed), once) {
            (Ok(draft), Ok(once)) => (draft, once),
            (draft, once) => {
                let mut faults = draft.err().unwrap_or_default();
                faults.extend(once.err());
                return Err(Error::Fields(faults));
            }
        };
        // Asked before anything is written; the token says who it is, not what they are called.
        let names = self.auth.users(&call.context, &[caller.user_id]).await?;
        let person = names
            .into_iter()
            .next()
            .map(Person::from)
            .ok_or(Error::Auth(AuthError::InvalidToken))?;
        let now = self.clock.now();
        let course = Course {
            id: self.entropy.new_id(now)?,
            slug: Slug::from_title(&draft.title),
            title: draft.title,
            subtitle: draft.subtitle,
            description: draft.description,
            price: draft.price,
            currency: self.currency.clone(),
            state: State::Draft,
            instructors: vec![Instructor { person, position: 1 }],
            student_count: 0,
            created_at: now,
            updated_at: now,
            deleted_at: None,
            revision: 1,
        };
        match self.store.create(course, once.as_ref(), now).await? {
            Created::Done(course) => Ok(*course),
            Created::TitleTaken => Err(Error::TitleTaken),
            Created::Erased => Err(Error::Auth(AuthError::InvalidToken)),
            Created::KeyReused => Err(Error::KeyReused),
        }
    }

    /// Changes the fields that were mentioned; with an `etag`, only if the course is still that version.
    ///
    /// # Errors
    /// [`Error::CourseNotFound`], [`Error::CourseHidden`], [`Error::SlugChanged`], [`Error::InstructorRequired`],
    /// [`Error::Fields`], [`Error::EtagMismatch`], [`Error::TitleTaken`], [`Error::SlugTaken`].
    pub async fn update(&self, call: &Call, slug: &str, edit: Edit, etag: &str) -> Result<Course, Error> {
        let (course, caller) = self.taught(call, slug, Error::InstructorRequired).await?;
        let patch = Patch::parse(edit, &course).map_err(Error::Fields)?;
        let rule = |course: &mut Course| {
            still_teaches(course, caller, Error::InstructorRequired)?;
            if !etag.is_empty() && !course.is_version(etag) {
                return Err(Error::EtagMismatch);
            }
            patch.apply(course).map_err(Error::Fields)
        };
        settled(self.store.change(course.id, None, self.clock.now(), rule).await?)
    }
}

/// What is wrong with a new instructor whom nobody knows.
pub(super) fn nobody() -> Error {
    Error::Fields(vec![FieldError::new("user_id", "There is no such user")])
}

/// The changed course, or why it was not changed.
pub(super) fn settled(changed: Changed<Error>) -> Result<Course, Error> {
    match changed {
        Changed::Done(course) => Ok(*course),
        Changed::Absent => Err(Error::CourseNotFound),
        Changed::Refused(error) => Err(error),
        Changed::TitleTaken => Err(Error::TitleTaken),
        Changed::SlugTaken => Err(Error::SlugTaken),
        Changed::Erased => Err(nobody()),
        Changed::KeyReused => Err(Error::KeyReused),
    }
}
