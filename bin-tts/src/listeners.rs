//! The engine's listeners, which open, move and close while it runs: what runs on an old one goes on.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as Socket};
use std::os::fd::AsFd;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use socket2::SockRef;
use streamer_control::config::Listeners;
use streamer_daemon::DaemonError;
use streamer_daemon::listeners::bind_each;
use streamer_http::HttpStats;
use streamer_net::AcceptStats;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::options;

/// Where the engine listens, by the names of the configuration; empty where a listener is off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Addresses {
    /// RTMP.
    pub rtmp: Vec<SocketAddr>,
    /// RTMP over TLS.
    pub rtmps: Vec<SocketAddr>,
    /// HTTP streaming.
    pub http: Vec<SocketAddr>,
    /// HTTP streaming over TLS.
    pub https: Vec<SocketAddr>,
    /// The engine's own API.
    pub api: Vec<SocketAddr>,
}

/// The counters of one listener, which stay when it moves.
#[derive(Clone)]
pub struct ListenerCounters {
    /// Its name in the configuration.
    pub name: &'static str,
    /// Its connections.
    pub connections: Arc<AcceptStats>,
    /// What happened on it, if it is one for HTTP streaming.
    pub http: Option<Arc<HttpStats>>,
}

/// Addresses and port, as the configuration has them.
type Place = (Vec<IpAddr>, u16);

/// A listener that is open.
struct Open {
    name: &'static str,
    place: Place,
    addresses: Vec<SocketAddr>,
    /// Second handles of its sockets, by which it is closed or handed on.
    sockets: Vec<Socket>,
    retire: CancellationToken,
}

