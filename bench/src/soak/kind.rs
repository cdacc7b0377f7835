//! The kinds of guests: how many come, how long they stay, and which streams they are after.

use std::ops::Range;

use serde::Serialize;

/// What a guest does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Publishes a few frames.
    Flapping,
    /// Publishes for seconds, leaves, and comes back within the grace time or after it.
    Returning,
    Rtmp,
    HttpFlv,
    WsFlv,
    HttpTs,
    /// Follows the playlist of MPEG-TS segments.
    HlsSegments,
    /// Follows the Low-Latency playlist with blocking reloads.
    HlsParts,
    /// Plays by RTMP, and reads nothing after the first media.
    StalledRtmp,
    /// Asks for HTTP-FLV and reads nothing.
    StalledFlv,
    /// Sends some or all of a handshake and no more.
    HalfOpenRtmp,
    /// Sends some of a request's head and no more.
    HalfOpenHttp,
    /// Sends what no server should have to see.
    Malformed,
}

impl Kind {
    /// Whether there is something that its guests come for, and can see that they have it.
    pub(super) fn is_served(self) -> bool {
        self <= Self::StalledRtmp
    }
}

/// Which streams a guest is after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Streams {
    /// Those of [`Kind::Flapping`].
    Flapping,
    /// Those of [`Kind::Returning`].
    Returning,
    /// The one that is always there, or one of the others.
    Any,
    /// The one that is always there, or one of [`Kind::Returning`], on which there are segments to be had.
    Lasting,
}

/// The guests of one kind.
#[derive(Debug, Clone)]
pub(super) struct Visits {
    pub(super) kind: Kind,
    pub(super) per_s: f64,
    pub(super) stay_ms: Range<u64>,
    pub(super) streams: Streams,
}

/// Of all viewers, by protocol; the rest of the hundred are those that stall.
const SHARES: [(Kind, f64, Range<u64>, Streams); 8] = [
    (Kind::Rtmp, 0.27, 20..1_500, Streams::Any),
    (Kind::HttpFlv, 0.27, 20..1_500, Streams::Any),
    (Kind::WsFlv, 0.20, 20..1_500, Streams::Any),
    (Kind::HttpTs, 0.10, 20..1_500, Streams::Any),
    // A first answer takes a few GOPs when nobody has asked before.
    (Kind::HlsSegments, 0.07, 500..9_000, Streams::Lasting),
    (Kind::HlsParts, 0.07, 500..9_000, Streams::Lasting),
    // Some stay until the server cuts them after its write stall timeout.
    (Kind::StalledRtmp, 0.01, 1_000..30_000, Streams::Lasting),
    (Kind::StalledFlv, 0.01, 1_000..30_000, Streams::Lasting),
];
/// Publishers that come back, per second: so many streams of [`RETURNING_STREAMS`] are there half of the time.
const RETURNING_PER_S: f64 = 0.5;
/// Connections that begin something and no more, per second, of each protocol. Some stay until the server cuts them after
/// its handshake and header timeouts.
const HALF_OPEN_PER_S: f64 = 10.0;
/// Malformed inputs per second: each parser sees each seed within minutes.
const MALFORMED_PER_S: f64 = 50.0;
/// Few names for many publishers: the same stream ends and begins within its grace time, and is published twice.
pub(super) const FLAPPING_STREAMS: usize = 24;
pub(super) const RETURNING_STREAMS: usize = 4;

/// All guests, when so many flapping publishers and viewers are to come each second.
pub(super) fn visits(publishers_per_s: f64, viewers_per_s: f64) -> Vec<Visits> {
    let others = [
        (Kind::Flapping, publishers_per_s, 10..400, Streams::Flapping),
        (Kind::Returning, RETURNING_PER_S, 1_500..14_000, Streams::Returning),
        (Kind::HalfOpenRtmp, HALF_OPEN_PER_S, 10..12_000, Streams::Any),
        (Kind::HalfOpenHttp, HALF_OPEN_PER_S, 10..12_000, Streams::Any),
        (Kind::Malformed, MALFORMED_PER_S, 10..1_000, Streams::Any),
    ];
    let viewers =
        SHARES.map(|(kind, share, stay_ms, streams)| (kind, share * viewers_per_s, stay_ms, streams));
    let all = others.into_iter().chain(viewers);
    all.map(|(kind, per_s, stay_ms, streams)| Visits { kind, per_s, stay_ms, streams }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_make_a_whole() {
        let all = visits(50.0, 300.0);
        let viewers: f64 = all
            .iter()
            .filter(|of| (Kind::Rtmp..=Kind::StalledFlv).contains(&of.kind))
            .map(|of| of.per_s)
            .sum();
        assert!((viewers - 300.0).abs() < 1e-6, "{viewers}");
        assert!(all.iter().all(|of| of.stay_ms.start < of.stay_ms.end));
    }
}
