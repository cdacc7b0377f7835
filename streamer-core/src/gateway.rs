//! The gateway: all that a protocol is ever given of the rest of the server.

use std::sync::Arc;

use crate::access::{AllowAll, Authorizer};
use crate::hub::Registry;

/// What a protocol needs to serve its peers: where streams live and who may do what.
#[derive(Clone)]
pub struct Gateway {
    /// The live streams.
    pub registry: Registry,
    /// Asked before the first byte of media flows, in either direction.
    pub authorizer: Arc<dyn Authorizer>,
}

impl Gateway {
    /// A gateway to `registry` that lets everybody in.
    #[must_use]
    pub fn open(registry: Registry) -> Self {
        Self { registry, authorizer: Arc::new(AllowAll) }
    }

    /// A gateway to `registry` guarded by `authorizer`.
    #[must_use]
    pub fn guarded(registry: Registry, authorizer: Arc<dyn Authorizer>) -> Self {
        Self { registry, authorizer }
    }
}