/// What the listeners of a configuration mean to those that are open. What it has bound it lets go when dropped.
#[derive(Default)]
pub(crate) struct Moves {
    bound: Vec<(&'static str, Place, Vec<TcpListener>)>,
    /// Those whose port another one of ours has until it has moved.
    later: Vec<(&'static str, Place)>,
    closed: Vec<&'static str>,
    /// Those that cannot be had, and why.
    pub(crate) failed: Vec<(&'static str, DaemonError)>,
}

/// Starts to serve a socket of the listener of that name, until the token retires it.
pub(crate) type Serve<'a> = &'a dyn Fn(&'static str, TcpListener, CancellationToken);

/// The listeners that are open.
pub struct ListenerSet {
    open: Mutex<Vec<Open>>,
    counters: Vec<ListenerCounters>,
}

impl Default for ListenerSet {
    /// None is open yet.
    fn default() -> Self {
        let counters = ["rtmp", "rtmps", "http", "https", "api"].map(|name| {
            let connections = Arc::<AcceptStats>::default();
            let http = matches!(name, "http" | "https");
            let http = http.then(|| options::http_stats(Arc::clone(&connections)));
            ListenerCounters { name, connections, http }
        });
        Self { open: Mutex::default(), counters: counters.into() }
    }
}

impl ListenerSet {
    /// The counters of the listener called `name`.
    #[must_use]
    pub fn counters(&self, name: &str) -> Option<&ListenerCounters> {
        self.counters.iter().find(|counters| counters.name == name)
    }

    /// The counters of all that are open, or were.
    #[must_use]
    pub fn seen(&self) -> Vec<ListenerCounters> {
        let open = self.open.lock();
        let seen = |counters: &&ListenerCounters| {
            counters.connections.accepted() > 0 || open.iter().any(|open| open.name == counters.name)
        };
        self.counters.iter().filter(seen).cloned().collect()
    }

    /// Where they listen.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        let mut addresses = Addresses::default();
        for open in self.open.lock().iter() {
            let list = match open.name {
                "rtmp" => &mut addresses.rtmp,
                "rtmps" => &mut addresses.rtmps,
                "http" => &mut addresses.http,
                "https" => &mut addresses.https,
                _ => &mut addresses.api,
            };
            list.clone_from(&open.addresses);
        }
        addresses
    }

    /// Binds what `wanted` has elsewhere than now. Nothing that is open changes yet. Must be called within a tokio
    /// runtime.
    pub(crate) fn plan(&self, wanted: &Listeners) -> Moves {
        let open = self.open.lock();
        let mut moves = Moves::default();
        for (name, place) in places(wanted) {
            let now = open.iter().find(|open| open.name == name);
            let Some(place) = place else {
                moves.closed.extend(now.map(|_| name));
                continue;
            };
            if now.is_some_and(|open| open.place == place) {
                continue;
            }
            let ours = open.iter().any(|open| open.addresses.iter().any(|address| address.port() == place.1));
            match bind_each(&place.0, place.1) {
                Ok(sockets) => moves.bound.push((name, place, sockets)),
                Err(error) if ours && error.source.kind() == io::ErrorKind::AddrInUse => {
                    moves.later.push((name, place));
                }
                Err(error) => moves.failed.push((name, failed(name, error))),
            }
        }
        moves
    }

    /// Carries `moves` out: each new listener is served before its former self takes nobody any more. Returns what was
    /// done, in words, and what could not be had; those stay as they were.
    pub(crate) fn carry_out(
        &self,
        moves: Moves,
        serve: Serve<'_>,
    ) -> (Vec<String>, Vec<(&'static str, DaemonError)>) {
        let Moves { bound, later, closed, mut failed } = moves;
        let mut open = self.open.lock();
        let mut words = Vec::new();
        let mut opened = |open: &mut Vec<Open>, entry: Open| {
            let list: Vec<_> = entry.addresses.iter().map(ToString::to_string).collect();
            words.push(format!("{} listens on {}", entry.name, list.join(", ")));
            open.push(entry);
        };
        for (name, place, sockets) in bound {
            match begin(name, place, sockets, serve) {
                Ok(entry) => {
                    close(&mut open, name);
                    opened(&mut open, entry);
                }
                Err(error) => failed.push((name, error)),
            }
        }
        let former: Vec<Option<Place>> = later.iter().map(|(name, _)| close(&mut open, name)).collect();
        let mut homeless = Vec::new();
        for ((name, place), former) in later.into_iter().zip(former) {
            match bind_and_begin(name, place, serve) {
                Ok(entry) => opened(&mut open, entry),
                Err(error) => {
                    failed.push((name, error));
                    homeless.extend(former.map(|place| (name, place)));
                }
            }
        }
        for (name, place) in homeless {
            match bind_and_begin(name, place, serve) {
                Ok(entry) => open.push(entry),
                Err(error) => failed.push((name, error)),
            }
        }
        for name in closed {
            close(&mut open, name);
            words.push(format!("{name} listens no more"));
        }
        (words, failed)
    }

    /// Serves the listener called `name` anew, as with other options; nobody who calls meanwhile is lost.
    ///
    /// # Errors
    /// [`DaemonError::System`] when the system has no descriptor left; it goes on as before then.
    pub(crate) fn renew(&self, name: &str, serve: Serve<'_>) -> Result<(), DaemonError> {
        let mut open = self.open.lock();
        let Some(open) = open.iter_mut().find(|open| open.name == name) else { return Ok(()) };
        let sockets: io::Result<Vec<_>> = open.sockets.iter().map(second_handle).collect();
        let sockets: io::Result<Vec<_>> =
            sockets.and_then(|sockets| sockets.into_iter().map(TcpListener::from_std).collect());
        let retire = CancellationToken::new();
        for socket in sockets.map_err(system)? {
            serve(open.name, socket, retire.clone());
        }
        std::mem::replace(&mut open.retire, retire).cancel();
        Ok(())
    }

    /// Lets go of all sockets: their ports are free as soon as those who serve them have stopped.
    pub(crate) fn let_go(&self) {
        self.open.lock().clear();
    }
}

fn places(listeners: &Listeners) -> [(&'static str, Option<Place>); 5] {
    let of = |listener: &Option<streamer_control::config::ListenerConfig>| {
        listener.as_ref().map(|listener| (listener.bind.clone(), listener.port))
    };
    [
        ("rtmp", of(&listeners.rtmp)),
        ("rtmps", of(&listeners.rtmps)),
        ("http", of(&listeners.http)),
        ("https", of(&listeners.https)),
        ("api", listeners.api.as_ref().map(|api| (api.bind.clone(), api.port))),
    ]
}

fn failed(name: &str, source: streamer_net::BindError) -> DaemonError {
    DaemonError::Bind { place: format!("listeners.{name}"), source }
}

fn system(source: io::Error) -> DaemonError {
    DaemonError::System { what: "a handle of a listener", source }
}

fn second_handle(socket: &impl AsFd) -> io::Result<Socket> {
    socket.as_fd().try_clone_to_owned().map(Socket::from)
}

fn bind_and_begin(name: &'static str, place: Place, serve: Serve<'_>) -> Result<Open, DaemonError> {
    let sockets = bind_each(&place.0, place.1).map_err(|error| failed(name, error))?;
    begin(name, place, sockets, serve)
}

fn begin(
    name: &'static str,
    place: Place,
    listening: Vec<TcpListener>,
    serve: Serve<'_>,
) -> Result<Open, DaemonError> {
    let addresses = streamer_daemon::listeners::addresses(&listening)?;
    let sockets: io::Result<Vec<_>> = listening.iter().map(second_handle).collect();
    let open =
        Open { name, place, addresses, sockets: sockets.map_err(system)?, retire: CancellationToken::new() };
    for socket in listening {
        serve(name, socket, open.retire.clone());
    }
    Ok(open)
}

/// Takes nobody any more on the listener called `name`, and frees its port at once. Returns where it was.
fn close(open: &mut Vec<Open>, name: &str) -> Option<Place> {
    let position = open.iter().position(|open| open.name == name)?;
    let open = open.swap_remove(position);
    open.retire.cancel();
    for socket in &open.sockets {
        // Whoever serves it still has a handle; shut down, the socket listens no more all the same.
        if let Err(error) = SockRef::from(socket).shutdown(std::net::Shutdown::Both) {
            tracing::debug!(%error, name, "the socket of a former listener");
        }
    }
    Some(open.place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;
    use streamer_control::config::{ApiConfig, ListenerConfig};
    use streamer_net::bind;

    fn at(address: [u8; 4], port: u16) -> Option<ListenerConfig> {
        Some(ListenerConfig { bind: vec![address.into()], port })
    }

    fn on(port: u16) -> Option<ListenerConfig> {
        at([127, 0, 0, 1], port)
    }

    fn listeners(rtmp: Option<ListenerConfig>, http: Option<ListenerConfig>) -> Listeners {
        Listeners { rtmp, rtmps: None, http, https: None, api: None }
    }

    /// Serves by keeping the sockets.
    #[derive(Default)]
    struct Kept(Mutex<Vec<(&'static str, TcpListener, CancellationToken)>>);

    impl Kept {
        fn apply(&self, set: &ListenerSet, wanted: &Listeners) -> (Vec<String>, Vec<(&'static str, String)>) {
            let serve: Serve<'_> = &|name, socket, retire| self.0.lock().push((name, socket, retire));
            let (words, failed) = set.carry_out(set.plan(wanted), serve);
            (words, failed.into_iter().map(|(name, error)| (name, error.to_string())).collect())
        }

        fn retired(&self) -> Vec<bool> {
            self.0.lock().iter().map(|(_, _, retire)| retire.is_cancelled()).collect()
        }
    }

    #[tokio::test]
    async fn free_ports_are_the_same_on_each_address_of_a_listener() {
        let (set, kept) = (ListenerSet::default(), Kept::default());
        let api = Some(ApiConfig { port: 0, ..ApiConfig::default() });
        let wanted = Listeners { api, ..listeners(on(0), on(0)) };
        assert_eq!(kept.apply(&set, &wanted).1, []);
        let addresses = set.addresses();
        assert!(addresses.rtmps.is_empty() && addresses.https.is_empty());
        assert_ne!(addresses.rtmp[0].port(), addresses.http[0].port());
        let port = addresses.api[0].port();
        assert!(port != 0 && addresses.api.iter().all(|address| address.port() == port), "{addresses:?}");
        assert_eq!(set.seen().len(), 3);
        assert_eq!(kept.apply(&set, &wanted), (vec![], vec![]), "a second time it changes nothing");
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_its_listener_and_the_old_one_stays() {
        let (set, kept) = (ListenerSet::default(), Kept::default());
        kept.apply(&set, &listeners(on(0), on(0)));
        let before = set.addresses();
        let taken = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = taken.local_addr().unwrap().port();
        let (words, failed) = kept.apply(&set, &listeners(on(0), on(port)));
        let expected =
            format!("listeners.http: cannot listen on 127.0.0.1:{port}: another process has this port");
        assert_eq!((words, failed), (vec![], vec![("http", expected)]));
        assert_eq!((set.addresses(), kept.retired()), (before, vec![false, false]));
    }

    #[tokio::test]
    async fn a_listener_moves_and_its_old_port_is_free_at_once() {
        let (set, kept) = (ListenerSet::default(), Kept::default());
        kept.apply(&set, &listeners(on(0), on(0)));
        let before = set.addresses();
        let (words, failed) = kept.apply(&set, &listeners(at([127, 0, 0, 2], 0), None));
        assert_eq!(failed, []);
        let after = set.addresses();
        assert_eq!(words, [format!("rtmp listens on {}", after.rtmp[0]), "http listens no more".to_owned()]);
        assert_eq!(kept.retired(), [true, true, false]);
        TcpStream::connect(after.rtmp[0]).unwrap();
        for closed in [before.rtmp[0], before.http[0]] {
            assert!(TcpStream::connect(closed).is_err(), "though whoever serves it has it still");
            bind(closed).unwrap();
        }
    }

    #[tokio::test]
    async fn two_listeners_change_places() {
        let (set, kept) = (ListenerSet::default(), Kept::default());
        kept.apply(&set, &listeners(on(0), on(0)));
        let before = set.addresses();
        let (rtmp, http) = (before.rtmp[0].port(), before.http[0].port());
        kept.apply(&set, &listeners(on(rtmp), on(http)));
        assert_eq!(set.addresses(), before);
        let (_, failed) = kept.apply(&set, &listeners(on(http), on(rtmp)));
        assert_eq!(failed, []);
        let after = set.addresses();
        assert_eq!((after.rtmp[0].port(), after.http[0].port()), (http, rtmp));
        for address in [after.rtmp[0], after.http[0]] {
            TcpStream::connect(address).unwrap();
        }
    }

    #[tokio::test]
    async fn who_cannot_follow_another_is_where_it_was() {
        let (set, kept) = (ListenerSet::default(), Kept::default());
        kept.apply(&set, &listeners(on(0), on(0)));
        let before = set.addresses();
        // To the place of one that stays: whoever checks configurations refuses it, but the order may be anyone's.
        let (words, failed) = kept.apply(&set, &listeners(on(before.http[0].port()), on(0)));
        assert_eq!((words.len(), failed.len()), (0, 1), "{words:?} {failed:?}");
        assert_eq!(set.addresses().http, before.http);
        TcpStream::connect(set.addresses().rtmp[0]).unwrap();
    }

    #[tokio::test]
    async fn a_listener_is_served_anew_on_the_same_port() {
        let (set, kept) = (ListenerSet::default(), Kept::default());
        kept.apply(&set, &listeners(on(0), None));
        let before = set.addresses();
        let serve: Serve<'_> = &|name, socket, retire| kept.0.lock().push((name, socket, retire));
        set.renew("rtmp", serve).unwrap();
        set.renew("http", serve).unwrap();
        assert_eq!((set.addresses(), kept.retired()), (before.clone(), vec![true, false]));
        kept.0.lock().remove(0);
        TcpStream::connect(before.rtmp[0]).unwrap();
        let (_, socket, _) = kept.0.lock().pop().unwrap();
        socket.accept().await.unwrap();
    }
}
