//! FLV: AMF values, tag bodies (which are RTMP's audio, video and data messages), demuxer and muxer.
//!
//! | specification | what of it | where |
//! |---|---|---|
//! | Adobe AMF 0 (`amf0-file-format-specification`) | all types but the reserved ones | [`amf0`] |
//! | Adobe AMF 3 (`amf-file-format-spec`) | decoding, into AMF 0 values | [`amf3`] |
//! | Adobe FLV 10.1 annex E.2 to E.4 | file header, tags, audio and video tag headers | [`FlvFileDemuxer`], [`FlvMuxer`], [`tag`] |
//! | Enhanced RTMP v1 and v2 (Veovera) | FourCC, ModEx, multitrack, multichannel, metadata packets | [`tag`], [`MessageDemuxer`], [`MessageMuxer`] |

mod amf;
mod config;
mod demux;
mod error;
mod file;
mod file_demux;
mod file_mux;
mod form;
mod metadata;
mod mux;
mod on_metadata;
pub mod tag;

pub use amf::{amf0, amf3};
pub use demux::{Dropped, MessageDemuxer};
pub use error::FlvError;
pub use file::{FLV_HEADER_BYTES, flv_header};
pub use file_demux::{FlvFileDemuxer, MAX_TAG_BYTES};
pub use file_mux::FlvMuxer;
pub use form::{Dialect, MuxOptions};
pub use metadata::{MAX_METADATA_BYTES, MAX_METADATA_PAIRS};
pub use mux::{FlvMessage, MessageKind, MessageMuxer};
