//! The plain program: passes ready bytes on to many sockets and does nothing else; what no server can be cheaper than.
//!
//! One publisher sends FLV over bare TCP; each viewer, over bare TCP as well, gets the headers and then every tag from
//! the next write on: one write for each tag, or for all tags of a window. With a window the viewers are spread over
//! it, each group with a phase of its own, so that they are not all written to at once. One thread, no protocol.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use thiserror::Error;

use crate::http::TagSplitter;

const PUBLISHERS: Token = Token(usize::MAX - 1);
const VIEWERS: Token = Token(usize::MAX - 2);
const PUBLISHER: Token = Token(usize::MAX - 3);
/// Time from one group's write to the next one's, at least.
const GROUP_STEP: Duration = Duration::from_millis(5);
/// A viewer so far behind is closed.
const MAX_PENDING_BYTES: usize = 8 << 20;
const READ_BYTES: usize = 256 * 1024;

/// Why it ended.
#[derive(Debug, Error)]
pub(crate) enum PlainError {
    #[error("{0}")]
    Socket(#[from] io::Error),
    #[error("the publisher sends no FLV")]
    NoFlv,
}

/// What is to be run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Where the publisher comes in.
    pub(crate) publish: SocketAddr,
    /// Where viewers come in.
    pub(crate) play: SocketAddr,
    /// How long tags are gathered before they are written; zero writes each at once.
    pub(crate) window: Duration,
}

#[derive(Debug)]
struct Viewer {
    socket: TcpStream,
    /// What the socket did not take.
    pending: Vec<u8>,
}

/// Viewers that are written to at the same time.
#[derive(Debug)]
struct Group {
    viewers: Vec<usize>,
    /// Where in the stream of tags its next write begins.
    at: u64,
    due: Duration,
}

#[derive(Debug)]
struct Plain {
    poll: Poll,
    clock: Instant,
    window: Duration,
    publishers: TcpListener,
    listener: TcpListener,
    publisher: Option<TcpStream>,
    tags: TagSplitter,
    /// The tags that some group has yet to be given, and where in the stream of tags they begin.
    log: Vec<u8>,
    log_at: u64,
    groups: Vec<Group>,
    viewers: Vec<Option<Viewer>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
}

