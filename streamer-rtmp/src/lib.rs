//! RTMP and enhanced RTMP: server, pull and forward.

pub mod proto;
