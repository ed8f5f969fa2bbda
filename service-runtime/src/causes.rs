//! An error with everything that caused it, in one line for a log or an operator.

use std::error::Error;

/// The error's sentence and that of each of its causes, joined by colons. Some errors repeat their cause in
/// their own words; that is said once.
pub fn causes(error: &dyn Error) -> String {
    let mut sentence = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_sentence = cause.to_string();
        if !sentence.ends_with(&cause_sentence) {
            sentence = format!("{sentence}: {cause_sentence}");
        }
        source = cause.source();
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the house is dark")]
    struct Dark(#[source] Bulb);

    #[derive(Debug, thiserror::Error)]
    #[error("the bulb is broken: {0}")]
    struct Bulb(#[source] std::io::Error);

    #[test]
    fn every_cause_is_told_once() {
        let error = Dark(Bulb(std::io::Error::other("it fell")));
        assert_eq!(causes(&error), "the house is dark: the bulb is broken: it fell");
    }
}