/// Serves until a socket of its own fails.
pub(crate) fn run(plan: &Plan) -> Result<(), PlainError> {
    let mut plain = Plain::open(plan)?;
    let mut events = Events::with_capacity(1024);
    loop {
        let due = plain.groups.iter().map(|group| group.due).min().filter(|_| !plain.window.is_zero());
        let timeout = due.map(|due| due.saturating_sub(plain.clock.elapsed()));
        match plain.poll.poll(&mut events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &events {
            match event.token() {
                PUBLISHERS => plain.accept_publisher()?,
                VIEWERS => plain.accept_viewers()?,
                PUBLISHER => plain.read_publisher()?,
                Token(index) => plain.on_viewer(index, event.is_readable()),
            }
            plain.write_due();
        }
        plain.write_due();
    }
}

impl Plain {
    fn open(plan: &Plan) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut publishers = TcpListener::bind(plan.publish)?;
        let mut listener = TcpListener::bind(plan.play)?;
        poll.registry().register(&mut publishers, PUBLISHERS, Interest::READABLE)?;
        poll.registry().register(&mut listener, VIEWERS, Interest::READABLE)?;
        let count = (plan.window.as_micros() / GROUP_STEP.as_micros()).max(1) as u32;
        let groups = (0..count)
            .map(|index| Group { viewers: Vec::new(), at: 0, due: plan.window * index / count })
            .collect();
        Ok(Self {
            poll,
            clock: Instant::now(),
            window: plan.window,
            publishers,
            listener,
            publisher: None,
            tags: TagSplitter::default(),
            log: Vec::new(),
            log_at: 0,
            groups,
            viewers: Vec::new(),
            free: Vec::new(),
            buffer: vec![0; READ_BYTES],
        })
    }

    fn accept_publisher(&mut self) -> io::Result<()> {
        while let Some(mut socket) = accepted(&self.publishers)? {
            self.poll.registry().register(&mut socket, PUBLISHER, Interest::READABLE)?;
            self.publisher = Some(socket);
            self.tags = TagSplitter::default();
        }
        Ok(())
    }

    fn accept_viewers(&mut self) -> io::Result<()> {
        while let Some(mut socket) = accepted(&self.listener)? {
            socket.set_nodelay(true)?;
            let index = self.free.pop().unwrap_or(self.viewers.len());
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut socket, Token(index), interest)?;
            if index == self.viewers.len() {
                self.viewers.push(None);
            }
            let mut viewer = Viewer { socket, pending: Vec::new() };
            if viewer.write(self.tags.opening()).is_err() {
                self.free.push(index);
                continue;
            }
            self.viewers[index] = Some(viewer);
            let group = self.groups.iter_mut().min_by_key(|group| group.viewers.len());
            if let Some(group) = group {
                group.viewers.push(index);
            }
        }
        Ok(())
    }

    /// Takes what the publisher sent; without a window, each tag is written to all viewers at once.
    fn read_publisher(&mut self) -> Result<(), PlainError> {
        loop {
            let Some(socket) = &mut self.publisher else { return Ok(()) };
            let length = match socket.read(&mut self.buffer) {
                Ok(0) => {
                    self.publisher = None;
                    return Ok(());
                }
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            self.tags.push(&self.buffer[..length]);
            while let Some(tag) = self.tags.next_tag().map_err(|_| PlainError::NoFlv)? {
                self.log.extend_from_slice(tag);
                if self.window.is_zero() {
                    self.write_group(0);
                    self.forget_written();
                }
            }
        }
    }

    fn on_viewer(&mut self, index: usize, readable: bool) {
        let Some(Some(viewer)) = self.viewers.get_mut(index) else { return };
        let mut byte = [0];
        let ended = readable && matches!(viewer.socket.read(&mut byte), Ok(0));
        if ended || viewer.write(&[]).is_err() {
            self.remove(index);
        }
    }

    fn remove(&mut self, index: usize) {
        self.viewers[index] = None;
        self.free.push(index);
        for group in &mut self.groups {
            group.viewers.retain(|&of| of != index);
        }
    }

    /// Writes to the groups whose time has come.
    fn write_due(&mut self) {
        if self.window.is_zero() {
            return;
        }
        let now = self.clock.elapsed();
        for index in 0..self.groups.len() {
            if self.groups[index].due <= now {
                self.write_group(index);
                let due = &mut self.groups[index].due;
                while *due <= now {
                    *due += self.window;
                }
            }
        }
        self.forget_written();
    }

    fn write_group(&mut self, index: usize) {
        let group = &mut self.groups[index];
        let bytes = &self.log[(group.at - self.log_at) as usize..];
        group.at += bytes.len() as u64;
        if bytes.is_empty() {
            return;
        }
        let mut failed = Vec::new();
        for &viewer in &group.viewers {
            if self.viewers[viewer].as_mut().is_some_and(|viewer| viewer.write(bytes).is_err()) {
                failed.push(viewer);
            }
        }
        for viewer in failed {
            self.remove(viewer);
        }
    }

    fn forget_written(&mut self) {
        let behind = self.groups.iter().map(|group| group.at).min().unwrap_or(self.log_at);
        self.log.drain(..(behind - self.log_at) as usize);
        self.log_at = behind;
    }
}

impl Viewer {
    /// Writes what is pending and then `bytes`; what the socket does not take stays pending.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.pending.is_empty() {
            let written = write_some(&mut self.socket, bytes)?;
            self.pending.extend_from_slice(&bytes[written..]);
            return Ok(());
        }
        self.pending.extend_from_slice(bytes);
        let written = write_some(&mut self.socket, &self.pending)?;
        self.pending.drain(..written);
        if self.pending.len() > MAX_PENDING_BYTES { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

/// Writes as much as the socket takes; the bytes written.
fn write_some(socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match socket.write(&bytes[written..]) {
            Ok(length) => written += length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

/// The next connection that waits, if any.
fn accepted(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    loop {
        return match listener.accept() {
            Ok((socket, _)) => Ok(Some(socket)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            // The peer gave up already.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => Err(error),
        };
    }
}
