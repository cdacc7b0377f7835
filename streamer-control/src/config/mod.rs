//! Configuration files: their types, their checks, and the port table.

pub mod app;
mod check;
pub mod engine;
mod error;
pub mod hls;
pub mod load;
mod locate;
mod name;
mod path;
pub mod ports;
mod secret;
mod stream_url;
pub mod tasks;

pub use app::{AppConfig, AuthConfig, DuplicateConfig, SlowViewerConfig, SourceType};
pub use check::{MAX_PULL_URLS, MAX_WAIT_MS};
pub use engine::{
    ApiConfig, ClientTlsConfig, EngineConfig, HttpConfig, LimitsConfig, ListenerConfig, Listeners, LogConfig,
    LogFormat, LogLevel, PlayerDialect, ProxyHeaderConfig, RtmpConfig, TlsConfig,
};
pub use error::ConfigError;
pub use hls::{AdaptiveConfig, HlsConfig, HlsDiskConfig, HlsEncryptionConfig, HlsEncryptionMethod, HlsMode};
pub use load::{LoadedConfig, MAX_CONFIG_BYTES};
pub use path::{FieldPath, Problem};
pub use secret::{MAX_SECRET_BYTES, Secret};
pub use stream_url::{MAX_URL_BYTES, StreamUrl};
pub use tasks::{ForwardConfig, PullConfig};
