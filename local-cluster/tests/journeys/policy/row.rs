//! The table.

use proto::{
    access::{Policy, policy},
    rest::Route,
};

use super::{
    caller::{Caller, PROOFS, ROLES},
    surface::Outcome,
};

/// Who may make one call.
#[derive(Debug)]
pub struct Row {
    /// Its full name, without `onlineedu.`.
    pub rpc: &'static str,
    /// What becomes of it: `S`erved, `U`nknown (401), `H`idden (404), `D`enied (403), or a second `F`actor that is asked
    /// for (401). One letter for nobody; three for each of a user, one who is enrolled in another course, a student of
    /// this one, staff, an instructor of another course, and an instructor of this one: without a second factor, with one
    /// that was used long ago, with one that was used just now; and one for a service.
    pub answers: &'static str,
    /// Fields of a request that gets as far as the question of rights: `$…` is what [`super::Callers`] knows.
    pub fields: &'static [(&'static str, &'static str)],
    /// Whether the call may cost its caller what it is made with: the account, the second factor, the course.
    pub costs: bool,
}

const fn row(
    rpc: &'static str,
    answers: &'static str,
    fields: &'static [(&'static str, &'static str)],
) -> Row {
    Row {
        rpc,
        answers,
        fields,
        costs: false,
    }
}

/// A call that may cost its caller the account, the second factor or the course.
const fn costly(
    rpc: &'static str,
    answers: &'static str,
    fields: &'static [(&'static str, &'static str)],
) -> Row {
    Row {
        costs: true,
        ..row(rpc, answers, fields)
    }
}

const COURSE: &[(&str, &str)] = &[("slug", "$course")];
const ARCHIVED: &[(&str, &str)] = &[("slug", "$archived")];
const PERSON: &[(&str, &str)] = &[("slug", "$course"), ("user_id", "$user")];
const ARCHIVED_PERSON: &[(&str, &str)] = &[("slug", "$archived"), ("user_id", "$user")];
const USER: &[(&str, &str)] = &[("id", "$user")];
const TOKEN: &[(&str, &str)] = &[("access_token", "$access")];

