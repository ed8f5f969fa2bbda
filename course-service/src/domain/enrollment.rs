//! Who studies a course: everybody for themself, at once where it costs nothing, else once a payment is confirmed.

use auth_client::authorize::AuthError;
use uuid::Uuid;

use super::{Call, Courses, Error, once::once};
use crate::{
    model::{
        enrollment::{Cursor, Enrollment, EnrollmentState, IsNew},
        field::noted,
        payment::PaymentReference,
        state::State,
        user_id,
    },
    store::{Confirmed, Enrolled},
};

/// An enrolment with the address of its student, which auth-service alone knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The enrolment.
    pub enrollment: Enrollment,
    /// The student's address.
    pub username: String,
}

/// One page of enrolments.
#[derive(Debug, Clone)]
pub struct EnrollmentsPage {
    /// The enrolments of this page.
    pub enrollments: Vec<Named>,
    /// The token of the next page; empty on the last.
    pub next_page_token: String,
}

impl Courses {
    /// Enrols the caller in a published course, and says whether they were not enrolled before. The same `request_id`
    /// and input answer the same again.
    ///
    /// # Errors
    /// [`Error::CourseNotFound`], [`Error::SlugChanged`], [`Error::Fields`], [`Error::CourseNotOpen`],
    /// [`Error::KeyReused`]; [`Error::LostRace`] when the course was changed at the same moment.
    pub async fn enroll(&self, call: &Call, slug: &str, request_id: String) -> Result<(Named, IsNew), Error> {
        let caller = call.known()?;
        let course = self.visible(call, slug).await?;
        let once =
            once("Enroll", caller, request_id, &course.id).map_err(|fault| Error::Fields(vec![fault]))?;
        let now = self.clock.now();
        let id = self.entropy.new_id(now)?;
        let enrolled = self.store.enroll(id, &course, caller.user_id, once.as_ref(), now);
        match enrolled.await? {
            Enrolled::Done(enrollment, is_new) => {
                let enrollment = Named {
                    enrollment: *enrollment,
                    username: caller.username.clone(),
                };
                Ok((enrollment, is_new))
            }
            Enrolled::NotOpen if course.state == State::Published => Err(Error::LostRace),
            Enrolled::NotOpen => Err(Error::CourseNotOpen),
            Enrolled::Erased => Err(Error::Auth(AuthError::InvalidToken)),
            Enrolled::KeyReused => Err(Error::KeyReused),
        }
    }

    /// Cancels the caller's enrolment, also in a course that they would not see otherwise.
    ///
    /// # Errors
    /// [`Error::CourseNotFound`], [`Error::SlugChanged`], [`Error::EnrollmentNotFound`].
    pub async fn cancel_enrollment(&self, call: &Call, slug: &str) -> Result<(), Error> {
        let caller = call.known()?;
        let found = self.found(slug).await?;
        let (course_id, student_id) = (found.course.id, caller.user_id);
        let state = self.store.enrollment_state(course_id, student_id).await?;
        let is_enrolled = state.is_some_and(|state| state != EnrollmentState::Cancelled);
        if is_enrolled && found.course.deleted_at.is_none() {
            found.by_its_slug()?;
            if self.store.cancel(course_id, student_id, self.clock.now()).await? {
                return Ok(());
            }
        }
        self.visible(call, slug).await?;
        Err(Error::EnrollmentNotFound)
    }

    /// Makes a student's pending enrolment active, for a payment with this reference. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`Error::CourseNotFound`], [`Error::CourseHidden`], [`Error::SlugChanged`], [`Error::StaffRequiredToConfirm`],
    /// [`Error::Fields`], [`Error::EnrollmentNotFound`], [`Error::EnrollmentNotPending`], [`Error::PaymentReferenceUsed`].
    pub async fn confirm_enrollment(
        &self,
        call: &Call,
        slug: &str,
        user_id: &str,
        reference: &str,
    ) -> Result<Named, Error> {
        let course = self
            .administered(call, slug, Error::StaffRequiredToConfirm)
            .await?;
        let mut faults = Vec::new();
        let user_id = noted(&mut faults, "user_id", user_id::parse(user_id));
        let reference = noted(
            &mut faults,
            "payment_reference",
            PaymentReference::parse(reference),
        );
        let (Some(user_id), Some(reference)) = (user_id, reference) else {
            return Err(Error::Fields(faults));
        };
        // Asked before anything is written.
        let found = self.auth.users(&call.context, &[user_id]).await?;
        let student = found.into_iter().find(|user| user.id == user_id);
        let student = student.ok_or(Error::EnrollmentNotFound)?;
        let confirmed = self
            .store
            .confirm(course.id, user_id, &reference, self.clock.now());
        match confirmed.await? {
            Confirmed::Done(enrollment) => Ok(Named {
                enrollment: *enrollment,
                username: student.username,
            }),
            Confirmed::Absent => Err(Error::EnrollmentNotFound),
            Confirmed::NotPending => Err(Error::EnrollmentNotPending),
            Confirmed::ReferenceUsed => Err(Error::PaymentReferenceUsed),
        }
    }

    /// A page of the enrolments in a course. Who was erased a moment ago is not in it.
    ///
    /// # Errors
    /// [`Error::CourseNotFound`], [`Error::CourseHidden`], [`Error::SlugChanged`], [`Error::StaffRequiredForStudents`],
    /// [`Error::Fields`].
    pub async fn students(
        &self,
        call: &Call,
        slug: &str,
        size: i32,
        page_token: &str,
    ) -> Result<EnrollmentsPage, Error> {
        let course = self
            .administered(call, slug, Error::StaffRequiredForStudents)
            .await?;
        let scope = ("students", course.id);
        let (size, after) = self.asked_page(&scope, size, page_token)?;
        let mut enrollments = self.store.students(course.id, after, size + 1).await?;
        let next_page_token = self.cut_page(&scope, &mut enrollments, size, cursor);
        let ids: Vec<Uuid> = enrollments.iter().map(|one| one.student_id).collect();
        let mut users = match ids.is_empty() {
            true => Vec::new(),
            false => self.auth.users(&call.context, &ids).await?,
        };
        let named = enrollments.into_iter().filter_map(|enrollment| {
            let place = users.iter().position(|user| user.id == enrollment.student_id)?;
            let username = users.swap_remove(place).username;
            Some(Named { enrollment, username })
        });
        Ok(EnrollmentsPage {
            enrollments: named.collect(),
            next_page_token,
        })
    }

    /// A page of the caller's enrolments.
    ///
    /// # Errors
    /// [`Error::Fields`].
    pub async fn own_enrollments(
        &self,
        call: &Call,
        size: i32,
        page_token: &str,
    ) -> Result<EnrollmentsPage, Error> {
        let caller = call.known()?;
        let scope = ("enrollments", caller.user_id);
        let (size, after) = self.asked_page(&scope, size, page_token)?;
        let mut enrollments = self.store.enrollments_of(caller.user_id, after, size + 1).await?;
        let next_page_token = self.cut_page(&scope, &mut enrollments, size, cursor);
        let named = enrollments.into_iter().map(|enrollment| Named {
            enrollment,
            username: caller.username.clone(),
        });
        Ok(EnrollmentsPage {
            enrollments: named.collect(),
            next_page_token,
        })
    }
}

/// The place of an enrolment in a list.
fn cursor(enrollment: &Enrollment) -> Cursor {
    (enrollment.enrolled_at, enrollment.id)
}
