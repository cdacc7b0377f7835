//! FLV: AMF values, tag bodies (which are RTMP's audio, video and data messages), demuxer and muxer.
//!
//! | specification | what of it | where |
//! |---|---|---|
//! | Adobe AMF 0 (`amf0-file-format-specification`) | all types but the reserved ones | [`amf0`] |
//! | Adobe AMF 3 (`amf-file-format-spec`) | decoding, into AMF 0 values | [`amf3`] |

mod amf;

pub use amf::{amf0, amf3};
