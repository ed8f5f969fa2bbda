//! What is wrong with one field of an input, in words for the person who filled it in.

/// A field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field, by its name in the contract.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

impl Fault {
    /// A field and what is wrong with it.
    pub fn new(field: impl Into<String>, message: impl ToString) -> Self {
        Self {
            field: field.into(),
            message: message.to_string(),
        }
    }
}

/// Takes what parsed; what did not becomes a fault of `field`.
pub fn noted<T, E: ToString>(faults: &mut Vec<Fault>, field: &str, parsed: Result<T, E>) -> Option<T> {
    parsed
        .map_err(|reason| faults.push(Fault::new(field, reason)))
        .ok()
}
