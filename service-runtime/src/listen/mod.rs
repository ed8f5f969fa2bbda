//! Listeners: a process binds first, so that port 0 gives an honest address, then serves what it bound. Every
//! listener of every process is served by [`serve`], with the limits that the libraries leave open.

mod accept;
mod connection;
mod frames;
mod unsent;

pub use self::{accept::serve, connection::Limits};

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};

/// How many connections the kernel keeps waiting to be accepted.
const BACKLOG: i32 = 1024;

/// Binds one listener.
///
/// # Errors
/// When the address is taken or not ours.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    Ok(bind_many(address, 1)?.remove(0))
}

/// Binds `count` listeners to one address, so that each thread accepts its own share of the connections
/// (`SO_REUSEPORT`). Port 0 gives all of them the same free port.
///
/// # Errors
/// When the address is taken or not ours.
pub fn bind_many(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    if count > 1 && address.port() != 0 {
        // Sockets that share a port also share it with another process that does the same. Only a socket
        // that shares nothing tells whether the port is free.
        drop(bind(address)?);
    }
    let mut listeners: Vec<TcpListener> = Vec::with_capacity(count);
    for _ in 0..count.max(1) {
        let address = listeners.first().map_or(Ok(address), TcpListener::local_addr)?;
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if count > 1 {
            socket.set_reuse_port(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        listeners.push(socket.into());
    }
    Ok(listeners)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_listeners_share_one_free_port() {
        let listeners = bind_many("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let ports: Vec<u16> = listeners
            .iter()
            .map(|one| one.local_addr().unwrap().port())
            .collect();
        assert_ne!(ports[0], 0);
        assert!(ports.iter().all(|port| *port == ports[0]));
    }

    #[test]
    fn a_taken_address_is_an_error() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        assert!(bind(first.local_addr().unwrap()).is_err());
    }

    #[test]
    fn a_shared_port_is_not_shared_with_a_second_start() {
        let first = bind_many("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        assert!(bind_many(first[0].local_addr().unwrap(), 2).is_err());
    }
}
