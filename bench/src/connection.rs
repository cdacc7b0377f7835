//! One non-blocking TCP connection with the bytes that wait to leave it.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_linger, set_tcp_quickack};
use rustix::net::{RecvFlags, recv};

/// A socket registered with the poll.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: TcpStream,
    /// Bytes to send.
    pub(crate) out: Vec<u8>,
    sent: usize,
    connected: bool,
}

impl Connection {
    /// Begins to connect.
    pub(crate) fn open(
        registry: &Registry,
        token: Token,
        address: SocketAddr,
        out: Vec<u8>,
    ) -> io::Result<Self> {
        let mut socket = TcpStream::connect(address)?;
        registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { socket, out, sent: 0, connected: false })
    }

    /// Sends what the socket takes; the rest waits for it to become writable.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if !self.connected {
            return Ok(());
        }
        while self.sent < self.out.len() {
            match self.socket.write(&self.out[self.sent..]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.sent = 0;
        Ok(())
    }

    /// The socket became writable: for the first time, that means connected.
    pub(crate) fn on_writable(&mut self) -> io::Result<()> {
        if !self.connected {
            if let Some(error) = self.socket.take_error()? {
                return Err(error);
            }
            self.socket.set_nodelay(true)?;
            self.connected = true;
        }
        self.flush()
    }

    /// Reads once; `None` when nothing is there. A short read means that nothing more is there (epoll(7), Q9).
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            return match self.socket.read(buffer) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => Ok(Some(length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }

    /// Takes up to the buffer's length of received bytes away without copying them; `None` when nothing is there.
    ///
    /// The buffer says how many and stays as it was: Linux only drops them (`MSG_TRUNC` of tcp(7)).
    pub(crate) fn discard(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            return match recv(&self.socket, &mut *buffer, RecvFlags::TRUNC) {
                Ok((_, 0)) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok((_, length)) => Ok(Some(length)),
                Err(Errno::WOULDBLOCK) => Ok(None),
                Err(Errno::INTR) => continue,
                Err(error) => Err(error.into()),
            };
        }
    }

    /// Has the kernel acknowledge at once what was received up to now (`TCP_QUICKACK` of tcp(7), which does not stay).
    pub(crate) fn acknowledge_at_once(&self) -> io::Result<()> {
        Ok(set_tcp_quickack(&self.socket, true)?)
    }

    /// Has the end of the connection tell the peer with a reset, not with a FIN (`SO_LINGER` of socket(7), of no time).
    pub(crate) fn end_by_reset(&self) -> io::Result<()> {
        Ok(set_socket_linger(&self.socket, Some(Duration::ZERO))?)
    }

    /// Bytes that wait to be sent.
    pub(crate) fn waiting(&self) -> usize {
        self.out.len() - self.sent
    }
}
