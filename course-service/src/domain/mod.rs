//! The rules: who may do what with a course, and what comes of it. No transport, no SQL.

mod call;
mod course;
pub mod deletion;
pub mod draft;
mod enrollment;
mod error;
mod instructor;
mod listing;
pub mod names;
mod once;
mod page;
pub mod patch;
mod person;
pub mod pricing;
pub mod retention;

use auth_client::authorize::AuthClient;
use service_runtime::{clock::Clock, entropy::Entropy, page_token::PageTokens};

use crate::{model::currency::Currency, store::Store};

pub use call::Call;
pub use enrollment::{EnrollmentsPage, Named};
pub use error::Error;
pub use instructor::InstructorsPage;
pub use listing::{CoursesPage, Query};
pub(crate) use person::user_id_of;

/// Everything that can be done with courses. Cheap to clone.
#[derive(Clone)]
pub struct Courses {
    /// Where courses are kept.
    pub store: Store,
    /// Who knows everybody by their ids.
    pub auth: AuthClient,
    /// When it is.
    pub clock: Clock,
    /// Where ids come from.
    pub entropy: Entropy,
    /// What makes and reads page tokens.
    pub page_tokens: PageTokens,
    /// The currency of new courses.
    pub currency: Currency,
}
