//! The bell of a worker, such as that of the outbox: rung after a commit that gave it work, it makes it look at once.

use std::sync::Arc;

use tokio::sync::Notify;

/// Wakes the worker. Cheap to clone; clones are the same bell. A ring while the worker is busy is not lost, and
/// what nobody rings for is found at the next poll.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    /// Rings.
    pub fn ring(&self) {
        self.0.notify_one();
    }

    pub(in crate::domain) async fn rung(&self) {
        self.0.notified().await;
    }
}
