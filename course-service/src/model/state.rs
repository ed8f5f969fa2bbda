//! The one state of a course, and the three flags that are views of it: exactly one is true, always.

use serde::{Deserialize, Serialize};

/// Where a course is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Still being made; only staff see it.
    Draft,
    /// Everyone sees it.
    Published,
    /// Closed.
    Archived,
}

/// Flags as a caller sent them; `None` is a flag that was not sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Flags {
    /// Whether it is to be a draft.
    pub is_draft: Option<bool>,
    /// Whether it is to be published.
    pub is_published: Option<bool>,
    /// Whether it is to be archived.
    pub is_archived: Option<bool>,
}

/// Why flags name no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadFlags {
    /// They contradict each other.
    #[error("A course is exactly one of draft, published and archived")]
    Contradiction,
    /// They say what the course is not to be, and two states remain.
    #[error("Say what the course is to become: set is_draft, is_published or is_archived to true")]
    Ambiguous,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Draft, Self::Published, Self::Archived];

    /// The word it is stored as.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Archived => "archived",
        }
    }

    /// The state that a stored word means.
    pub(crate) fn stored(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// The state that `flags` ask for: this one if they agree with it, otherwise the only one they agree with.
    ///
    /// # Errors
    /// [`BadFlags`] when they agree with none, or with two others.
    pub fn asked(self, flags: Flags) -> Result<Self, BadFlags> {
        let mut agreeing = Self::ALL.into_iter().filter(|state| flags.agree_with(*state));
        if flags.agree_with(self) {
            return Ok(self);
        }
        match (agreeing.next(), agreeing.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(BadFlags::Ambiguous),
            (None, _) => Err(BadFlags::Contradiction),
        }
    }
}

impl Flags {
    /// The flags that were sent, by their names in the contract, and the state each is about.
    pub fn sent(self) -> impl Iterator<Item = (&'static str, State, bool)> {
        let named = [
            ("is_draft", State::Draft, self.is_draft),
            ("is_published", State::Published, self.is_published),
            ("is_archived", State::Archived, self.is_archived),
        ];
        named
            .into_iter()
            .filter_map(|(name, state, flag)| flag.map(|flag| (name, state, flag)))
    }

    /// Whether a course in this state has every flag as it was sent.
    pub fn agree_with(self, state: State) -> bool {
        self.sent().all(|(_, about, flag)| flag == (about == state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: [Option<bool>; 3] = [None, Some(false), Some(true)];

    fn flags(is_draft: Option<bool>, is_published: Option<bool>, is_archived: Option<bool>) -> Flags {
        Flags {
            is_draft,
            is_published,
            is_archived,
        }
    }

    #[test]
    fn one_true_flag_is_a_transition_and_none_is_rest() {
        for from in State::ALL {
            assert_eq!(from.asked(Flags::default()), Ok(from));
            assert_eq!(from.asked(flags(Some(true), None, None)), Ok(State::Draft));
            assert_eq!(from.asked(flags(None, Some(true), None)), Ok(State::Published));
            assert_eq!(
                from.asked(flags(Some(false), Some(false), Some(true))),
                Ok(State::Archived)
            );
        }
    }

    #[test]
    fn two_false_flags_leave_one_state() {
        let asked = State::Draft.asked(flags(Some(false), None, Some(false)));
        assert_eq!(asked, Ok(State::Published));
    }

    #[test]
    fn contradictions_and_riddles_are_told_apart() {
        let both = flags(Some(true), Some(true), None);
        assert_eq!(State::Draft.asked(both), Err(BadFlags::Contradiction));
        let none = flags(Some(false), Some(false), Some(false));
        assert_eq!(State::Draft.asked(none), Err(BadFlags::Contradiction));
        let not_published = flags(None, Some(false), None);
        assert_eq!(State::Published.asked(not_published), Err(BadFlags::Ambiguous));
        assert_eq!(State::Draft.asked(not_published), Ok(State::Draft));
    }

    #[test]
    fn whatever_is_asked_the_answer_agrees_with_it() {
        for from in State::ALL {
            for is_draft in SENT {
                for is_published in SENT {
                    for is_archived in SENT {
                        let asked = flags(is_draft, is_published, is_archived);
                        let agreeing = State::ALL
                            .iter()
                            .filter(|state| asked.agree_with(**state))
                            .count();
                        match from.asked(asked) {
                            Ok(to) => assert!(asked.agree_with(to)),
                            Err(BadFlags::Contradiction) => assert_eq!(agreeing, 0),
                            Err(BadFlags::Ambiguous) => assert_eq!(agreeing, 2),
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn stored_words_are_read_back() {
        for state in State::ALL {
            assert_eq!(State::stored(state.as_str()), Some(state));
        }
        assert_eq!(State::stored("deleted"), None);
    }
}
