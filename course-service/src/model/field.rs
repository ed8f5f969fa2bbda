//! What is wrong with the fields of an input is collected, so that all of it is said at once.

use service_runtime::field::FieldError;

/// Takes what parsed; what did not becomes a fault of `field`.
pub fn noted<T, E: ToString>(faults: &mut Vec<FieldError>, field: &str, parsed: Result<T, E>) -> Option<T> {
    parsed
        .map_err(|reason| faults.push(FieldError::new(field, reason.to_string())))
        .ok()
}
