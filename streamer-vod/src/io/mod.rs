//! Files and sockets: where assets lie, how they are read and kept, and how requests are answered.

pub(crate) mod library;
pub(crate) mod root;
pub(crate) mod upload;
