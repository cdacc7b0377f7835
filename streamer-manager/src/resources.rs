//! Watches what may run short, and tells of it before it does: the disk of the data folder, and the connections that the
//! engine's listeners take.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::clock::Clock;
use crate::configuration::Configuration;
use crate::event::Event;
use crate::view::{EngineClient, Events};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Share in use, per cent, from which something counts as short.
pub const SHORT_AT_PER_CENT: u64 = 90;
/// Share in use, per cent, below which it does no more: apart from the other, so that a value that wavers is told of once.
pub const FINE_BELOW_PER_CENT: u64 = 85;

/// One thing that may run short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Gauge {
    short: bool,
}

impl Gauge {
    /// Takes note of `used` of `total`; tells when that is news.
    fn look(&mut self, used: u64, total: u64) -> Option<News> {
        let per_cent = u128::from(used) * 100 / u128::from(total.max(1));
        if !self.short && per_cent >= u128::from(SHORT_AT_PER_CENT) {
            self.short = true;
            return Some(News::Short);
        }
        if self.short && per_cent < u128::from(FINE_BELOW_PER_CENT) {
            self.short = false;
            return Some(News::Fine);
        }
        None
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Short,
    Fine,
}

/// Room on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskRoom {
    /// Size, bytes.
    pub total_bytes: u64,
    /// What is left for a process without privileges, bytes.
    pub available_bytes: u64,
}

/// Room on the disk that `folder` lies on.
///
/// # Errors
/// As the system fails.
pub fn disk_room(folder: &Path) -> io::Result<DiskRoom> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(DiskRoom {
        total_bytes: disk.f_blocks.saturating_mul(disk.f_frsize),
        available_bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
    })
}

/// The watch over a manager and its engine.
pub struct Resources {
    /// Folder of the manager's data.
    pub data_dir: PathBuf,
    /// Where the limit of connections stands.
    pub configuration: Configuration,
    /// Who tells of the connections.
    pub engine: EngineClient,
    /// Where it is told.
    pub events: Events,
    /// The time.
    pub clock: Clock,
}

impl Resources {
    /// Looks every few seconds, until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut disk = Gauge::default();
        let mut listeners: HashMap<String, Gauge> = HashMap::new();
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = looks.tick() => {}
            }
            match disk_room(&self.data_dir) {
                Ok(room) => self.tell(disk_news(&mut disk, &self.data_dir, room)),
                Err(error) => warn!(%error, "the room on the disk is not known"),
            }
            // Without an engine there is nothing to run short.
            let Ok(found) = self.engine.snapshot().await else { continue };
            let max = self.configuration.current().document.engine.settings.limits.max_connections as u64;
            for listener in found.listeners.into_iter().filter(|listener| listener.name != "api") {
                let gauge = listeners.entry(listener.name.clone()).or_default();
                self.tell(listener_news(gauge, &listener.name, listener.connections, max));
            }
        }
    }

    fn tell(&self, event: Option<Event>) {
        if let Some(event) = event {
            let now = self.clock.now_unix_ms();
            self.events.tell(now, now, event);
        }
    }
}

fn disk_news(gauge: &mut Gauge, path: &Path, room: DiskRoom) -> Option<Event> {
    let DiskRoom { total_bytes, available_bytes } = room;
    let path = path.display().to_string();
    Some(match gauge.look(total_bytes.saturating_sub(available_bytes), total_bytes)? {
        News::Short => Event::DiskLow { path, available_bytes, total_bytes },
        News::Fine => Event::DiskRecovered { path, available_bytes, total_bytes },
    })
}

fn listener_news(gauge: &mut Gauge, listener: &str, connections: u64, max_connections: u64) -> Option<Event> {
    let listener = listener.to_owned();
    Some(match gauge.look(connections, max_connections)? {
        News::Short => Event::LimitNear { listener, connections, max_connections },
        News::Fine => Event::LimitRelieved { listener, connections, max_connections },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_short_is_told_once_and_so_is_its_end() {
        let mut gauge = Gauge::default();
        let told: Vec<_> = [89, 90, 95, 89, 85, 90, 84, 89, 100].map(|used| gauge.look(used, 100)).into();
        let (short, fine) = (Some(News::Short), Some(News::Fine));
        assert_eq!(told, [None, short, None, None, None, None, fine, None, short]);
        assert_eq!(Gauge::default().look(0, 0), None);
        assert_eq!(Gauge::default().look(u64::MAX, u64::MAX), short);
    }

    #[test]
    fn a_disk_is_measured_by_what_is_left_of_it() {
        let (mut gauge, path) = (Gauge::default(), Path::new("/data"));
        let room = |available_bytes| DiskRoom { total_bytes: 1_000, available_bytes };
        assert_eq!(disk_news(&mut gauge, path, room(101)), None);
        let low = Event::DiskLow { path: "/data".into(), available_bytes: 100, total_bytes: 1_000 };
        assert_eq!(disk_news(&mut gauge, path, room(100)), Some(low));
        let fine = Event::DiskRecovered { path: "/data".into(), available_bytes: 200, total_bytes: 1_000 };
        assert_eq!(disk_news(&mut gauge, path, room(200)), Some(fine));
        let here = disk_room(&std::env::temp_dir()).unwrap();
        assert!(here.total_bytes >= here.available_bytes && here.total_bytes > 0);
    }

    #[test]
    fn a_listener_is_measured_by_its_limit() {
        let mut gauge = Gauge::default();
        let near = Event::LimitNear { listener: "http".into(), connections: 9, max_connections: 10 };
        assert_eq!(listener_news(&mut gauge, "http", 9, 10), Some(near));
        let relieved = Event::LimitRelieved { listener: "http".into(), connections: 1, max_connections: 10 };
        assert_eq!(listener_news(&mut gauge, "http", 1, 10), Some(relieved));
    }
}
