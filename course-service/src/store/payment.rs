//! Payments that were confirmed: a reference is one row, for ever, so that it pays once.

use chrono::{DateTime, Utc};
use service_runtime::{database::BeginWrite, on};
use uuid::Uuid;

use super::{
    Error, Store,
    enrollment::{Enrolling, EnrollmentRow, enrollments},
};
use crate::model::{
    enrollment::{Enrollment, EnrollmentState},
    payment::PaymentReference,
};

/// What confirming a payment came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// The enrolment is active, and this payment is for it, maybe since an earlier call.
    Done(Box<Enrollment>),
    /// The person is not enrolled, or no longer.
    Absent,
    /// It is active, and this payment was never for it.
    NotPending,
    /// The reference paid for something before.
    ReferenceUsed,
}

impl Store {
    /// Makes a pending enrolment active by a payment, whose reference pays for nothing else from then on.
    ///
    /// # Errors
    /// When the database does not answer; nothing is written then.
    pub async fn confirm(
        &self,
        course_id: Uuid,
        student_id: Uuid,
        reference: &PaymentReference,
        now: DateTime<Utc>,
    ) -> Result<Confirmed, Error> {
        on!(&self.writes, |pool| {
            let mut tx = pool.begin_write().await?;
            let Some(found) = tx.find_locked(course_id, student_id).await? else {
                return Ok(Confirmed::Absent);
            };
            match found.state {
                EnrollmentState::Cancelled => return Ok(Confirmed::Absent),
                EnrollmentState::Active => {
                    let paid: Option<String> = sqlx::query_scalar(
                        "SELECT reference FROM payments WHERE reference = $1 AND enrollment_id = $2",
                    )
                    .bind(reference.as_str())
                    .bind(found.id)
                    .fetch_optional(&mut *tx)
                    .await?;
                    if paid.is_none() {
                        return Ok(Confirmed::NotPending);
                    }
                }
                EnrollmentState::Pending => {
                    let paid = sqlx::query(
                        "INSERT INTO payments (reference, enrollment_id, confirmed_at) VALUES ($1, $2, $3) \
                         ON CONFLICT (reference) DO NOTHING",
                    )
                    .bind(reference.as_str())
                    .bind(found.id)
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
                    if paid.rows_affected() == 0 {
                        return Ok(Confirmed::ReferenceUsed);
                    }
                    tx.move_to(&found, EnrollmentState::Active, now).await?;
                }
            }
            let row: EnrollmentRow = sqlx::query_as(enrollments!("WHERE e.id = $1"))
                .bind(found.id)
                .fetch_one(&mut *tx)
                .await?;
            let enrollment = Enrollment::try_from(row)?;
            tx.commit().await?;
            Ok(Confirmed::Done(Box::new(enrollment)))
        })
    }
}
