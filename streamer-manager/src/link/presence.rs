//! The engine as it has shown itself: where its API is, what it follows, what it made of the configuration.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use streamer_control::link::manager_api::{AppliedReport, ConfigVersion, FollowRequest};
use tokio::sync::watch;

/// Addresses of an engine's API that are kept: one would do, a machine has a handful.
pub const MAX_API_ADDRESSES: usize = 16;

/// An engine that asked for its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineSeen {
    /// Names its run.
    pub run: String,
    /// Version of its program.
    pub program_version: String,
    /// Where its API listens.
    pub api: Vec<SocketAddr>,
    /// The configuration it had when it asked last.
    pub known: Option<ConfigVersion>,
    /// When it asked last, Unix milliseconds.
    pub asked_unix_ms: u64,
}

impl EngineSeen {
    /// The address at which to call its API: the first, and loopback where it listens on every address.
    #[must_use]
    pub fn api_address(&self) -> Option<SocketAddr> {
        let address = self.api.first()?;
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        Some(SocketAddr::new(ip, address.port()))
    }
}

/// What became of a configuration, and when that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// When it came, Unix milliseconds.
    pub at_unix_ms: u64,
    /// What it says.
    pub report: AppliedReport,
}

/// What is known of the engine by its own calls. Clones are handles on the same.
#[derive(Clone, Debug, Default)]
pub struct Presence(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    seen: watch::Sender<Option<EngineSeen>>,
    report: Mutex<Option<Report>>,
}

impl Presence {
    /// Notes who asked at `now_unix_ms`. Whoever [follows](Self::subscribe) is woken by another run or address only.
    pub fn saw(&self, request: FollowRequest, now_unix_ms: u64) {
        let FollowRequest { engine, program_version, mut api, known, wait_ms: _ } = request;
        api.truncate(MAX_API_ADDRESSES);
        let new = EngineSeen { run: engine, program_version, api, known, asked_unix_ms: now_unix_ms };
        self.0.seen.send_if_modified(|seen| {
            let same = seen.as_ref().is_some_and(|seen| seen.run == new.run && seen.api == new.api);
            *seen = Some(new);
            !same
        });
    }

    /// The engine that asked last.
    #[must_use]
    pub fn seen(&self) -> Option<EngineSeen> {
        self.0.seen.borrow().clone()
    }

    /// The engine that asked last, and a wake-up with each other run or address.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Option<EngineSeen>> {
        self.0.seen.subscribe()
    }

    /// Keeps what an engine made of its configuration.
    pub fn reported(&self, report: AppliedReport, now_unix_ms: u64) {
        *self.0.report.lock() = Some(Report { at_unix_ms: now_unix_ms, report });
    }

    /// What an engine made of its configuration, told last.
    #[must_use]
    pub fn last_report(&self) -> Option<Report> {
        self.0.report.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(run: &str, addresses: usize) -> FollowRequest {
        FollowRequest {
            engine: run.into(),
            program_version: "1".into(),
            api: vec!["[::]:8087".parse().unwrap(); addresses],
            known: None,
            wait_ms: 0,
        }
    }

    #[test]
    fn another_run_wakes_and_the_same_does_not() {
        let presence = Presence::default();
        let mut followed = presence.subscribe();
        presence.saw(request("a", 1), 1);
        assert!(followed.has_changed().unwrap());
        followed.mark_unchanged();
        presence.saw(request("a", 1), 2);
        assert!(!followed.has_changed().unwrap());
        assert_eq!(presence.seen().unwrap().asked_unix_ms, 2);
        presence.saw(request("b", 1), 3);
        assert!(followed.has_changed().unwrap());
    }

    #[test]
    fn addresses_at_their_limit_and_one_that_can_be_called() {
        let presence = Presence::default();
        presence.saw(request("a", MAX_API_ADDRESSES + 1), 1);
        let seen = presence.seen().unwrap();
        assert_eq!(seen.api.len(), MAX_API_ADDRESSES);
        assert_eq!(seen.api_address(), Some("[::1]:8087".parse().unwrap()));
        presence.saw(request("a", 0), 1);
        assert_eq!(presence.seen().unwrap().api_address(), None);
    }
}
