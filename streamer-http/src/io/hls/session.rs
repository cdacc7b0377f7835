//! Viewers of HLS: each is one entry of the hub for as long as it asks, and a pass where it came with credentials.
//!
//! A viewer who gave no credentials is known by its address and its user agent, so that no answer needs a name
//! of its own in it and caches may keep them all. Who gave some is given a pass, which stands for them in all
//! that follows: they may expire, and who does not have them gets no segment.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use parking_lot::Mutex;
use streamer_core::StreamKey;
use streamer_core::hub::{Broadcast, Viewer, ViewerInfo};
use tokio::time::{Instant, sleep};

use crate::options::Client;
use crate::proto::hls::Pass;
use crate::proto::refusal::Refusal;

/// A viewer that has asked for nothing for so long has left: players ask at least once a segment, which is at
/// most ten seconds, and some let a few go by.
pub const VIEWER_IDLE: Duration = Duration::from_secs(30);
/// A pass that was not used for so long is void: as long as a viewer may leave a player paused.
pub const PASS_IDLE: Duration = Duration::from_secs(600);
/// How long a viewer whom an operator has put out is refused: longer than any player tries again by itself.
pub const REFUSED_FOR: Duration = Duration::from_secs(60);
/// Viewers and passes over all streams; each costs some 300 bytes. Four times what one stream may have.
pub const MAX_SESSIONS: usize = 200_000;
/// How often those who left are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// By what a viewer is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    Pass(Pass),
    /// A hash over stream, container, address and user agent.
    Client(u64),
}

struct Session {
    /// What a pass is good for; empty without one.
    keys: Vec<StreamKey>,
    /// Credentials, viewer and stream as a hash: who comes again with the same ones gets the same pass.
    origin: u64,
    viewer: Option<Arc<Viewer>>,
    used_at: Instant,
    refused_until: Option<Instant>,
}

#[derive(Default)]
struct Table {
    sessions: HashMap<Identity, Session>,
    passes: HashMap<u64, Pass>,
    sweeping: bool,
}

impl Table {
    fn check_room(&self) -> Result<(), Refusal> {
        let full = self.sessions.len() >= MAX_SESSIONS;
        let sentence = "The server has as many viewers as it may.";
        if full { Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, sentence)) } else { Ok(()) }
    }

    /// Forgets who left.
    fn sweep(&mut self, now: Instant) {
        let passes = &mut self.passes;
        self.sessions.retain(|_, session| {
            let idle = now.duration_since(session.used_at);
            session.heed_closing(now);
            if idle >= VIEWER_IDLE {
                session.viewer = None;
            }
            let kept = if session.keys.is_empty() {
                session.viewer.is_some() || session.refused_until.is_some_and(|until| until > now)
            } else {
                idle < PASS_IDLE
            };
            if !kept {
                passes.remove(&session.origin);
            }
            kept
        });
    }
}

impl Session {
    fn new(keys: Vec<StreamKey>, origin: u64, now: Instant) -> Self {
        Self { keys, origin, viewer: None, used_at: now, refused_until: None }
    }

    /// A viewer whom somebody closed is no viewer any more and is refused for a while.
    fn heed_closing(&mut self, now: Instant) {
        if self.viewer.as_ref().is_some_and(|viewer| viewer.close_reason().is_some()) {
            self.viewer = None;
            self.refused_until = Some(now + REFUSED_FOR);
        }
    }

    fn check(&mut self, now: Instant) -> Result<(), Refusal> {
        self.heed_closing(now);
        match self.refused_until {
            Some(until) if until > now => Err(Refusal::new(StatusCode::FORBIDDEN, "The viewer was put out.")),
            _ => {
                self.refused_until = None;
                Ok(())
            }
        }
    }
}

/// All viewers of one [`Hls`](super::Hls). Cloning it clones a handle.
#[derive(Clone, Default)]
pub(crate) struct Sessions {
    table: Arc<Mutex<Table>>,
    hasher: RandomState,
}

impl Sessions {
    /// The identity of a viewer without credentials.
    pub(crate) fn client(&self, scope: impl Hash, client: Client, user_agent: &[u8]) -> Identity {
        Identity::Client(self.hasher.hash_one((scope, client.address.ip(), user_agent)))
    }

