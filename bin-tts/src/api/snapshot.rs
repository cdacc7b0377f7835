//! All that a manager follows, at once.

use std::net::SocketAddr;
use std::time::SystemTime;

use axum::extract::State;
use streamer_control::link::engine_api::{ListenerBody, Snapshot, StreamViewerBody};

use super::envelope::Data;
use super::{ApiState, view};
use crate::ENGINE;
use crate::listeners::Addresses;

/// Takes it. The number of the last event is read first: whatever it counts is in what is gathered afterwards, and what
/// happens meanwhile is told again by an event with a higher number.
pub(super) async fn take(State(state): State<ApiState>) -> Data<Snapshot> {
    let seq = state.link.seq();
    let streams = state.observer.streams();
    let viewers = streams.iter().flat_map(|stream| {
        let key = stream.broadcast.key();
        let viewers = stream.broadcast.viewers();
        viewers.into_iter().map(|viewer| StreamViewerBody {
            app: key.app.to_string(),
            stream: key.stream.to_string(),
            viewer: view::viewer(&viewer),
        })
    });
    let viewers = viewers.collect();
    let now = SystemTime::now();
    Data(Snapshot {
        engine: state.link.run.clone(),
        seq,
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_ms: u64::try_from(state.link.uptime().as_millis()).unwrap_or(u64::MAX),
        config: state.link.version(),
        listeners: listeners(&state),
        process: state.usage.now(),
        streams: streams.iter().map(|stream| view::stream(stream, now)).collect(),
        tasks: state.tasks.views().into_iter().map(|task| view::task(&state.observer, task)).collect(),
        viewers,
    })
}

fn listeners(state: &ApiState) -> Vec<ListenerBody> {
    let Addresses { rtmp, rtmps, http, https, api } = state.listeners.addresses();
    let listeners = [("rtmp", rtmp), ("rtmps", rtmps), ("http", http), ("https", https), ("api", api)];
    let body = |(name, addresses): (&'static str, Vec<SocketAddr>)| ListenerBody {
        process: ENGINE.process.to_owned(),
        name: name.to_owned(),
        transport: "tcp".to_owned(),
        addresses,
        connections: state.listeners.counters(name).map_or(0, |of| of.connections.open() as u64),
    };
    listeners.into_iter().filter(|(_, addresses)| !addresses.is_empty()).map(body).collect()
}
