//! The port table of the system: every port, whose it is, and whether it is open to the outside.

use std::fmt;

/// RTMP, the engine's.
pub const RTMP: u16 = 1935;
/// HTTP streaming (HTTP-FLV, WebSocket-FLV), the engine's.
pub const HTTP: u16 = 8080;
/// REST API, the manager's.
pub const REST: u16 = 8085;
/// Video on demand, the manager's.
pub const VOD: u16 = 8086;
/// The engine's own HTTP API.
pub const ENGINE_API: u16 = 8087;
/// Web console, the manager's.
pub const CONSOLE: u16 = 8088;
/// Internal HTTP of the Config Server, the manager's.
pub const MANAGER: u16 = 8089;
/// Event messages of the engine, received by the Config Server over UDP.
pub const EVENTS: u16 = 7002;

/// Transport of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its transport.
    pub transport: Transport,
    /// Its number unless configured otherwise.
    pub number: u16,
    /// Name of the process that listens, as `netstat` shows it.
    pub process: &'static str,
    /// The part of it that listens.
    pub part: &'static str,
    /// Whether it is meant to be reached from other machines; if not, it listens on loopback by default
    /// and is authenticated even there.
    pub public: bool,
}

const fn tcp(number: u16, process: &'static str, part: &'static str, public: bool) -> Port {
    Port { transport: Transport::Tcp, number, process, part, public }
}

/// The table, in the order of the documentation.
pub const TABLE: &[Port] = &[
    tcp(MANAGER, "ttsm", "Config Server", false),
    tcp(REST, "ttsm", "Rest Server", false),
    tcp(CONSOLE, "ttsm", "Web Manager", true),
    tcp(ENGINE_API, "tts", "Engine API", false),
    tcp(RTMP, "tts", "RTMP", true),
    tcp(HTTP, "tts", "HTTP streaming", true),
    tcp(VOD, "ttsm", "VOD", true),
    Port {
        transport: Transport::Udp,
        number: EVENTS,
        process: "ttsm",
        part: "Config Server events",
        public: false,
    },
];
