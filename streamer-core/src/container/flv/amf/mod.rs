//! Action Message Format: the values of RTMP commands, metadata and FLV script tags.

pub mod amf0;
pub mod amf3;
mod budget;
mod input;
mod value;
