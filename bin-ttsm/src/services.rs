//! The services that stand on the manager's store: REST, video on demand, webhooks, and the watch over what runs short.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use streamer_control::config::{Loaded, ManagerConfig};
use streamer_control::link::engine_api::ListenerBody;
use streamer_http::AllowedOrigins;
use streamer_manager::event::ManagerEvent;
use streamer_manager::view::Events;
use streamer_manager::webhook::{WebhookEvent, Webhooks};
use streamer_net::AcceptStats;
use streamer_vod::{Library, Vod, VodOptions};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::MANAGER;
use crate::error::ManagerError;
use crate::manager::Addresses;

/// Folder of video on demand in the data folder, unless another one is configured.
pub(crate) const VOD_FOLDER: &str = "vod";
/// Pause between two looks for uploads that nobody finished.
const EXPIRE_UPLOADS_EVERY: Duration = Duration::from_secs(10 * 60);

/// Video on demand as configured; its folder in the data folder is made if it is not there.
///
/// # Errors
/// [`ManagerError::Vod`].
pub(crate) fn vod(loaded: &Loaded<ManagerConfig>, data_dir: &Path) -> Result<Vod, ManagerError> {
    let config = &loaded.config.vod;
    let root = match &config.root {
        Some(root) => loaded.resolve(root),
        None => made(data_dir.join(VOD_FOLDER))?,
    };
    let options = VodOptions {
        roots: vec![root],
        segment_target: Duration::from_millis(config.segment_ms),
        allowed_origins: match &config.allowed_origins {
            None => AllowedOrigins::Any,
            Some(list) if list.is_empty() => AllowedOrigins::None,
            Some(list) => AllowedOrigins::Listed(list.clone()),
        },
        ..VodOptions::default()
    };
    Ok(Vod::open(options)?)
}

fn made(folder: PathBuf) -> Result<PathBuf, ManagerError> {
    match DirBuilder::new().recursive(true).mode(0o700).create(&folder) {
        Ok(()) => Ok(folder),
        Err(source) => Err(streamer_vod::VodError::Root { path: folder, source }.into()),
    }
}

/// Takes away uploads that nobody finished, until `shutdown`.
pub(crate) async fn expire_uploads(library: Library, shutdown: CancellationToken) {
    let mut looks = interval(EXPIRE_UPLOADS_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = looks.tick() => {}
        }
        match library.expire_uploads().await {
            Ok(0) => {}
            Ok(count) => info!(count, "uploads that nobody finished are taken away"),
            Err(error) => warn!(%error, "uploads that nobody finished stay"),
        }
    }
}

/// Hands each event to the webhooks, until `shutdown`.
pub(crate) async fn tell_webhooks(events: Events, webhooks: Webhooks, shutdown: CancellationToken) {
    let mut coming = events.subscribe();
    loop {
        let received = tokio::select! {
            received = coming.recv() => received,
            () = shutdown.cancelled() => return,
        };
        match received {
            Ok(event) => tell(&webhooks, &event).await,
            Err(RecvError::Lagged(missed)) => {
                warn!(missed, "events came faster than the store takes them: webhooks miss some");
            }
            Err(RecvError::Closed) => return,
        }
    }
}

async fn tell(webhooks: &Webhooks, event: &ManagerEvent) {
    let event = WebhookEvent {
        id: event.id.to_string(),
        kind: event.event.kind().to_owned(),
        at_unix_ms: event.at_unix_ms,
        body: serde_json::to_string(event).unwrap_or_default(),
    };
    if let Err(error) = webhooks.notify(&event).await {
        warn!(%error, event = event.id, "webhooks miss an event");
    }
}

/// The manager's listeners as they are.
pub(crate) fn listeners(
    addresses: &Addresses,
    stats: &[(&'static str, Arc<AcceptStats>)],
) -> Vec<ListenerBody> {
    let connections =
        |name| stats.iter().find(|(other, _)| *other == name).map_or(0, |(_, stats)| stats.open());
    [
        ("config", "tcp", &addresses.config),
        ("rest", "tcp", &addresses.rest),
        ("vod", "tcp", &addresses.vod),
        ("events", "udp", &addresses.events),
    ]
    .into_iter()
    .filter(|(_, _, addresses)| !addresses.is_empty())
    .map(|(name, transport, addresses)| ListenerBody {
        process: MANAGER.process.to_owned(),
        name: name.to_owned(),
        transport: transport.to_owned(),
        addresses: addresses.clone(),
        connections: connections(name) as u64,
    })
    .collect()
}
