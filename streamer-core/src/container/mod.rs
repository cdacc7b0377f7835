//! Containers: byte forms of whole streams, free of sockets and clocks.

pub mod flv;
pub mod fmp4;
pub mod ts;
