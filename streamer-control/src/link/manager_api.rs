//! Calls that the engine makes at the Config Server.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;
use crate::config::ManagedConfig;

/// Longest time that [`FollowConfig`] is kept waiting, in milliseconds: short enough for a silent loss of either
/// side to be noticed, long enough to cost nothing.
pub const MAX_FOLLOW_WAIT_MS: u64 = 25_000;

/// Asks for the configuration, and waits until there is another than the one already known.
#[derive(Clone, Copy, Debug)]
pub struct FollowConfig;

impl Endpoint for FollowConfig {
    const METHOD: &'static str = "POST";
    const PATH: &'static str = "/link/v1/config";
    type Request = FollowRequest;
    type Response = FollowResponse;
}

/// Who asks, and what it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FollowRequest {
    /// Names this run of the engine; another run has another one.
    pub engine: String,
    /// Version of its program.
    pub program_version: String,
    /// Where its own API listens.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub api: Vec<SocketAddr>,
    /// The configuration it has, if any.
    pub known: Option<ConfigVersion>,
    /// How long to wait for another one, at most [`MAX_FOLLOW_WAIT_MS`].
    pub wait_ms: u64,
}

/// Names one state of one store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigVersion {
    /// Names the store, so that a version of another one is never taken for known.
    pub store: String,
    /// Number of the version in it, from 1.
    pub version: u64,
}

/// The configuration in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FollowResponse {
    /// Its version.
    pub version: ConfigVersion,
    /// The configuration; `None` when it is the one already known.
    pub config: Option<ManagedConfig>,
}

/// Tells what became of a configuration.
#[derive(Clone, Copy, Debug)]
pub struct ReportApplied;

impl Endpoint for ReportApplied {
    const METHOD: &'static str = "POST";
    const PATH: &'static str = "/link/v1/applied";
    type Request = AppliedReport;
    type Response = ();
}

/// What became of a configuration in the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AppliedReport {
    /// Names the run of the engine.
    pub engine: String,
    /// The configuration.
    pub version: ConfigVersion,
    /// What holds from now on, in words.
    pub applied: Vec<String>,
    /// What was refused, and why. Everything else of the configuration holds.
    pub refused: Vec<Refusal>,
    /// Fields that hold after a restart only.
    pub needs_restart: Vec<String>,
    /// From the receipt of the configuration until it held, milliseconds.
    pub took_ms: u64,
}

/// One thing that could not be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Refusal {
    /// What, as a path into the configuration: `settings.listeners.rtmp`.
    pub path: String,
    /// Why, in one sentence.
    pub reason: String,
}
