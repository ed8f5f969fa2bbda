//! What the start log says about the addresses of clients: limits per network are worth as much as these.

use std::net::TcpListener;

use service_runtime::settings::Environment;

use crate::config::Config;

/// Says where the addresses of clients come from and, if nobody's is known, that limits per network are off.
pub(crate) fn tell(config: &Config, listeners: &[TcpListener]) {
    let bound = listeners.first().and_then(|listener| listener.local_addr().ok());
    let only_this_machine = bound.is_some_and(|bound| bound.ip().is_loopback());
    match unknown(config, only_this_machine) {
        Some(why) if config.environment == Environment::Production => tracing::warn!("{why}"),
        Some(why) => tracing::info!("{why}"),
        None if config.trusted_proxies.is_empty() => tracing::info!(
            "the address of a client is the one that it connects from; a proxy in front of the gateway has to be named \
             in TRUSTED_PROXIES, or all who come through it share the limits of one network, and have none if it is on \
             this machine"
        ),
        None => tracing::info!(
            header = %config.trusted_proxies.header().name(),
            "the address of a client is the one that a proxy of TRUSTED_PROXIES appends to TRUSTED_PROXY_HEADER, or \
             replaces it with; no other header is read"
        ),
    }
}

/// Why the addresses of clients are not known to those who count.
fn unknown(config: &Config, only_this_machine: bool) -> Option<&'static str> {
    if config.service_token.is_none() {
        return Some(
            "SERVICE_TOKEN is not set, so auth-service takes the address of the gateway for that of every client",
        );
    }
    (only_this_machine && config.trusted_proxies.is_empty()).then_some(
        "limits per network are off: only this machine can call the gateway at GATEWAY_LISTEN, and TRUSTED_PROXIES names \
         no proxy that tells for whom it does",
    )
}

#[cfg(test)]
mod tests {
    use service_runtime::settings::Values;

    use super::*;

    #[test]
    fn the_start_says_when_nobodys_address_is_known() {
        let token = || Values::default().with("SERVICE_TOKEN", "t".repeat(32));
        let is_told = |values: Values, only_this_machine| {
            unknown(&Config::from_values(&values).unwrap(), only_this_machine).is_some()
        };
        assert!(is_told(token(), true));
        assert!(!is_told(token(), false));
        assert!(!is_told(token().with("TRUSTED_PROXIES", "127.0.0.1"), true));
        assert!(is_told(Values::default(), false), "nobody believes it");
    }
}
