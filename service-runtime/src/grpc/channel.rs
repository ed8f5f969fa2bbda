//! The channel to another service: connected when first used, kept alive, reconnected by itself.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint, Error};

/// A channel to `http://host:port`.
///
/// # Errors
/// When the address is not one.
pub fn lazy(url: &str) -> Result<Channel, Error> {
    let endpoint = Endpoint::from_shared(url.to_owned())?
        .connect_timeout(Duration::from_secs(1))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true);
    Ok(endpoint.connect_lazy())
}
