//! Counters of the media port. They only grow; rates belong to whoever samples them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use streamer_net::AcceptStats;

/// A counter that the port raises and anyone reads.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Its value now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What happened on a media port. Frames and bytes are counted per viewer by the hub.
#[derive(Debug, Default)]
pub struct HttpStats {
    /// Connections: open, accepted, refused and why.
    pub connections: Arc<AcceptStats>,
    /// Requests with a complete header.
    pub requests: Counter,
    /// Viewers that HTTP-FLV was begun for.
    pub flv_viewers: Counter,
    /// Viewers that MPEG-TS over HTTP was begun for.
    pub ts_viewers: Counter,
    /// Viewers that a live body over WebSocket was begun for.
    pub websocket_viewers: Counter,
    /// Requests for multivariant playlists of HLS.
    pub hls_multivariant_playlists: Counter,
    /// Requests for media playlists of HLS, those that wait included.
    pub hls_media_playlists: Counter,
    /// Requests for media playlists that were to be held until media had come.
    pub hls_blocking_reloads: Counter,
    /// Those of them that were answered without what they waited for.
    pub hls_late_reloads: Counter,
    /// Requests for segments.
    pub hls_segments: Counter,
    /// Requests for partial segments.
    pub hls_parts: Counter,
    /// Requests for initialization sections.
    pub hls_sections: Counter,
    /// Requests for manifests of DASH.
    pub dash_manifests: Counter,
    /// Answers 304 to requests for HLS or DASH.
    pub hls_not_modified: Counter,
    /// Answers 404: no such path, no such stream.
    pub not_found: Counter,
    /// Answers 403: no token, a wrong or an expired one, a page of another origin.
    pub forbidden: Counter,
    /// Answers 503: no room, or no decision.
    pub unavailable: Counter,
    /// Other answers of 4xx.
    pub bad_requests: Counter,
    /// Connections that broke off or broke HTTP or WebSocket.
    pub protocol_errors: Counter,
    /// Connections cut because a header did not come in time.
    pub header_timeouts: Counter,
    /// Peers cut because they took nothing of what was written to them.
    pub write_stalls: Counter,
}

impl HttpStats {
    pub(crate) fn count_refusal(&self, status: StatusCode) {
        match status {
            StatusCode::NOT_FOUND => &self.not_found,
            StatusCode::FORBIDDEN => &self.forbidden,
            StatusCode::SERVICE_UNAVAILABLE => &self.unavailable,
            _ => &self.bad_requests,
        }
        .increment();
    }
}
