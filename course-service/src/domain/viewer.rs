//! Who calls, and what they see. Rights come from auth-service, never from the token: those of now for whoever changes
//! something, those of a moment ago for whoever reads. A caller whose rights cannot be learned is refused, not treated
//! as somebody with fewer.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use auth_client::{authorize::Caller, callers::Freshness};
use service_runtime::{grpc::context::RequestContext, secret::Secret};

use super::{Courses, Error};
use crate::model::{course::Course, slug::Slug, state::State};

/// A call, as far as it is the same for every method.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its id, deadline and trace.
    pub context: RequestContext,
    /// The access token, if one was sent.
    pub token: Option<Secret<String>>,
    /// Where it comes from.
    pub client: Option<IpAddr>,
    /// Who calls, once it is known.
    pub caller: OnceLock<Arc<Caller>>,
}

/// Who looks at courses.
#[derive(Debug, Clone)]
pub enum Viewer {
    /// Nobody in particular.
    Anonymous,
    /// Somebody known.
    User(Arc<Caller>),
}

impl Viewer {
    /// Whether they administer the site.
    pub fn is_staff(&self) -> bool {
        matches!(self, Self::User(caller) if caller.is_staff)
    }

    /// Whether they may know that the course is there.
    pub fn sees(&self, course: &Course) -> bool {
        self.is_staff() || course.state == State::Published
    }
}

impl Courses {
    /// Who looks at something. Without a token nobody is asked.
    pub(super) async fn viewer(&self, call: &Call) -> Result<Viewer, Error> {
        match &call.token {
            None => Ok(Viewer::Anonymous),
            Some(token) => Ok(Viewer::User(
                self.known(call, token, Freshness::Remembered).await?,
            )),
        }
    }

    /// Who wants to change something.
    pub(super) async fn caller(&self, call: &Call) -> Result<Arc<Caller>, Error> {
        let token = call.token.as_ref().ok_or(Error::NoToken)?;
        self.known(call, token, Freshness::Current).await
    }

    async fn known(
        &self,
        call: &Call,
        token: &Secret<String>,
        freshness: Freshness,
    ) -> Result<Arc<Caller>, Error> {
        let caller = self.callers.caller(&call.context, token.expose(), freshness);
        let caller = caller.await?;
        // Who it was found to be first is who it stays.
        let _known = call.caller.set(Arc::clone(&caller));
        Ok(caller)
    }

    /// The course of this slug, if the viewer may see it.
    pub(super) async fn visible(&self, viewer: &Viewer, slug: &str) -> Result<Course, Error> {
        let slug = Slug::parse(slug).map_err(|_| Error::CourseNotFound)?;
        let found = self.store.course(&slug).await?;
        let course = found
            .filter(|course| viewer.sees(course))
            .ok_or(Error::CourseNotFound)?;
        if course.slug == slug {
            Ok(course)
        } else {
            Err(Error::SlugChanged(course.slug))
        }
    }

    /// The course of this slug and its instructor who calls; `refusal` if they are none or no longer staff.
    pub(super) async fn taught(
        &self,
        call: &Call,
        slug: &str,
        refusal: Error,
    ) -> Result<(Course, Arc<Caller>), Error> {
        let viewer = Viewer::User(self.caller(call).await?);
        let course = self.visible(&viewer, slug).await?;
        match viewer {
            Viewer::User(caller) if caller.is_staff && course.instructor(caller.user_id).is_some() => {
                Ok((course, caller))
            }
            _ => Err(refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use service_runtime::grpc::context::KnownCaller;

    use super::*;

    #[test]
    fn a_call_that_is_written_down_shows_no_token() {
        let call = Call {
            context: RequestContext {
                request_id: "id-1".into(),
                method: "test".into(),
                deadline: Instant::now(),
                traceparent: None,
                peer: None,
                caller: KnownCaller::default(),
            },
            token: Some(Secret::new("a.b.c".to_owned())),
            client: None,
            caller: OnceLock::new(),
        };
        assert!(!format!("{call:?}").contains("a.b.c"));
    }
}
