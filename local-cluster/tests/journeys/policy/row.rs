//! The table.

use proto::rest::Route;

use super::{caller::Caller, surface::Outcome};

/// Whom an RPC is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Anyone; nobody looks at their token.
    Anyone,
    /// Anyone; a token says what they see, so a bad one is refused.
    Visitor,
    /// Whoever is logged in.
    User,
    /// Staff.
    Staff,
    /// The instructors of the course.
    Instructor,
    /// Services.
    Service,
}

/// Who may make one call.
#[derive(Debug)]
pub struct Row {
    /// Its full name.
    pub rpc: &'static str,
    /// Whom it is for.
    pub who: Who,
    /// Fields of a request that gets as far as the question of rights: `$…` is what [`super::Callers`] knows.
    pub fields: &'static [(&'static str, &'static str)],
}

const fn row(rpc: &'static str, who: Who, fields: &'static [(&'static str, &'static str)]) -> Row {
    Row { rpc, who, fields }
}

const COURSE: &[(&str, &str)] = &[("slug", "$course")];

/// Who may call what.
pub const ROWS: &[Row] = &[
    row("onlineedu.auth.v1.AccountService.Register", Who::Anyone, &[]),
    row("onlineedu.auth.v1.AccountService.VerifyEmail", Who::Anyone, &[]),
    row(
        "onlineedu.auth.v1.AccountService.ResendVerification",
        Who::Anyone,
        &[],
    ),
    row(
        "onlineedu.auth.v1.AccountService.RequestPasswordReset",
        Who::Anyone,
        &[],
    ),
    row("onlineedu.auth.v1.AccountService.ResetPassword", Who::Anyone, &[]),
    row(
        "onlineedu.auth.v1.AccountService.ConfirmUsername",
        Who::Anyone,
        &[],
    ),
    row("onlineedu.auth.v1.AccountService.GetProfile", Who::User, &[]),
    row("onlineedu.auth.v1.AccountService.UpdateProfile", Who::User, &[]),
    row("onlineedu.auth.v1.AccountService.ChangePassword", Who::User, &[]),
    row("onlineedu.auth.v1.SessionService.Login", Who::Anyone, &[]),
    row("onlineedu.auth.v1.SessionService.Refresh", Who::Anyone, &[]),
    row("onlineedu.auth.v1.SessionService.Logout", Who::Anyone, &[]),
    row("onlineedu.auth.v1.SessionService.LogoutAll", Who::User, &[]),
    row("onlineedu.auth.v1.SessionService.ListSessions", Who::User, &[]),
    row(
        "onlineedu.auth.v1.SessionService.RevokeSession",
        Who::User,
        &[("id", "$user")],
    ),
    row("onlineedu.auth.v1.UserService.ListUsers", Who::Staff, &[]),
    row(
        "onlineedu.auth.v1.UserService.GetUser",
        Who::Staff,
        &[("id", "$user")],
    ),
    row(
        "onlineedu.auth.v1.UserService.UpdateUser",
        Who::Staff,
        &[("id", "$user")],
    ),
    row("onlineedu.auth.v1.TokenService.GetJwks", Who::Anyone, &[]),
    row(
        "onlineedu.auth.v1.TokenService.Authorize",
        Who::Service,
        &[("access_token", "$access")],
    ),
    row("onlineedu.auth.v1.TokenService.BatchGetUsers", Who::Service, &[]),
    row(
        "onlineedu.auth.v1.TokenService.WatchSecurityState",
        Who::Service,
        &[],
    ),
    row("onlineedu.course.v1.CourseService.ListCourses", Who::Visitor, &[]),
    row(
        "onlineedu.course.v1.CourseService.GetCourse",
        Who::Visitor,
        COURSE,
    ),
    row("onlineedu.course.v1.CourseService.CreateCourse", Who::Staff, &[]),
    row(
        "onlineedu.course.v1.CourseService.UpdateCourse",
        Who::Instructor,
        COURSE,
    ),
    row(
        "onlineedu.course.v1.CourseService.ListInstructors",
        Who::Visitor,
        COURSE,
    ),
    row(
        "onlineedu.course.v1.CourseService.AddInstructor",
        Who::Instructor,
        COURSE,
    ),
    row(
        "onlineedu.course.v1.CourseService.RemoveInstructor",
        Who::Instructor,
        &[("slug", "$course"), ("user_id", "$user")],
    ),
];

impl Row {
    /// The route over REST, if there is one.
    pub fn route(&self) -> Option<&'static Route> {
        let (service, method) = self.rpc.rsplit_once('.').unwrap();
        let path = format!("/{service}/{method}");
        gateway::transcode::table()
            .into_iter()
            .find(|route| route.rpc == path)
    }
}

impl Who {
    /// What a caller is answered.
    pub fn answer(self, caller: Caller) -> Outcome {
        let rank = match caller {
            Caller::BadToken(_) => {
                return match self {
                    Self::Anyone => Outcome::Served,
                    Self::Service => Outcome::Denied,
                    _ => Outcome::Unknown,
                };
            }
            Caller::Nobody | Caller::Service | Caller::WrongService => 0,
            Caller::User => 1,
            Caller::Staff => 2,
            Caller::Instructor => 3,
        };
        let needed = match self {
            Self::Anyone | Self::Visitor => 0,
            Self::User => 1,
            Self::Staff => 2,
            Self::Instructor => 3,
            Self::Service if caller == Caller::Service => return Outcome::Served,
            Self::Service => return Outcome::Denied,
        };
        match rank {
            _ if rank >= needed => Outcome::Served,
            0 => Outcome::Unknown,
            _ => Outcome::Denied,
        }
    }
}
