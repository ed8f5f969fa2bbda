//! A change of some fields of a course: what was not mentioned stays, and price and state are settled against
//! the course as it is at that moment.

use service_runtime::field::FieldError;

use super::{
    draft::read_price,
    pricing::{self, Wish},
};
use crate::model::{
    course::Course, description::Description, field::noted, slug::Slug, state::Flags, subtitle::Subtitle,
    title::Title,
};

/// What the author typed; `None` is a field that was not mentioned.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// The title.
    pub title: Option<String>,
    /// The subtitle; blank removes it.
    pub subtitle: Option<String>,
    /// The slug.
    pub slug: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// The price as a decimal; blank for none.
    pub price: Option<String>,
    /// Whether it is to be free.
    pub is_free: Option<bool>,
    /// The flags.
    pub flags: Flags,
    /// What is wrong with the list of fields itself.
    pub faults: Vec<FieldError>,
}

/// A change that can be made to a course, if price and state allow it.
#[derive(Debug, Clone, Default)]
pub struct Patch {
    title: Option<Title>,
    subtitle: Option<Option<Subtitle>>,
    slug: Option<Slug>,
    description: Option<Description>,
    wish: Wish,
    flags: Flags,
}

impl Patch {
    /// Reads a change to this course, and what is wrong with it.
    ///
    /// # Errors
    /// Every field that cannot be used.
    pub fn parse(edit: Edit, course: &Course) -> Result<Self, Vec<FieldError>> {
        let mut faults = edit.faults;
        let mut patch = Self {
            title: edit
                .title
                .and_then(|title| noted(&mut faults, "title", Title::parse(&title))),
            subtitle: edit
                .subtitle
                .and_then(|subtitle| noted(&mut faults, "subtitle", Subtitle::parse(&subtitle))),
            slug: edit
                .slug
                .and_then(|slug| noted(&mut faults, "slug", parse_slug(&slug, course))),
            description: edit
                .description
                .and_then(|text| noted(&mut faults, "description", Description::parse(text))),
            wish: Wish {
                price: None,
                is_free: edit.is_free,
            },
            flags: edit.flags,
        };
        match edit.price.map(|price| read_price(&price)) {
            None => {}
            Some(Ok(price)) => patch.wish.price = Some(price),
            // One fault says enough: without the price nothing can be said about free.
            Some(Err(bad)) => {
                faults.push(FieldError::new("price", bad.to_string()));
                patch.wish = Wish::default();
            }
        }
        if let Err(more) = patch.apply(&mut course.clone()) {
            faults.extend(more);
        }
        if faults.is_empty() { Ok(patch) } else { Err(faults) }
    }

    /// Makes the change.
    ///
    /// # Errors
    /// What this course, being what it is, cannot become.
    pub fn apply(&self, course: &mut Course) -> Result<(), Vec<FieldError>> {
        let mut faults = Vec::new();
        if let Some(price) = noted(
            &mut faults,
            "price",
            pricing::settle(Some(course.price), self.wish),
        ) {
            course.price = price;
        }
        match course.state.asked(self.flags) {
            Ok(state) => course.state = state,
            Err(bad) => faults.extend(
                self.flags
                    .sent()
                    .map(|(name, _, _)| FieldError::new(name, bad.to_string())),
            ),
        }
        if let Some(title) = &self.title {
            course.title.clone_from(title);
        }
        if let Some(subtitle) = &self.subtitle {
            course.subtitle.clone_from(subtitle);
        }
        if let Some(slug) = &self.slug {
            course.slug.clone_from(slug);
        }
        if let Some(description) = &self.description {
            course.description.clone_from(description);
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

/// A chosen slug. The one the course has is always fine, also if it could not be chosen today.
fn parse_slug(text: &str, course: &Course) -> Result<Slug, crate::model::slug::BadSlug> {
    if text == course.slug.as_str() {
        Ok(course.slug.clone())
    } else {
        Slug::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::model::{currency::Currency, price::Price, state::State};

    fn course() -> Course {
        Course {
            id: Uuid::nil(),
            title: Title::parse("Rust").unwrap(),
            subtitle: Subtitle::parse("fast").unwrap(),
            slug: Slug::parse("rust").unwrap(),
            description: Description::parse("All of it.".into()).unwrap(),
            price: Price::parse("10.99").unwrap(),
            currency: Currency::parse("USD").unwrap(),
            state: State::Draft,
            instructors: vec![],
            student_count: 0,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
            deleted_at: None,
            revision: 1,
        }
    }

    fn fields(edit: Edit) -> Vec<String> {
        let faults = Patch::parse(edit, &course()).unwrap_err();
        faults.into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn what_is_not_mentioned_stays() {
        let mut changed = course();
        Patch::parse(Edit::default(), &course())
            .unwrap()
            .apply(&mut changed)
            .unwrap();
        assert_eq!(changed, course());
    }

    #[test]
    fn a_new_title_leaves_the_slug() {
        let edit = Edit {
            title: Some("Go".into()),
            ..Edit::default()
        };
        let mut changed = course();
        Patch::parse(edit, &course())
            .unwrap()
            .apply(&mut changed)
            .unwrap();
        assert_eq!((changed.title.as_str(), changed.slug.as_str()), ("Go", "rust"));
    }

    #[test]
    fn a_blank_subtitle_is_removed() {
        let edit = Edit {
            subtitle: Some(String::new()),
            ..Edit::default()
        };
        let mut changed = course();
        Patch::parse(edit, &course())
            .unwrap()
            .apply(&mut changed)
            .unwrap();
        assert_eq!(changed.subtitle, None);
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let edit = Edit {
            title: Some(" ".into()),
            slug: Some("A b".into()),
            description: Some(String::new()),
            price: Some("x".into()),
            is_free: Some(false),
            flags: Flags {
                is_draft: Some(true),
                is_archived: Some(true),
                is_published: None,
            },
            faults: vec![FieldError::new("id", "This field is read-only.")],
            ..Edit::default()
        };
        assert_eq!(
            fields(edit),
            [
                "id",
                "title",
                "slug",
                "description",
                "price",
                "is_draft",
                "is_archived"
            ]
        );
    }

    #[test]
    fn a_price_is_settled_against_the_course() {
        let edit = Edit {
            price: Some("0".into()),
            ..Edit::default()
        };
        assert_eq!(fields(edit), ["price"]);
        let edit = Edit {
            is_free: Some(true),
            ..Edit::default()
        };
        let mut changed = course();
        Patch::parse(edit, &course())
            .unwrap()
            .apply(&mut changed)
            .unwrap();
        assert!(changed.price.is_free());
    }
}
