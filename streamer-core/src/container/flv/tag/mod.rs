//! Bodies of FLV audio and video tags, which are the payloads of RTMP audio and video messages.
//!
//! Parsing copies no media: payloads are slices of the message. Writing puts the header into a buffer of
//! the caller and hands the payload back as it is.

mod audio;
mod extended;
mod video;

pub use audio::{AacPacketType, AudioPacketType, AudioTag, ChannelOrder, MultichannelConfig, SoundFormat};
pub use extended::{FourCc, Layout, MAX_MOD_EX, MAX_TRACKS_IN_MESSAGE, ModEx, Part};
pub use video::{VideoCommand, VideoFrameType, VideoPacket, VideoPacketType, VideoTag, legacy_codec};
