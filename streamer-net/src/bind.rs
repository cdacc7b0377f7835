//! Listening sockets: one for IPv4 and IPv6 alike where the address says so.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::net::TcpListener;

/// Connections the kernel holds until they are accepted: a burst of a thousand viewers per second with
/// the process away for a few seconds.
pub const LISTEN_BACKLOG: i32 = 4_096;

/// Why an address cannot be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {reason}", reason = reason(source))]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// What the system says.
    #[source]
    pub source: io::Error,
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process has this port".to_owned(),
        io::ErrorKind::PermissionDenied => "no permission for this port".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        _ => error.to_string(),
    }
}

/// Listens on `address`; `[::]` takes IPv4 as well. Where the system has no IPv6, `[::]` means `0.0.0.0`.
/// Port 0 lets the system choose.
///
/// Must be called within a tokio runtime.
///
/// # Errors
/// [`BindError`] with one sentence that says what is wrong.
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    let result = match listen(address) {
        Err(error) if no_ipv6(&error) && address.is_ipv6() && address.ip().is_unspecified() => {
            listen(SocketAddr::from(([0, 0, 0, 0], address.port())))
        }
        result => result,
    };
    result.map_err(|source| BindError { address, source })
}

/// The protocol or the address family is not there at all (`EAFNOSUPPORT`, `EADDRNOTAVAIL`).
fn no_ipv6(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::AddrNotAvailable)
        || error.raw_os_error() == Some(97)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn the_unspecified_address_takes_both_families() {
        let listener = bind("[::]:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        if listener.local_addr().unwrap().is_ipv6() {
            TcpStream::connect(("::1", port)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_said_in_one_sentence() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot listen on {address}: another process has this port"));
    }
}
