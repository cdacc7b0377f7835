//! The accept loop: bounded, kept alive when descriptors run out, drained on shutdown.

use std::collections::HashMap;
use std::fs::File;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Resource, getrlimit};
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::stream::Stream;
use crate::tls::{ServerTls, TlsError, accept_tls};

/// Connections of one listener at once: past what one machine's ports and memory serve; the limit on
/// descriptors usually comes first and is handled as well.
pub const DEFAULT_MAX_CONNECTIONS: usize = 65_536;
/// Descriptors that connections leave to everything else: configuration and certificates that are read again, segments and
/// recordings, calls to other servers, and whoever wants to look why nobody gets in.
pub const RESERVED_DESCRIPTORS: usize = 64;
/// Where few descriptors are allowed, no more than one in so many is held back.
pub const RESERVED_SHARE: u64 = 4;
/// Refusals for want of descriptors are told at most so often: there may be thousands.
const TELL_INTERVAL: Duration = Duration::from_secs(1);
/// Longest TLS handshake: two slow round trips and some loss.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long connections may take to end by themselves at shutdown.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// Most bytes of a connection that the system holds besides those under way (`TCP_NOTSENT_LOWAT`). Past them a connection is not
/// writable, so that one on a slow link asks for little and often; otherwise all that are slow ask at one moment for what fills
/// their send buffers, some megabytes each, and those who keep up wait. A second of media at 1 Mbit/s; `docs/performance.md` has
/// what it does for others.
pub const MAX_UNSENT_BYTES: u32 = 128 * 1024;
/// Pause after a failed accept that is not the peer's fault, so that a full table does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How connections are accepted.
#[derive(Clone, Debug)]
pub struct AcceptOptions {
    /// TLS and the protocols offered by ALPN; plain TCP if `None`.
    pub tls: Option<(ServerTls, Vec<&'static [u8]>)>,
    /// Most connections at once.
    pub max_connections: usize,
    /// Most connections at once from one address; `None` for no such bound.
    pub max_connections_per_address: Option<usize>,
    /// Descriptors that are not given to connections, [`RESERVED_DESCRIPTORS`] unless something else is said; no more than
    /// one in [`RESERVED_SHARE`] of those allowed.
    pub reserved_descriptors: usize,
    /// How long connections may take to end by themselves at shutdown.
    pub drain_timeout: Duration,
    /// Cancelled when another listener takes over: nobody is accepted any more, and who is in stays in.
    pub retire: CancellationToken,
}

impl Default for AcceptOptions {
    fn default() -> Self {
        Self {
            tls: None,
            max_connections: DEFAULT_MAX_CONNECTIONS,
            max_connections_per_address: None,
            reserved_descriptors: RESERVED_DESCRIPTORS,
            drain_timeout: DRAIN_TIMEOUT,
            retire: CancellationToken::new(),
        }
    }
}

/// Counters of one listener. Two that share them share the bounds of [`AcceptOptions`] too, as when one takes over from
/// the other.
#[derive(Debug, Default)]
pub struct AcceptStats {
    open: AtomicUsize,
    per_address: Mutex<HashMap<IpAddr, usize>>,
    accepted: AtomicU64,
    refused_full: AtomicU64,
    refused_address: AtomicU64,
    refused_descriptors: AtomicU64,
    failed_tls: AtomicU64,
}

impl AcceptStats {
    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Refused because the listener was full.
    #[must_use]
    pub fn refused_full(&self) -> u64 {
        self.refused_full.load(Ordering::Relaxed)
    }

    /// Refused because their address had too many.
    #[must_use]
    pub fn refused_address(&self) -> u64 {
        self.refused_address.load(Ordering::Relaxed)
    }

    /// Refused because the process had no descriptor left but those that are reserved.
    #[must_use]
    pub fn refused_descriptors(&self) -> u64 {
        self.refused_descriptors.load(Ordering::Relaxed)
    }

