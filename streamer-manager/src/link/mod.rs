//! The Config Server's side of the link: what an engine may ask, and who it is.
//!
//! | module | what |
//! |---|---|
//! | [`presence`] | the engine as it has shown itself |
//! | [`config_server`] | answers engines that follow the configuration |

pub mod config_server;
pub mod presence;

pub use config_server::{ConfigServer, MAX_WAITING_ENGINES};
pub use presence::{EngineSeen, Presence, Report};
