//! The profile fields of a message, parsed: all of a registration's, or those that a change names.

use proto::auth::v1 as pb;
use service_runtime::field::FieldError;

use crate::{
    domain::profile::ProfileChange,
    model::profile::{
        ColorMode, LONGEST_BIO, LONGEST_GREETING, LONGEST_NAME, Profile, parse_date, parse_text,
    },
};

/// The profile in a registration; absent fields have their defaults.
pub(crate) fn registered(request: &pb::RegisterRequest) -> Result<Profile, Vec<FieldError>> {
    let default = Profile::default();
    let greeting = request.user_greeting.as_deref().unwrap_or(&default.user_greeting);
    let mut faults = Vec::new();
    let mut note = |field: &str, message: String| faults.push(FieldError::new(field, message));
    let profile = Profile {
        first_name: name(&request.first_name)
            .unwrap_or_else(|bad| (note("first_name", bad), String::new()).1),
        last_name: name(&request.last_name).unwrap_or_else(|bad| (note("last_name", bad), String::new()).1),
        bio: bio(&request.bio).unwrap_or_else(|bad| (note("bio", bad), String::new()).1),
        user_greeting: self::greeting(greeting)
            .unwrap_or_else(|bad| (note("user_greeting", bad), String::new()).1),
        color_mode: color_mode(request.color_mode)
            .unwrap_or_else(|bad| (note("color_mode", bad), ColorMode::default()).1),
        dashboard_first_date: date(request.dashboard_first_date.as_deref())
            .unwrap_or_else(|bad| (note("dashboard_first_date", bad), None).1),
        dashboard_second_date: date(request.dashboard_second_date.as_deref())
            .unwrap_or_else(|bad| (note("dashboard_second_date", bad), None).1),
    };
    if faults.is_empty() {
        Ok(profile)
    } else {
        Err(faults)
    }
}

/// The fields that a profile and a user have in common, as a change of either brings them.
pub(crate) struct Source<'a> {
    pub(crate) first_name: &'a str,
    pub(crate) last_name: &'a str,
    pub(crate) bio: &'a str,
    pub(crate) user_greeting: &'a str,
    pub(crate) color_mode: i32,
    pub(crate) dashboard_first_date: Option<&'a str>,
    pub(crate) dashboard_second_date: Option<&'a str>,
}

macro_rules! source_from {
    ($message:ty) => {
        impl<'a> From<&'a $message> for Source<'a> {
            fn from(message: &'a $message) -> Self {
                Self {
                    first_name: &message.first_name,
                    last_name: &message.last_name,
                    bio: &message.bio,
                    user_greeting: &message.user_greeting,
                    color_mode: message.color_mode,
                    dashboard_first_date: message.dashboard_first_date.as_deref(),
                    dashboard_second_date: message.dashboard_second_date.as_deref(),
                }
            }
        }
    };
}

source_from!(pb::Profile);
source_from!(pb::User);

impl Source<'_> {
    /// Takes the field `path` over into a change; says whether it is one of the profile's.
    ///
    /// # Errors
    /// A sentence that says what is wrong with its value.
    pub(crate) fn set(&self, path: &str, change: &mut ProfileChange) -> Result<bool, String> {
        match path {
            "first_name" => change.first_name = Some(name(self.first_name)?),
            "last_name" => change.last_name = Some(name(self.last_name)?),
            "bio" => change.bio = Some(bio(self.bio)?),
            "user_greeting" => change.user_greeting = Some(greeting(self.user_greeting)?),
            "color_mode" => change.color_mode = Some(color_mode(self.color_mode)?),
            "dashboard_first_date" => change.dashboard_first_date = Some(date(self.dashboard_first_date)?),
            "dashboard_second_date" => change.dashboard_second_date = Some(date(self.dashboard_second_date)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn name(text: &str) -> Result<String, String> {
    parse_text(text, LONGEST_NAME, false)
}

fn bio(text: &str) -> Result<String, String> {
    parse_text(text, LONGEST_BIO, true)
}

fn greeting(text: &str) -> Result<String, String> {
    parse_text(text, LONGEST_GREETING, false)
}

fn date(text: Option<&str>) -> Result<Option<chrono::NaiveDate>, String> {
    text.map(parse_date).transpose()
}

fn color_mode(value: i32) -> Result<ColorMode, String> {
    match pb::ColorMode::try_from(value) {
        Ok(pb::ColorMode::Unspecified | pb::ColorMode::Light) => Ok(ColorMode::Light),
        Ok(pb::ColorMode::Dark) => Ok(ColorMode::Dark),
        Err(_) => Err("This field must be one of: light, dark.".to_owned()),
    }
}
