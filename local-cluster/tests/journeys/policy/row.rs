//! The table.

use proto::{
    access::{Audience, audience},
    rest::Route,
};

use super::{caller::Caller, surface::Outcome};

/// Who may make one call.
#[derive(Debug)]
pub struct Row {
    /// Its full name.
    pub rpc: &'static str,
    /// Whom it is for.
    pub who: Audience,
    /// Fields of a request that gets as far as the question of rights: `$…` is what [`super::Callers`] knows.
    pub fields: &'static [(&'static str, &'static str)],
}

const fn row(rpc: &'static str, who: Audience, fields: &'static [(&'static str, &'static str)]) -> Row {
    Row { rpc, who, fields }
}

const COURSE: &[(&str, &str)] = &[("slug", "$course")];

/// Who may call what.
pub const ROWS: &[Row] = &[
    row("onlineedu.auth.v1.AccountService.Register", Audience::Anyone, &[]),
    row(
        "onlineedu.auth.v1.AccountService.VerifyEmail",
        Audience::Anyone,
        &[],
    ),
    row(
        "onlineedu.auth.v1.AccountService.ResendVerification",
        Audience::Anyone,
        &[],
    ),
    row(
        "onlineedu.auth.v1.AccountService.RequestPasswordReset",
        Audience::Anyone,
        &[],
    ),
    row(
        "onlineedu.auth.v1.AccountService.ResetPassword",
        Audience::Anyone,
        &[],
    ),
    row(
        "onlineedu.auth.v1.AccountService.ConfirmUsername",
        Audience::Anyone,
        &[],
    ),
    row("onlineedu.auth.v1.AccountService.GetProfile", Audience::User, &[]),
    row(
        "onlineedu.auth.v1.AccountService.UpdateProfile",
        Audience::User,
        &[],
    ),
    row(
        "onlineedu.auth.v1.AccountService.ChangePassword",
        Audience::User,
        &[],
    ),
    row("onlineedu.auth.v1.AccountService.Export", Audience::User, &[]),
    row(
        "onlineedu.auth.v1.AccountService.DeleteAccount",
        Audience::User,
        &[],
    ),
    row("onlineedu.auth.v1.SessionService.Login", Audience::Anyone, &[]),
    row("onlineedu.auth.v1.SessionService.Refresh", Audience::Anyone, &[]),
    row("onlineedu.auth.v1.SessionService.Logout", Audience::Anyone, &[]),
    row("onlineedu.auth.v1.SessionService.LogoutAll", Audience::User, &[]),
    row(
        "onlineedu.auth.v1.SessionService.ListSessions",
        Audience::User,
        &[],
    ),
    row(
        "onlineedu.auth.v1.SessionService.RevokeSession",
        Audience::User,
        &[("id", "$user")],
    ),
    row("onlineedu.auth.v1.UserService.ListUsers", Audience::Staff, &[]),
    row(
        "onlineedu.auth.v1.UserService.GetUser",
        Audience::Staff,
        &[("id", "$user")],
    ),
    row(
        "onlineedu.auth.v1.UserService.UpdateUser",
        Audience::Staff,
        &[("id", "$user")],
    ),
    row("onlineedu.auth.v1.TokenService.GetJwks", Audience::Anyone, &[]),
    row(
        "onlineedu.auth.v1.TokenService.Authorize",
        Audience::Service,
        &[("access_token", "$access")],
    ),
    row(
        "onlineedu.auth.v1.TokenService.BatchGetUsers",
        Audience::Service,
        &[],
    ),
    row(
        "onlineedu.auth.v1.TokenService.WatchSecurityState",
        Audience::Service,
        &[],
    ),
    row(
        "onlineedu.course.v1.CourseService.ListCourses",
        Audience::Visitor,
        &[],
    ),
    row(
        "onlineedu.course.v1.CourseService.GetCourse",
        Audience::Visitor,
        COURSE,
    ),
    row(
        "onlineedu.course.v1.CourseService.CreateCourse",
        Audience::Staff,
        &[],
    ),
    row(
        "onlineedu.course.v1.CourseService.UpdateCourse",
        Audience::Instructor,
        COURSE,
    ),
    row(
        "onlineedu.course.v1.CourseService.ListInstructors",
        Audience::Visitor,
        COURSE,
    ),
    row(
        "onlineedu.course.v1.CourseService.AddInstructor",
        Audience::Instructor,
        COURSE,
    ),
    row(
        "onlineedu.course.v1.CourseService.RemoveInstructor",
        Audience::Instructor,
        &[("slug", "$course"), ("user_id", "$user")],
    ),
    row(
        "onlineedu.course.v1.PersonService.EraseUser",
        Audience::Service,
        &[],
    ),
    row(
        "onlineedu.course.v1.PersonService.ExportUser",
        Audience::Service,
        &[],
    ),
];

impl Row {
    /// Whom the contract says it is for.
    pub fn contract(&self) -> Option<Audience> {
        audience(&self.path())
    }

    /// The gRPC path.
    fn path(&self) -> String {
        let (service, method) = self.rpc.rsplit_once('.').unwrap();
        format!("/{service}/{method}")
    }

    /// The route over REST, if there is one.
    pub fn route(&self) -> Option<&'static Route> {
        let path = self.path();
        gateway::transcode::table()
            .into_iter()
            .find(|route| route.rpc == path)
    }
}

/// What a caller of this kind is answered where it is for this audience.
pub fn answer(who: Audience, caller: Caller) -> Outcome {
    let rank = match caller {
        Caller::BadToken(_) => {
            return match who {
                Audience::Anyone => Outcome::Served,
                Audience::Service => Outcome::Denied,
                _ => Outcome::Unknown,
            };
        }
        Caller::Nobody | Caller::Service | Caller::WrongService => 0,
        Caller::User => 1,
        Caller::Staff => 2,
        Caller::Instructor => 3,
    };
    let needed = match who {
        Audience::Anyone | Audience::Visitor => 0,
        Audience::User => 1,
        Audience::Staff => 2,
        Audience::Instructor => 3,
        Audience::Service if caller == Caller::Service => return Outcome::Served,
        Audience::Service | Audience::Unspecified => return Outcome::Denied,
    };
    match rank {
        _ if rank >= needed => Outcome::Served,
        0 => Outcome::Unknown,
        _ => Outcome::Denied,
    }
}
