//! The manager as a library: it owns all configuration and policy, and knows no protocol.
//!
//! | module | what |
//! |---|---|
//! | [`document`] | the configuration as one document, and its parts as entities |
//! | [`store`] | where it is kept: an interface, and `SQLite` behind it |

pub mod document;
pub mod store;
