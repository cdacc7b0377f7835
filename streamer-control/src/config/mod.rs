//! Configuration files: their types, their checks, and the port table.

pub mod access;
pub mod app;
mod check;
pub mod engine;
mod error;
pub mod hls;
pub mod load;
mod locate;
pub mod managed;
pub mod manager;
mod name;
mod path;
pub mod ports;
mod public_key;
mod remote_url;
mod secret;
mod sift;
pub mod tasks;

pub use access::{
    AuthConfig, CallbackConfig, JwtAlgorithm, JwtConfig, JwtKeys, MAX_ADDRESS_NETWORKS, MAX_CALLBACK_CACHE_S,
    MAX_CALLBACK_TIMEOUT_MS, MAX_CLAIM_BYTES, MAX_LEEWAY_S, OnFailure,
};
pub use app::{AppConfig, DuplicateConfig, SlowViewerConfig, SourceType};
pub use check::{MAX_PULL_URLS, MAX_WAIT_MS, RESERVED_APP_NAMES};
pub use engine::{
    ApiConfig, ClientTlsConfig, EngineConfig, EventsConfig, HttpConfig, LimitsConfig, ListenerConfig,
    Listeners, LogConfig, LogFormat, LogLevel, ManagerLinkConfig, PlayerDialect, ProxyHeaderConfig,
    RtmpConfig, TlsConfig,
};
pub use error::ConfigError;
pub use hls::{AdaptiveConfig, HlsConfig, HlsDiskConfig, HlsEncryptionConfig, HlsEncryptionMethod, HlsMode};
pub use load::{ConfigFile, Loaded, LoadedConfig, MAX_CONFIG_BYTES};
pub use managed::{EngineSettings, ManagedConfig, MediaListeners, managed_path};
pub use manager::{ManagerConfig, ManagerListeners, VodConfig, WebhookPolicyConfig};
pub use path::{FieldPath, Problem};
pub use public_key::{MAX_PUBLIC_KEY_BYTES, PublicKey};
pub use remote_url::{HttpUrl, MAX_URL_BYTES, StreamUrl};
pub use secret::{MAX_SECRET_BYTES, Secret};
pub use sift::Sifted;
pub use tasks::{ForwardConfig, MAX_RETURN_S, PullConfig, PullMode};
