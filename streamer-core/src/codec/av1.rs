//! AV1: the `av1C` record and the sequence header OBU (AV1 bitstream 5.5, AV1 ISOBMFF 2.3).

mod obu;
mod sequence;

use bytes::Bytes;

use super::bits::BitReader;
use super::record::check_record_size;
use super::{CodecError, FrameRate, Resolution};
pub use obu::{Obu, Obus, obus};
use sequence::SequenceHeader;

/// `obu_type` of a sequence header (AV1 bitstream 6.2.2).
pub const OBU_SEQUENCE_HEADER: u8 = 1;
/// `obu_type` of a temporal delimiter.
pub const OBU_TEMPORAL_DELIMITER: u8 = 2;
/// `obu_type` of a frame header.
pub const OBU_FRAME_HEADER: u8 = 3;
/// `obu_type` of a frame: a header and its tiles.
pub const OBU_FRAME: u8 = 6;

const RECORD: &str = "AV1CodecConfigurationRecord";

/// AV1 decoder configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Av1Config {
    /// The `AV1CodecConfigurationRecord`, verbatim.
    pub record: Bytes,
    /// `seq_profile`.
    pub profile: u8,
    /// `seq_level_idx_0`.
    pub level: u8,
    /// `seq_tier_0`: true for the high tier.
    pub high_tier: bool,
    /// Bits per sample: 8, 10 or 12.
    pub bit_depth: u8,
    /// Largest picture, from the sequence header; `None` when the record carries no sequence header.
    pub resolution: Option<Resolution>,
    /// From the timing info, where present and the pictures are evenly spaced.
    pub frame_rate: Option<FrameRate>,
}

impl Av1Config {
    /// Reads an `AV1CodecConfigurationRecord`. Profile, level, tier and depth are the record's own.
    ///
    /// # Errors
    /// When the record ends early or has another marker or version, its OBUs or sequence header cannot be read,
    /// or it is larger than [`MAX_RECORD_BYTES`](super::MAX_RECORD_BYTES).
    pub fn parse(record: &[u8]) -> Result<Self, CodecError> {
        check_record_size(RECORD, record.len())?;
        let mut reader = BitReader::new(RECORD, record);
        let marker_and_version = reader.small(8)?;
        if marker_and_version != 0x81 {
            return Err(reader.field("marker and version", marker_and_version.into()));
        }
        let profile = reader.small(3)?;
        let level = reader.small(5)?;
        let high_tier = reader.flag()?;
        let bit_depth = match (reader.flag()?, reader.flag()?) {
            (false, _) => 8,
            (true, false) => 10,
            (true, true) => 12,
        };
        reader.skip(5 + 8)?; // monochrome, chroma subsampling and position; initial presentation delay
        let sequence = find_sequence_header(record.get(reader.byte_offset()..).unwrap_or_default())?;
        Ok(Self {
            record: Bytes::copy_from_slice(record),
            profile,
            level,
            high_tier,
            bit_depth,
            resolution: sequence.as_ref().map(|(sequence, _)| sequence.resolution),
            frame_rate: sequence.and_then(|(sequence, _)| sequence.frame_rate),
        })
    }

    /// Builds the record of the sequence header within `payload`, a temporal unit in low-overhead OBU format;
    /// `None` when it holds none.
    ///
    /// # Errors
    /// When the OBUs or the sequence header cannot be read.
    pub fn from_temporal_unit(payload: &[u8]) -> Result<Option<Self>, CodecError> {
        let Some((sequence, body)) = find_sequence_header(payload)? else { return Ok(None) };
        let mut record = vec![0x81, (sequence.profile << 5) | sequence.level, sequence.color_byte(), 0];
        // has_size_field, which the record asks for whatever the stream had.
        record.push((OBU_SEQUENCE_HEADER << 3) | 2);
        obu::put_leb128(&mut record, body.len() as u64);
        record.extend_from_slice(body);
        Self::parse(&record).map(Some)
    }
}

/// Whether a temporal unit is one a decoder can begin at: a sequence header, then as the first frame a
/// key frame that is shown (AV1 ISOBMFF 2.5).
#[must_use]
pub fn is_sync(payload: &[u8]) -> bool {
    let mut sequence = None;
    for obu in obus(payload).map_while(Result::ok) {
        match obu.obu_type {
            OBU_SEQUENCE_HEADER => sequence = SequenceHeader::parse(obu.body).ok(),
            OBU_FRAME_HEADER | OBU_FRAME => {
                let Some(sequence) = sequence else { return false };
                // show_existing_frame 0, frame_type KEY_FRAME, show_frame 1; a still picture has no such fields.
                let first = obu.body.first().copied().unwrap_or(u8::MAX);
                return sequence.reduced_still_picture || first >> 4 == 0b0001;
            }
            _ => {}
        }
    }
    false
}

fn find_sequence_header(data: &[u8]) -> Result<Option<(SequenceHeader, &[u8])>, CodecError> {
    for obu in obus(data) {
        let obu = obu?;
        if obu.obu_type == OBU_SEQUENCE_HEADER {
            return Ok(Some((SequenceHeader::parse(obu.body)?, obu.body)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
