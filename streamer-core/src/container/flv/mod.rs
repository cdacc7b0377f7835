//! FLV: AMF values, tag bodies (which are RTMP's audio, video and data messages), demuxer and muxer.
//!
//! | specification | what of it | where |
//! |---|---|---|
//! | Adobe AMF 0 (`amf0-file-format-specification`) | all types but the reserved ones | [`amf0`] |
//! | Adobe AMF 3 (`amf-file-format-spec`) | decoding, into AMF 0 values | [`amf3`] |
//! | Adobe FLV 10.1 annex E.4 | audio and video tag headers | [`tag`] |
//! | Enhanced RTMP v1 and v2 (Veovera) | FourCC, ModEx, multitrack, multichannel | [`tag`] |

mod amf;
mod error;
pub mod tag;

pub use amf::{amf0, amf3};
pub use error::FlvError;
