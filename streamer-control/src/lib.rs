//! What the daemons are told: their configuration files and the port table.
//!
//! This crate knows no protocol. It reads `engine.json` and `server.json` into plain types, checks them, and says of every
//! mistake on which line and in which field it stands; turning them into the options of the protocol
//! crates is the daemon's business, so an embedder never meets JSON.
//!
//! | module | what |
//! |---|---|
//! | [`config::ports`] | the port table, as constants |
//! | [`config::engine`] | `engine.json`, the file of the streaming engine |
//! | [`config::app`] | the entry of one application |
//! | [`config::manager`] | `server.json`, the file of the manager |
//! | [`config::managed`] | what of the engine's configuration the manager owns |
//! | [`config::load`] | reading a file, checked, with errors that name their place |
//! | [`link`] | what engine and manager tell each other |

pub mod config;
pub mod link;