    /// A pass for `keys`, given for the credentials in `query` to a viewer known as `identity`; the same one if it
    /// was given before. `random` makes a new one.
    pub(crate) fn grant(
        &self,
        identity: Identity,
        credentials: &str,
        keys: Vec<StreamKey>,
        random: u128,
    ) -> Result<Pass, Refusal> {
        let now = Instant::now();
        let origin = self.hasher.hash_one((identity, credentials));
        let mut table = self.table.lock();
        let held = table.passes.get(&origin).copied();
        if let Some(pass) = held
            && let Some(session) = table.sessions.get_mut(&Identity::Pass(pass))
        {
            session.check(now)?;
            (session.keys, session.used_at) = (keys, now);
            return Ok(pass);
        }
        table.check_room()?;
        let pass = Pass(random);
        table.passes.insert(origin, pass);
        table.sessions.insert(Identity::Pass(pass), Session::new(keys, origin, now));
        self.keep_swept(&mut table);
        Ok(pass)
    }

    /// Whether `pass` is good for `key`; using it renews it.
    pub(crate) fn honour(&self, pass: Pass, key: &StreamKey) -> Result<(), Refusal> {
        let now = Instant::now();
        let mut table = self.table.lock();
        let session = table.sessions.get_mut(&Identity::Pass(pass));
        match session.filter(|session| session.keys.contains(key)) {
            Some(session) if now.duration_since(session.used_at) < PASS_IDLE => {
                session.check(now)?;
                session.used_at = now;
                Ok(())
            }
            _ => Err(Refusal::new(StatusCode::FORBIDDEN, "The pass is not valid for this stream any more.")),
        }
    }

    /// The entry in `broadcast` of the viewer known as `identity`, made now if there is none.
    pub(crate) fn enter(
        &self,
        identity: Identity,
        broadcast: &Broadcast,
        protocol: &'static str,
        client: Client,
    ) -> Result<Arc<Viewer>, Refusal> {
        let now = Instant::now();
        let mut table = self.table.lock();
        if !table.sessions.contains_key(&identity) {
            table.check_room()?;
        }
        let session = table.sessions.entry(identity).or_insert_with(|| Session::new(Vec::new(), 0, now));
        session.check(now)?;
        session.used_at = now;
        if let Some(viewer) = session.viewer.as_ref().filter(|viewer| viewer.watches(broadcast)) {
            return Ok(Arc::clone(viewer));
        }
        let admitted = broadcast.admit(ViewerInfo::remote(protocol, Some(client.address)));
        let viewer = match admitted {
            Ok(viewer) => Arc::new(viewer),
            Err(error) => {
                if session.keys.is_empty() {
                    table.sessions.remove(&identity);
                }
                return Err(Refusal::from(&error));
            }
        };
        session.viewer = Some(Arc::clone(&viewer));
        self.keep_swept(&mut table);
        Ok(viewer)
    }

    /// Viewers and passes held.
    pub(crate) fn count(&self) -> usize {
        self.table.lock().sessions.len()
    }

