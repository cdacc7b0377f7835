//! Files and sockets: where assets lie, how they are read and kept, and how requests are answered.

pub(crate) mod indexes;
pub(crate) mod library;
pub(crate) mod progressive;
pub(crate) mod root;
pub(crate) mod segments;
mod service;
pub(crate) mod shelf;
pub(crate) mod upload;
