//! How the temporary server is set: quick to fill and throw away, and reachable from this computer alone.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// What is appended to `postgresql.conf`. The port is not in it: it is given at each start.
pub(super) const LINES: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
# Every test process has pools of its own, all on this one server.
max_connections = 300
# Survives the death of the server, not of the computer, and nobody will want these data then.
fsync = off
log_line_prefix = '%m [%p] %d '
timezone = 'UTC'
";

/// Below the ports that systems hand out by themselves, so that nobody takes ours while the server is
/// stopped.
const PORTS: Range<u16> = 20_000..32_000;

/// A port that is free now. Another process can still be quicker, so whoever uses it has to be ready to ask
/// again.
pub(super) fn free_port() -> u16 {
    let start = RandomState::new().build_hasher().finish();
    let count = u64::from(PORTS.end - PORTS.start);
    (0..count)
        .filter_map(|step| u16::try_from(start.wrapping_add(step) % count).ok())
        .map(|offset| PORTS.start + offset)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port on 127.0.0.1")
}
