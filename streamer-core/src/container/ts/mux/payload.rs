//! The payload of a frame as a stream carries it: what stands in front of it and how long it is.

use super::super::error::TsError;
use super::super::packet::PacketWriter;
use super::super::pes::MAX_PAYLOAD_BYTES;
use super::access_unit::{AccessUnits, Plan};
use super::cue;
use crate::codec::aac::adts::{AdtsHeader, MIN_HEADER_BYTES};
use crate::codec::{Codec, DataFormat};
use crate::frame::Frame;

/// Bytes in front of an Opus packet: 11 bits of prefix, five flags, and its size.
const OPUS_CONTROL_PREFIX: [u8; 2] = [0x7f, 0xe0];

/// How the frames of a track become payload.
#[derive(Debug)]
pub(super) enum Form {
    AccessUnits(AccessUnits),
    Adts(AdtsHeader),
    Opus,
    /// As they are; with the codec's name.
    Plain(&'static str),
    /// Splice information in sections instead of PES packets.
    Cue,
}

/// The payload of one frame, checked and measured.
#[derive(Debug)]
pub(super) enum Payload<'a> {
    AccessUnit { units: &'a AccessUnits, plan: Plan, data: &'a [u8] },
    Adts { header: [u8; MIN_HEADER_BYTES], data: &'a [u8] },
    Opus { data: &'a [u8] },
    Plain { data: &'a [u8] },
    Section(Vec<u8>),
}

impl Form {
    /// The form of a codec that is carried.
    pub(super) fn of(codec: &Codec) -> Option<Self> {
        Some(match codec {
            Codec::H264(config) => Self::AccessUnits(AccessUnits::h264(config)),
            Codec::H265(config) => Self::AccessUnits(AccessUnits::h265(config)),
            Codec::Aac(config) => Self::Adts(AdtsHeader::of_config(config).ok()?),
            Codec::Opus(_) => Self::Opus,
            Codec::Data(DataFormat::Scte35) => Self::Cue,
            codec => Self::Plain(codec.name()),
        })
    }

    /// Measures the payload of `frame`.
    ///
    /// # Errors
    /// When the frame's data is not in its canonical form, or longer than a PES packet that is no picture's.
    pub(super) fn payload<'a>(&'a self, frame: &'a Frame) -> Result<Payload<'a>, TsError> {
        let data = &frame.data[..];
        let (codec, payload) = match self {
            Self::AccessUnits(units) => {
                let plan = units.plan(data, frame.sync)?;
                return Ok(Payload::AccessUnit { units, plan, data });
            }
            Self::Cue => return Ok(Payload::Section(cue::restamped(data)?)),
            Self::Adts(header) => {
                let header = header.write(data.len())?;
                return Ok(Payload::Adts { header, data });
            }
            Self::Opus => ("Opus", Payload::Opus { data }),
            Self::Plain(codec) => (*codec, Payload::Plain { data }),
        };
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(TsError::FrameTooLarge { codec, len: payload.len(), max: MAX_PAYLOAD_BYTES });
        }
        Ok(payload)
    }
}

impl Payload<'_> {
    /// Bytes of it.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::AccessUnit { plan, .. } => plan.len,
            Self::Adts { header, data } => header.len() + data.len(),
            Self::Opus { data } => OPUS_CONTROL_PREFIX.len() + data.len() / 255 + 1 + data.len(),
            Self::Plain { data } => data.len(),
            Self::Section(section) => section.len(),
        }
    }

    /// Writes it.
    pub(super) fn write(&self, writer: &mut PacketWriter<'_>) {
        match self {
            Self::AccessUnit { units, plan, data } => units.write(*plan, data, writer),
            Self::Adts { header, data } => {
                writer.put(header);
                writer.put(data);
            }
            Self::Opus { data } => {
                writer.put(&OPUS_CONTROL_PREFIX);
                for _ in 0..data.len() / 255 {
                    writer.put(&[255]);
                }
                writer.put(&[(data.len() % 255) as u8]);
                writer.put(data);
            }
            Self::Plain { data } => writer.put(data),
            Self::Section(section) => writer.put(section),
        }
    }
}