    /// TLS handshakes that failed or took too long.
    #[must_use]
    pub fn failed_tls(&self) -> u64 {
        self.failed_tls.load(Ordering::Relaxed)
    }
}

/// A connection ready to speak its protocol.
#[derive(Debug)]
pub struct Connection {
    /// Its bytes. Nagle's algorithm is off.
    pub stream: Stream,
    /// Who called.
    pub peer: SocketAddr,
}

/// Accepts on `listener` and runs `handler` for each connection in a task of its own, until `shutdown`.
/// Then connections are given the drain time to end by themselves (the handler watches the same token)
/// before they are cut. After [`AcceptOptions::retire`] it returns when the last connection has ended by itself.
///
/// # Errors
/// [`TlsError`] before anything is accepted; afterwards none: what goes wrong with one connection is
/// logged and counted.
pub async fn serve<H, F>(
    listener: TcpListener,
    options: AcceptOptions,
    stats: Arc<AcceptStats>,
    shutdown: CancellationToken,
    handler: H,
) -> Result<(), TlsError>
where
    H: Fn(Connection) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send,
{
    let acceptor = match &options.tls {
        Some((tls, alpn)) => Some(tls.acceptor(alpn)?),
        None => None,
    };
    let descriptors = descriptors_for_connections(allowed_descriptors(), options.reserved_descriptors);
    if descriptors < options.max_connections as u64 {
        let max = options.max_connections;
        info!(max, descriptors, "the limit on open files comes before that on connections");
    }
    let gate = Arc::new(Gate { stats, options });
    let mut spare = Spare::new();
    let mut refusals = Refusals::default();
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            () = gate.options.retire.cancelled() => break,
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (tcp, peer) = match accepted {
            // The system gives the lowest number that is free: all below this one are in use.
            Ok((tcp, _)) if u64::try_from(tcp.as_raw_fd()).is_ok_and(|number| number >= descriptors) => {
                refusals.add(&gate.stats);
                continue;
            }
            Ok((tcp, peer)) => (tcp, SocketAddr::new(peer.ip().to_canonical(), peer.port())),
            Err(error) if out_of_descriptors(&error) => {
                refusals.add(&gate.stats);
                spare.refuse_one(&listener).await;
                continue;
            }
            Err(error) => {
                debug!(%error, "a connection was lost before it was accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(place) = Gate::enter(&gate, peer.ip()) else { continue };
        let (acceptor, handler) = (acceptor.clone(), handler.clone());
        tasks.spawn(async move {
            let place = place;
            if let Some(connection) = open(tcp, peer, acceptor.as_ref(), &place.0.stats).await {
                handler(connection).await;
            }
        });
    }
    drop(listener);
    // Retired, it has its connections until they end; stopped, it has them for the drain time.
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = async { while tasks.join_next().await.is_some() {} } => {}
    }
    let drained = timeout(gate.options.drain_timeout, async { while tasks.join_next().await.is_some() {} });
    if drained.await.is_err() {
        warn!(connections = tasks.len(), "connections are cut that did not end in time");
        tasks.shutdown().await;
    }
    Ok(())
}

async fn open(
    tcp: TcpStream,
    peer: SocketAddr,
    acceptor: Option<&TlsAcceptor>,
    stats: &AcceptStats,
) -> Option<Connection> {
    set_up(&tcp, peer);
    let Some(acceptor) = acceptor else { return Some(Connection { stream: tcp.into(), peer }) };
    // The handshake is large and short-lived: boxed, so that it does not stay in every connection's task.
    let handshake = Box::pin(timeout(TLS_HANDSHAKE_TIMEOUT, accept_tls(acceptor, tcp)));
    let failure = match handshake.await {
        Ok(Ok(stream)) => return Some(Connection { stream: Stream::Tls(Box::new(stream)), peer }),
        Ok(Err(error)) => error,
        Err(_) => io::Error::from(io::ErrorKind::TimedOut),
    };
    stats.failed_tls.fetch_add(1, Ordering::Relaxed);
    debug!(%peer, error = %failure, "TLS handshake failed");
    None
}

fn set_up(tcp: &TcpStream, peer: SocketAddr) {
    // Commands are answered in small writes: with Nagle's algorithm each would wait for a delayed ACK.
    if let Err(error) = tcp.set_nodelay(true) {
        debug!(%peer, %error, "TCP_NODELAY");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = SockRef::from(tcp).set_tcp_notsent_lowat(MAX_UNSENT_BYTES) {
        debug!(%peer, %error, "TCP_NOTSENT_LOWAT");
    }
}

/// Counts who is in.
struct Gate {
    stats: Arc<AcceptStats>,
    options: AcceptOptions,
}

/// A place behind the gate, given back when dropped.
struct Place(Arc<Gate>, IpAddr);

impl Gate {
    fn enter(gate: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let stats = &gate.stats;
        if stats.open() >= gate.options.max_connections {
            stats.refused_full.fetch_add(1, Ordering::Relaxed);
            warn!(%address, max = gate.options.max_connections, "the listener is full: a connection is refused");
            return None;
        }
        if let Some(max) = gate.options.max_connections_per_address {
            let mut per_address = stats.per_address.lock();
            let count = per_address.entry(address).or_default();
            if *count >= max {
                stats.refused_address.fetch_add(1, Ordering::Relaxed);
                debug!(%address, max, "too many connections from one address: one is refused");
                return None;
            }
            *count += 1;
        }
        stats.open.fetch_add(1, Ordering::Relaxed);
        stats.accepted.fetch_add(1, Ordering::Relaxed);
        Some(Place(Arc::clone(gate), address))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self(gate, address) = self;
        gate.stats.open.fetch_sub(1, Ordering::Relaxed);
        if gate.options.max_connections_per_address.is_some() {
            let mut per_address = gate.stats.per_address.lock();
            if let Some(count) = per_address.get_mut(address) {
                *count -= 1;
                if *count == 0 {
                    per_address.remove(address);
                }
            }
        }
    }
}

/// How many descriptors the process may have; without a limit or word of it, any number.
fn allowed_descriptors() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Connections may have the descriptors below this number.
fn descriptors_for_connections(allowed: u64, reserved: usize) -> u64 {
    allowed - (reserved as u64).min(allowed / RESERVED_SHARE)
}

/// Connections refused for want of descriptors, told now and then.
#[derive(Default)]
struct Refusals {
    told: Option<Instant>,
    untold: u64,
}

impl Refusals {
    fn add(&mut self, stats: &AcceptStats) {
        stats.refused_descriptors.fetch_add(1, Ordering::Relaxed);
        self.untold += 1;
        if self.told.is_none_or(|told| told.elapsed() >= TELL_INTERVAL) {
            warn!(refused = self.untold, "no file descriptor left: connections are refused");
            *self = Self { told: Some(Instant::now()), untold: 0 };
        }
    }
}

/// `EMFILE` and `ENFILE`.
fn out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(24 | 23))
}

/// A descriptor held back, so that a caller can be refused rather than left hanging when all are used.
struct Spare(Option<File>);

impl Spare {
    fn new() -> Self {
        Self(File::open("/dev/null").ok())
    }

    async fn refuse_one(&mut self, listener: &TcpListener) {
        self.0 = None;
        // Whoever is first in the queue is accepted and closed at once; with nobody there the pause is all.
        let _ = timeout(ACCEPT_PAUSE, listener.accept()).await;
        self.0 = File::open("/dev/null").ok();
        if self.0.is_none() {
            sleep(ACCEPT_PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_some_descriptors_to_everything_else() {
        assert_eq!(descriptors_for_connections(1_024, RESERVED_DESCRIPTORS), 960);
        assert_eq!(descriptors_for_connections(256, RESERVED_DESCRIPTORS), 192);
        assert_eq!(descriptors_for_connections(255, RESERVED_DESCRIPTORS), 192);
        assert_eq!(descriptors_for_connections(100, RESERVED_DESCRIPTORS), 75);
        assert_eq!(descriptors_for_connections(100, 0), 100);
        assert_eq!(descriptors_for_connections(u64::MAX, usize::MAX), u64::MAX - u64::MAX / 4);
        assert_eq!(descriptors_for_connections(0, 1), 0);
    }
}
