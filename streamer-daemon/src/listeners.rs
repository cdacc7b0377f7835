//! One listener of a configuration: one port on several addresses.

use std::io;
use std::net::{IpAddr, SocketAddr};

use streamer_net::{BindError, bind};
use tokio::net::TcpListener;
use tracing::info;

use crate::error::DaemonError;

/// Tries to find one free port for all addresses of a listener when the port is 0.
const FREE_PORT_TRIES: usize = 16;

/// Binds one port on each of `addresses`. With port 0 the first socket's port is taken for the others as
/// well; if it is taken there, all begin again. A loopback address that the machine does not have is left out as
/// long as another is there.
///
/// # Errors
/// [`BindError`] of the first address that fails; nothing stays bound then.
pub fn bind_each(addresses: &[IpAddr], port: u16) -> Result<Vec<TcpListener>, BindError> {
    let mut tries = if port == 0 && addresses.len() > 1 { FREE_PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        match try_each(addresses, port) {
            Err(error) if tries > 0 && error.source.kind() == io::ErrorKind::AddrInUse => {}
            result => return result,
        }
    }
}

fn try_each(addresses: &[IpAddr], mut port: u16) -> Result<Vec<TcpListener>, BindError> {
    let mut sockets = Vec::new();
    for &address in addresses {
        match bind(SocketAddr::new(address, port)) {
            Ok(socket) => {
                if let Ok(bound) = socket.local_addr() {
                    port = bound.port();
                }
                sockets.push(socket);
            }
            // A machine without IPv6 has no `::1`; the address beside it will do.
            Err(error) if address.is_loopback() && addresses.len() > 1 && is_absent(&error.source) => {
                info!(%address, "this machine has no such address: not listened on");
            }
            Err(error) => return Err(error),
        }
    }
    match (sockets.is_empty(), addresses.first()) {
        (true, Some(&address)) => {
            let source = io::ErrorKind::AddrNotAvailable.into();
            Err(BindError { address: SocketAddr::new(address, port), source })
        }
        _ => Ok(sockets),
    }
}

/// The address, or its whole family (`EAFNOSUPPORT`), is not there.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error() == Some(97)
}

/// Where `sockets` listen.
///
/// # Errors
/// [`DaemonError::System`] when the system does not tell.
pub fn addresses(sockets: &[TcpListener]) -> Result<Vec<SocketAddr>, DaemonError> {
    let list: io::Result<Vec<_>> = sockets.iter().map(TcpListener::local_addr).collect();
    list.map_err(|source| DaemonError::System { what: "the address of a listener", source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[tokio::test]
    async fn a_free_port_is_the_same_on_each_address() {
        let both = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let addresses = addresses(&bind_each(&both, 0).unwrap()).unwrap();
        let port = addresses[0].port();
        assert!(port != 0 && addresses.iter().all(|address| address.port() == port), "{addresses:?}");
    }

    #[tokio::test]
    async fn a_taken_port_and_no_address_at_all_are_errors() {
        let taken = bind_each(&[Ipv4Addr::LOCALHOST.into()], 0).unwrap();
        let port = addresses(&taken).unwrap()[0].port();
        let error = bind_each(&[Ipv4Addr::LOCALHOST.into()], port).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
        assert!(bind_each(&[], 0).unwrap().is_empty());
    }
}
