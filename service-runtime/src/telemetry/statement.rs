//! The spans of what a store does in its database: named after the store's method, never with a statement or a value.

use std::any::type_name_of_val;

use super::Span;

/// A statement or transaction, while it runs.
#[derive(Debug)]
pub struct Statement(Span);

impl Statement {
    /// Begins what the method does in which `place` is defined.
    pub fn begin<T>(system: &'static str, place: &T) -> Self {
        let mut span = Span::client(|| method_around(place).into());
        if span.is_seen() {
            span.set("db.system.name", system);
            span.set("db.operation.name", method_around(place));
        }
        Self(span)
    }

    /// Ends it with what came of it.
    pub fn end<T, E>(mut self, outcome: &Result<T, E>) {
        if outcome.is_err() {
            self.0.fail("_OTHER");
        }
    }
}

/// The name of the function in which an item is defined, from the item's own path.
fn method_around<T>(place: &T) -> &'static str {
    let parts = type_name_of_val(place).rsplit("::");
    // The item itself, and the futures that it stands in.
    let mut around = parts.skip(1).filter(|part| *part != "{{closure}}");
    around.next().unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::method_around;

    struct Store;

    impl Store {
        async fn read_all<T: Default>(&self) -> (&'static str, T) {
            fn here() {}
            (async { method_around(&here) }.await, T::default())
        }
    }

    #[tokio::test]
    async fn a_method_is_known_by_what_stands_in_it() {
        assert_eq!(Store.read_all::<u8>().await, ("read_all", 0));
    }
}
