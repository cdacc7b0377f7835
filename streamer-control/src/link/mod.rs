//! What engine and manager tell each other, and how each knows that it is the other.
//!
//! | module | what |
//! |---|---|
//! | [`endpoint`] | a call: one type for client, server and documentation |
//! | [`manager_api`] | calls that the engine makes at the Config Server |
//! | [`engine_api`] | calls that the manager makes at the engine's API, and what they answer |
//! | [`event`] | event messages over UDP |
//! | [`seal`] | the shared secret, and the seals made with it |
//! | [`tolerant`] | reading the word of a newer version |

pub mod endpoint;
pub mod engine_api;
pub mod event;
pub mod manager_api;
pub mod seal;
pub mod tolerant;

pub use endpoint::Endpoint;
pub use event::{Datagram, EngineEvent, MAX_DATAGRAM_BYTES};
pub use seal::{LINK_SECRET_FILE, LinkKey, Seal, SealError};
