//! The manager as a library: it owns all configuration and policy, and knows no protocol.
//!
//! | module | what |
//! |---|---|
//! | [`document`] | the configuration as one document, and its parts as entities |
//! | [`store`] | where it is kept: interfaces, and `SQLite` behind them |
//! | [`configuration`] | the configuration in force: reading, editing, history, export |
//! | [`mask`] | showing it to somebody who does not need its secrets |
//! | [`accounts`] | users, tokens, sessions and the audit log |
//! | [`webhook`] | telling others of events, surely |
//! | [`link`] | the Config Server: engines follow the configuration |
//! | [`view`], [`event`] | what is known of the engine, and what the manager tells of it |
//! | [`resources`] | what may run short |
//! | [`clock`] | the wall clock as a value |
//! | [`rest`] | the REST API |

pub mod accounts;
pub mod clock;
pub mod configuration;
pub mod document;
pub mod event;
pub mod link;
pub mod mask;
pub mod resources;
pub mod rest;
pub mod store;
pub mod view;
pub mod webhook;
