//! How the RTMP server and client behave; plain values with sensible defaults.

use std::net::IpAddr;
use std::time::Duration;

use streamer_core::container::flv::Dialect;
use streamer_net::{AcceptOptions, ClientTls, ServerTls};

use crate::proto::capabilities::{Capabilities, CapsEx, CodecFlags, CodecSupport, FourCc};
use crate::proto::server::ServerOptions;

/// Longest time from the first byte to an accepted `connect`: slow handshakes hold a place for no longer.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time a connection may stay without publishing, playing or asking for it.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest silence of a publisher: encoders send several messages a second, a stalled uplink recovers
/// within this time or not at all.
pub const PUBLISH_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest silence of a server that is pulled from: servers send several messages a second, viewers see a still
/// picture meanwhile, and there may be a stand-in.
pub const PULL_IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time a peer may take nothing of what is sent: past it the connection is dead, and until then
/// it pins the few buffers that it is being sent.
pub const WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest time for the decision of an authorizer.
pub const AUTHORIZE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time to reach a server and to get its consent, for pulls and forwards.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time a peer may take to hear that it is over, and why.
pub const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);
/// Times a server may send a pull or forward elsewhere.
pub const MAX_REDIRECTS: usize = 5;

/// How the server behaves.
#[derive(Clone, Debug)]
pub struct RtmpOptions {
    /// How connections are accepted; its TLS is set by [`RtmpOptions::with_tls`].
    pub accept: AcceptOptions,
    /// How sessions speak.
    pub session: ServerOptions,
    /// Time limits.
    pub timeouts: Timeouts,
    /// What a player gets that announced nothing of Enhanced RTMP.
    pub unannounced: Dialect,
}

/// What peers get that announce nothing of Enhanced RTMP: no extended header, which they may not know.
const UNANNOUNCED: Dialect = Dialect::LegacyHevc12;

/// What the server announces: it passes every codec on that the core knows.
fn served() -> Capabilities {
    let video = [*b"avc1", *b"hvc1", *b"av01", *b"vp09"];
    let audio = [*b"mp4a", *b"Opus", *b".mp3", *b"fLaC", *b"ac-3", *b"ec-3"];
    let both: Vec<FourCc> = video.into_iter().chain(audio).collect();
    let caps_ex = [CapsEx::RECONNECT, CapsEx::MULTITRACK, CapsEx::MOD_EX, CapsEx::TIMESTAMP_NANO_OFFSET];
    Capabilities {
        list: CodecSupport::of(&both, CodecFlags::ALL),
        video: CodecSupport::of(&video, CodecFlags::FORWARD),
        audio: CodecSupport::of(&audio, CodecFlags::FORWARD),
        caps_ex: caps_ex.into_iter().fold(CapsEx::default(), CapsEx::union),
    }
}

impl Default for RtmpOptions {
    fn default() -> Self {
        Self {
            accept: AcceptOptions::default(),
            session: ServerOptions { capabilities: served(), ..ServerOptions::default() },
            timeouts: Timeouts::default(),
            unannounced: UNANNOUNCED,
        }
    }
}

impl RtmpOptions {
    /// RTMPS with the certificate of `tls`.
    #[must_use]
    pub fn with_tls(mut self, tls: ServerTls) -> Self {
        self.accept.tls = Some((tls, Vec::new()));
        self
    }
}

/// Time limits of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// See [`HANDSHAKE_TIMEOUT`].
    pub handshake: Duration,
    /// See [`REQUEST_TIMEOUT`].
    pub request: Duration,
    /// See [`PUBLISH_IDLE_TIMEOUT`].
    pub publish_idle: Duration,
    /// See [`WRITE_STALL_TIMEOUT`].
    pub write_stall: Duration,
    /// See [`AUTHORIZE_TIMEOUT`].
    pub authorize: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: HANDSHAKE_TIMEOUT,
            request: REQUEST_TIMEOUT,
            publish_idle: PUBLISH_IDLE_TIMEOUT,
            write_stall: WRITE_STALL_TIMEOUT,
            authorize: AUTHORIZE_TIMEOUT,
        }
    }
}

/// How a pull or a forward reaches its server.
#[derive(Clone)]
pub struct ClientOptions {
    /// The address to leave by; `None` leaves it to the routing table.
    pub local_address: Option<IpAddr>,
    /// Whom `rtmps` trusts; `None` trusts the roots of the system.
    pub tls: Option<ClientTls>,
    /// Speak TLS although the URL says `rtmp`.
    pub force_tls: bool,
    /// Time limits.
    pub timeouts: ClientTimeouts,
    /// What is announced of Enhanced RTMP; everything unless set otherwise.
    pub capabilities: Capabilities,
    /// What a forward sends to a server that announces nothing of Enhanced RTMP.
    pub unannounced: Dialect,
}

impl Default for ClientOptions {
    fn default() -> Self {
        let receive = CodecFlags(CodecFlags::DECODE.0 | CodecFlags::FORWARD.0);
        Self {
            local_address: None,
            tls: None,
            force_tls: false,
            timeouts: ClientTimeouts::default(),
            capabilities: Capabilities {
                list: CodecSupport::any(CodecFlags::ALL),
                video: CodecSupport::any(receive),
                audio: CodecSupport::any(receive),
                caps_ex: CapsEx::RECONNECT.union(CapsEx::MULTITRACK).union(CapsEx::MOD_EX),
            },
            unannounced: UNANNOUNCED,
        }
    }
}

/// Time limits of a pull or forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// See [`CONNECT_TIMEOUT`].
    pub connect: Duration,
    /// Longest silence of the other server while pulling; see [`PULL_IDLE_TIMEOUT`].
    pub idle: Duration,
    /// See [`WRITE_STALL_TIMEOUT`].
    pub write_stall: Duration,
}

impl Default for ClientTimeouts {
    fn default() -> Self {
        Self { connect: CONNECT_TIMEOUT, idle: PULL_IDLE_TIMEOUT, write_stall: WRITE_STALL_TIMEOUT }
    }
}