/// Who may call what.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    //       nobody | user | enrolled elsewhere | student | staff | instructor elsewhere | instructor | service
    row("auth.v1.AccountService.Register",                 "S SSS SSS SSS SSS SSS SSS S", &[]),
    row("auth.v1.AccountService.VerifyEmail",              "S SSS SSS SSS SSS SSS SSS S", &[]),
    row("auth.v1.AccountService.ResendVerification",       "S SSS SSS SSS SSS SSS SSS S", &[]),
    row("auth.v1.AccountService.RequestPasswordReset",     "S SSS SSS SSS SSS SSS SSS S", &[]),
    row("auth.v1.AccountService.ResetPassword",            "S SSS SSS SSS SSS SSS SSS S", &[]),
    row("auth.v1.AccountService.ConfirmUsername",          "S SSS SSS SSS SSS SSS SSS S", &[]),
    row("auth.v1.AccountService.GetProfile",               "U SSS SSS SSS SSS SSS SSS U", &[]),
    row("auth.v1.AccountService.UpdateProfile",            "U SSS SSS SSS SSS SSS SSS U", &[]),
    row("auth.v1.AccountService.ChangePassword",           "U SSS SSS SSS SSS SSS SSS U", &[]),
    row("auth.v1.AccountService.Export",                   "U SSS SSS SSS SSS SSS SSS U", &[]),
    costly("auth.v1.AccountService.DeleteAccount",         "U SFS SFS SFS SFS SFS SFS U", &[]),
    costly("auth.v1.FactorService.StartTotp",              "U SSS SSS SSS SSS SSS SSS U", &[]),
    row("auth.v1.FactorService.ConfirmTotp",               "U SSS SSS SSS SSS SSS SSS U", &[]),
    costly("auth.v1.FactorService.RemoveTotp",             "U SFS SFS SFS SFS SFS SFS U", &[]),
    row("auth.v1.FactorService.RenewRecoveryCodes",        "U SFS SFS SFS SFS SFS SFS U", &[]),
    row("auth.v1.SessionService.Login",                    "S SSS SSS SSS SSS SSS SSS S", &[]),
    row("auth.v1.SessionService.Refresh",                  "S SSS SSS SSS SSS SSS SSS S", &[]),
    row("auth.v1.SessionService.Logout",                   "S SSS SSS SSS SSS SSS SSS S", &[]),
    row("auth.v1.SessionService.LogoutAll",                "U SSS SSS SSS SSS SSS SSS U", &[]),
    row("auth.v1.SessionService.ListSessions",             "U SSS SSS SSS SSS SSS SSS U", &[]),
    row("auth.v1.SessionService.RevokeSession",            "U SSS SSS SSS SSS SSS SSS U", USER),
    row("auth.v1.SessionService.StepUp",                   "U SSS SSS SSS SSS SSS SSS U", &[]),
    row("auth.v1.UserService.ListUsers",                   "U DDD DDD DDD SSS SSS SSS U", &[]),
    row("auth.v1.UserService.GetUser",                     "U DDD DDD DDD SSS SSS SSS U", USER),
    row("auth.v1.UserService.UpdateUser",                  "U DDD DDD DDD SSS SSS SSS U", USER),
    row("auth.v1.UserService.ListSecurityEvents",          "U DDD DDD DDD SSS SSS SSS U", &[]),
    row("auth.v1.TokenService.GetJwks",                    "S SSS SSS SSS SSS SSS SSS S", &[]),
    row("auth.v1.TokenService.Authorize",                  "D DDD DDD DDD DDD DDD DDD S", TOKEN),
    row("auth.v1.TokenService.BatchGetUsers",              "D DDD DDD DDD DDD DDD DDD S", &[]),
    row("auth.v1.TokenService.WatchSecurityState",         "D DDD DDD DDD DDD DDD DDD S", &[]),
    row("auth.v1.TokenService.RecordSecurityEvent",        "D DDD DDD DDD DDD DDD DDD S", &[]),
    row("course.v1.CourseService.ListCourses",             "S SSS SSS SSS SSS SSS SSS S", &[]),
    row("course.v1.CourseService.GetCourse",               "S SSS SSS SSS SSS SSS SSS S", COURSE),
    row("course.v1.CourseService.CreateCourse",            "U DDD DDD DDD SSS SSS SSS U", &[]),
    row("course.v1.CourseService.UpdateCourse",            "U DDD DDD DDD DDD DDD SSS U", COURSE),
    row("course.v1.CourseService.DeleteCourse",            "U DDD DDD DDD DDD DDD FFS U", COURSE),
    row("course.v1.CourseService.UndeleteCourse",          "U DDD DDD DDD DDD DDD FFS U", COURSE),
    row("course.v1.CourseService.ListInstructors",         "S SSS SSS SSS SSS SSS SSS S", COURSE),
    row("course.v1.CourseService.AddInstructor",           "U DDD DDD DDD DDD DDD SSS U", COURSE),
    row("course.v1.CourseService.RemoveInstructor",        "U DDD DDD DDD DDD DDD SSS U", PERSON),
    row("course.v1.EnrollmentService.Enroll",              "U SSS SSS SSS SSS SSS SSS U", COURSE),
    row("course.v1.EnrollmentService.ConfirmEnrollment",   "U DDD DDD DDD SSS SSS SSS U", PERSON),
    row("course.v1.EnrollmentService.ListStudents",        "U DDD DDD DDD SSS SSS SSS U", COURSE),
    row("course.v1.EnrollmentService.ListEnrollments",     "U SSS SSS SSS SSS SSS SSS U", &[]),
    row("course.v1.EnrollmentService.CancelEnrollment",    "U SSS SSS SSS SSS SSS SSS U", COURSE),
    row("course.v1.PersonService.EraseUser",               "D DDD DDD DDD DDD DDD DDD S", &[]),
    row("course.v1.PersonService.ExportUser",              "D DDD DDD DDD DDD DDD DDD S", &[]),
    // An archived course is there for its students and for staff.
    row("course.v1.CourseService.GetCourse",               "H HHH HHH SSS SSS SSS SSS H", ARCHIVED),
    row("course.v1.CourseService.UpdateCourse",            "U HHH HHH DDD DDD DDD SSS U", ARCHIVED),
    row("course.v1.CourseService.DeleteCourse",            "U HHH HHH DDD DDD DDD FFS U", ARCHIVED),
    row("course.v1.CourseService.UndeleteCourse",          "U HHH HHH DDD DDD DDD FFS U", ARCHIVED),
    row("course.v1.CourseService.ListInstructors",         "H HHH HHH SSS SSS SSS SSS H", ARCHIVED),
    row("course.v1.CourseService.AddInstructor",           "U HHH HHH DDD DDD DDD SSS U", ARCHIVED),
    row("course.v1.CourseService.RemoveInstructor",        "U HHH HHH DDD DDD DDD SSS U", ARCHIVED_PERSON),
    row("course.v1.EnrollmentService.Enroll",              "U HHH HHH SSS SSS SSS SSS U", ARCHIVED),
    row("course.v1.EnrollmentService.ConfirmEnrollment",   "U HHH HHH DDD SSS SSS SSS U", ARCHIVED_PERSON),
    row("course.v1.EnrollmentService.ListStudents",        "U HHH HHH DDD SSS SSS SSS U", ARCHIVED),
    costly("course.v1.EnrollmentService.CancelEnrollment", "U HHH HHH SSS SSS SSS SSS U", ARCHIVED),
];

impl Row {
    /// What the contract says of its callers.
    pub fn contract(&self) -> Policy {
        policy(&self.path()).unwrap_or_else(|| panic!("{} is not of the contract", self.rpc))
    }

    /// The gRPC path.
    fn path(&self) -> String {
        let (service, method) = self.rpc.rsplit_once('.').unwrap();
        format!("/onlineedu.{service}/{method}")
    }

    /// The route over REST, if there is one.
    pub fn route(&self) -> Option<&'static Route> {
        let path = self.path();
        gateway::transcode::table()
            .into_iter()
            .find(|route| route.rpc == path)
    }

    /// What a caller of this kind is answered.
    pub fn answer(&self, caller: Caller) -> Outcome {
        let letters: Vec<char> = self.answers.chars().filter(|letter| *letter != ' ').collect();
        assert_eq!(letters.len(), 2 + ROLES.len() * PROOFS.len(), "{}", self.rpc);
        let nobody = letters[0];
        let letter = match caller {
            Caller::Nobody | Caller::WrongService => nobody,
            // A bad token is worse than none: whoever looks at it refuses, visitors' methods too.
            Caller::BadToken(_) => match self.contract().audience {
                proto::access::Audience::Visitor => 'U',
                _ => nobody,
            },
            Caller::Service => letters[letters.len() - 1],
            Caller::Person(role, proof) => {
                let role = ROLES.iter().position(|one| *one == role).unwrap();
                let proof = PROOFS.iter().position(|one| *one == proof).unwrap();
                letters[1 + role * PROOFS.len() + proof]
            }
        };
        match letter {
            'S' => Outcome::Served,
            'U' => Outcome::Unknown,
            'H' => Outcome::Hidden,
            'D' => Outcome::Denied,
            'F' => Outcome::FactorNeeded,
            other => panic!("{}: {other:?} is no answer", self.rpc),
        }
    }
}
