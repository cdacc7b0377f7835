//! What engine and manager tell each other, and how each knows that it is the other.
//!
//! | module | what |
//! |---|---|
//! | [`endpoint`] | a call: one type for client, server and documentation |
//! | [`manager_api`] | calls that the engine makes at the Config Server |
//! | [`engine_api`] | calls that the manager makes at the engine's API, and what they answer |
//! | [`event`] | event messages over UDP |
//! | [`seal`] | the shared secret, and the seals made with it |
//! | [`secret_file`] | where the secret is kept |
//! | [`client`], [`serve`] | calling and answering, sealed both ways |
//! | [`tolerant`] | reading the word of a newer version |

pub mod client;
pub mod endpoint;
pub mod engine_api;
pub mod event;
pub mod manager_api;
pub mod seal;
pub mod secret_file;
pub mod serve;
pub mod tolerant;

pub use client::{LinkClient, LinkError};
pub use endpoint::Endpoint;
pub use event::{Datagram, EngineEvent, MAX_DATAGRAM_BYTES};
pub use seal::{LINK_SECRET_FILE, LinkKey, Seal, SealError};
pub use secret_file::{SecretFileError, link_key};
