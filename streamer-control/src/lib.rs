//! What the daemons are told: their configuration files and the port table.
//!
//! This crate knows no protocol. It reads `engine.json` into plain types, checks them, and says of every
//! mistake on which line and in which field it stands; turning them into the options of the protocol
//! crates is the daemon's business, so an embedder never meets JSON.
//!
//! | module | what |
//! |---|---|
//! | [`config::ports`] | the port table, as constants |
//! | [`config::engine`] | `engine.json`, the file of the streaming engine |
//! | [`config::app`] | the entry of one application |
//! | [`config::load`] | reading a file, checked, with errors that name their place |

pub mod config;
