//! Live streams over HTTP: HLS, HTTP-FLV and WebSocket-FLV on one media port, over hyper.
//!
//! [`run`] serves a listener with nothing but a [`Gateway`](streamer_core::Gateway); [`serve_connection`]
//! serves one connection from anywhere. What a viewer asks for is one URL:
//!
//! | request | answer |
//! |---|---|
//! | `GET /{app}/{stream}/play.flv`, or the short form `GET /{app}/{stream}.flv` | the stream as FLV, without end |
//! | `GET /{app}/{stream}/play.ts` | the stream as MPEG-TS, without end |
//! | the same with `Upgrade: websocket` | the same bytes as binary messages |
//! | `GET /{app}/{stream}/playlist.m3u8`, `playlist_sfm4s.m3u8` | HLS in MPEG-TS or in fMP4, see below |
//! | `GET /{app}/{stream}/media/{rendition}/{file}` | what those playlists refer to |
//! | `HEAD` | the header fields of the answer to `GET` |
//! | `OPTIONS` | what a browser asks before it lets a page read |
//! | `?only-audio`, `?only-video` | one of the two (also `=1`, `=0`) |
//! | `?enhanced=1`, `?enhanced=0` | which dialect, see below |
//! | anything else | [`Fallback`], or 404 |
//!
//! # How a body leaves
//!
//! The FLV of a stream is made once, as a form of the broadcast
//! ([`subscribe_form`](streamer_core::hub::Broadcast::subscribe_form)); the viewer's task only writes what is
//! ready. On HTTP/1 hyper reads the request; then the live body takes the connection over, so that hyper's
//! buffers are freed and each wake ends in one vectored write: the pieces that are ready, each between its
//! chunk size (HTTP/1.1) or frame header (WebSocket) and its line end. Answers to HTTP/1.0 end with the
//! connection. On HTTP/2, which is offered by ALPN when the listener speaks TLS, a body is hyper's like any
//! other.
//!
//! A viewer that is slow is nobody else's matter: the ring it reads from is bounded, it goes on at a random
//! access point or is disconnected as its application says, and the frames it lost are counted by the hub. A
//! viewer that takes nothing at all is cut after [`HttpOptions::write_stall_timeout`]. When a publisher goes
//! away its viewers wait for the grace time of the application, then their bodies end cleanly. Who comes
//! before the publisher waits as long as the application says, then gets 404.
//!
//! # HLS
//!
//! One task for each stream and container packages what the hub has into segments, from the first request until
//! nobody asks any more ([`Hls`], [`HlsAppOptions`]). It writes a presentation ([`SharedPresentation`]), of which
//! playlists are pure functions ([`proto::hls`]). An embedder who wants segments without the port has the same as a
//! sink: [`HlsSink`].
//!
//! # Dialect
//!
//! FLV as Adobe left it has no number for HEVC, AV1, VP9, Opus and others; the Enhanced RTMP specification
//! names them by FourCC. Current players (mpegts.js, FFmpeg from 6.1 on) read that form, so it is the default of
//! [`HttpOptions::dialect`]. Older ones know HEVC under the number 12 that content delivery networks gave it:
//! `?enhanced=0` asks for that, and what has no number at all is left out. H.264 and AAC are the same in
//! every dialect.
//!
//! # Specifications
//!
//! | specification | what of it |
//! |---|---|
//! | RFC 9110, RFC 9112, RFC 9113 (HTTP, HTTP/1.1, HTTP/2) | hyper; chunks and close-delimited bodies here |
//! | RFC 6455 (WebSocket) | server side without extensions; [`proto::websocket`] |
//! | RFC 7239 (`Forwarded`) and `X-Forwarded-For` | [`proto::forwarded`] |
//! | RFC 8216 and its second edition (HLS, Low-Latency HLS) | [`proto::hls`] |
//! | Fetch standard (CORS) | preflights and origins; [`proto::origin`] |
//! | Adobe FLV 10.1, Enhanced RTMP v2 | by [`streamer_core::container::flv`] |

mod error;
mod io;
mod options;
pub mod proto;
mod proxies;
mod run;
mod stats;

pub use error::{ConnectionError, HttpError};
pub use io::hls::{
    DEFAULT_IDLE, DEFAULT_MAX_STORED_BYTES, ENDED_HOLD, FIRST_SEGMENT_WAIT, Hls, HlsAppOptions, HlsLevels,
    HlsMode, HlsSink, HlsStore, MAX_BLOCKED_REQUESTS, MAX_SESSIONS, MAX_STORE_BACKLOG, PASS_IDLE,
    REFUSED_FOR, SharedPresentation, VIEWER_IDLE,
};
pub use io::{Body, BoxError, MAX_BYTES_AFTER_REQUEST, MAX_REQUEST_HEAD_BYTES, MAX_STREAMS_PER_CONNECTION};
pub use ipnet::IpNet;
pub use object_store;
pub use options::{
    Client, DEFAULT_AUTHORIZE_TIMEOUT, DEFAULT_HEADER_READ_TIMEOUT, DEFAULT_WRITE_STALL_TIMEOUT, Fallback,
    HttpOptions,
};
pub use proto::forwarded::ProxyHeader;
pub use proto::origin::AllowedOrigins;
pub use proxies::TrustedProxies;
pub use run::{run, serve_connection};
pub use stats::{Counter, HttpStats};