    /// Sees that somebody looks for those who left, for as long as there is anybody.
    fn keep_swept(&self, table: &mut Table) {
        if table.sweeping {
            return;
        }
        table.sweeping = true;
        let shared = Arc::downgrade(&self.table);
        tokio::spawn(async move {
            loop {
                sleep(SWEEP_INTERVAL).await;
                let Some(table) = shared.upgrade() else { return };
                let mut table = table.lock();
                table.sweep(Instant::now());
                if table.sessions.is_empty() {
                    table.sweeping = false;
                    return;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use streamer_core::hub::{AppOptions, CloseReason, PublisherInfo};
    use streamer_core::{Publisher, Registry};
    use tokio::time::advance;

    use super::*;

    const CLIENT: Client = Client {
        address: std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1),
        encrypted: false,
    };

    fn key(name: &str) -> StreamKey {
        StreamKey::new("live", name).unwrap()
    }

    fn publish(max_viewers: usize) -> (Publisher, Broadcast) {
        let registry = Registry::new(AppOptions { max_viewers, ..AppOptions::default() });
        let publisher = registry.publish(&key("a"), PublisherInfo::default()).unwrap();
        let broadcast = publisher.broadcast();
        (publisher, broadcast)
    }

    fn status<T>(result: Result<T, Refusal>) -> u16 {
        result.map_or_else(|refusal| refusal.status.as_u16(), |_| 200)
    }

    #[tokio::test(start_paused = true)]
    async fn a_viewer_is_one_entry_until_it_asks_no_more() {
        let (_publisher, broadcast) = publish(2);
        let sessions = Sessions::default();
        let enter = |agent: &[u8]| {
            let identity = sessions.client(key("a"), CLIENT, agent);
            status(sessions.enter(identity, &broadcast, "hls", CLIENT))
        };
        assert_eq!([enter(b"a"), enter(b"a"), enter(b"b"), enter(b"c")], [200, 200, 200, 503]);
        assert_eq!((broadcast.viewer_count(), sessions.count()), (2, 2));
        advance(VIEWER_IDLE - Duration::from_secs(1)).await;
        assert_eq!(enter(b"b"), 200);
        sleep(SWEEP_INTERVAL + Duration::from_millis(1)).await;
        assert_eq!(broadcast.viewer_count(), 1);
        sleep(VIEWER_IDLE + SWEEP_INTERVAL).await;
        assert_eq!((broadcast.viewer_count(), sessions.count()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_put_out_stays_out_for_a_while() {
        let (_publisher, broadcast) = publish(9);
        let sessions = Sessions::default();
        let identity = sessions.client(key("a"), CLIENT, b"");
        let enter = || status(sessions.enter(identity, &broadcast, "hls", CLIENT));
        assert_eq!(enter(), 200);
        assert!(broadcast.viewers()[0].close(CloseReason::Kicked));
        assert_eq!(enter(), 403);
        assert_eq!(broadcast.viewer_count(), 0);
        sleep(REFUSED_FOR - Duration::from_millis(1)).await;
        assert_eq!(enter(), 403);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(enter(), 200);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_is_good_for_its_streams_while_it_is_used() {
        let sessions = Sessions::default();
        let viewer = sessions.client(key("a"), CLIENT, b"");
        let pass = sessions.grant(viewer, "token=1", vec![key("a")], 7).unwrap();
        assert_eq!(pass, Pass(7));
        assert_eq!(sessions.grant(viewer, "token=1", vec![key("a")], 8).unwrap(), pass);
        assert_ne!(sessions.grant(viewer, "token=2", vec![key("a")], 9).unwrap(), pass);
        assert_eq!(status(sessions.honour(pass, &key("b"))), 403);
        assert_eq!(status(sessions.honour(Pass(8), &key("a"))), 403);
        for _ in 0..3 {
            advance(PASS_IDLE - Duration::from_secs(1)).await;
            assert_eq!(status(sessions.honour(pass, &key("a"))), 200);
        }
        advance(PASS_IDLE).await;
        assert_eq!(status(sessions.honour(pass, &key("a"))), 403);
        sleep(SWEEP_INTERVAL).await;
        assert_eq!(sessions.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_viewer_of_a_pass_that_was_put_out_is_refused_by_pass_and_by_credentials() {
        let (_publisher, broadcast) = publish(9);
        let sessions = Sessions::default();
        let viewer = sessions.client(key("a"), CLIENT, b"");
        let pass = sessions.grant(viewer, "token=1", vec![key("a")], 7).unwrap();
        sessions.enter(Identity::Pass(pass), &broadcast, "hls", CLIENT).unwrap();
        assert!(broadcast.viewers()[0].close(CloseReason::Kicked));
        assert_eq!(status(sessions.honour(pass, &key("a"))), 403);
        assert_eq!(status(sessions.grant(viewer, "token=1", vec![key("a")], 8)), 403);
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_at_their_limit() {
        let sessions = Sessions::default();
        for number in 0..MAX_SESSIONS as u64 {
            sessions.grant(Identity::Client(number), "", vec![key("a")], number.into()).unwrap();
        }
        assert_eq!(status(sessions.grant(Identity::Client(0), "x", Vec::new(), u128::MAX)), 503);
    }
}
