//! VP9: the `vpcC` record and the uncompressed frame header (VP9 bitstream 6.2, VP9 ISOBMFF).

use bytes::Bytes;

use super::bits::BitReader;
use super::picture::bounded;
use super::record::check_record_size;
use super::{CodecError, Resolution};

const RECORD: &str = "VPCodecConfigurationRecord";
const HEADER: &str = "VP9 frame header";

/// Version and flags of the `vpcC` full box, which some senders leave in front of the record. No record
/// begins so: its bit depth would be zero.
const FULL_BOX_HEADER: [u8; 4] = [1, 0, 0, 0];
/// `frame_sync_code`.
const SYNC_CODE: u32 = 0x49_83_42;
/// `color_space` of RGB pictures.
const CS_RGB: u8 = 7;

/// Ten times each level, and the largest picture it allows, in luma samples (VP9 levels, table of limits).
const LEVELS: [(u8, u32); 9] = [
    (10, 36_864),
    (11, 73_728),
    (20, 122_880),
    (21, 245_760),
    (30, 552_960),
    (31, 983_040),
    (40, 2_228_224),
    (50, 8_912_896),
    (60, 35_651_584),
];

/// VP9 decoder configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Vp9Config {
    /// The `VPCodecConfigurationRecord` without the full-box header, verbatim.
    pub record: Bytes,
    /// Profile, 0 to 3.
    pub profile: u8,
    /// Ten times the level; 0 when unknown.
    pub level: u8,
    /// Bits per sample: 8, 10 or 12.
    pub bit_depth: u8,
    /// From the first key frame; the record does not carry it.
    pub resolution: Option<Resolution>,
}

impl Vp9Config {
    /// Reads a `VPCodecConfigurationRecord`; a full-box header in front is passed over.
    ///
    /// # Errors
    /// When the record ends early, has a reserved profile or bit depth, or is larger than
    /// [`MAX_RECORD_BYTES`](super::MAX_RECORD_BYTES).
    pub fn parse(record: &[u8]) -> Result<Self, CodecError> {
        check_record_size(RECORD, record.len())?;
        let record = record.strip_prefix(&FULL_BOX_HEADER).unwrap_or(record);
        let mut reader = BitReader::new(RECORD, record);
        let profile = reader.small(8)?;
        if profile > 3 {
            return Err(reader.field("profile", profile.into()));
        }
        let level = reader.small(8)?;
        let bit_depth = reader.small(4)?;
        if !matches!(bit_depth, 8 | 10 | 12) {
            return Err(reader.field("bitDepth", bit_depth.into()));
        }
        reader.skip(4 + 24)?; // chroma subsampling, range, colour description
        let data_bytes = reader.bits(16)?;
        reader.bytes(data_bytes as usize)?;
        Ok(Self { record: Bytes::copy_from_slice(record), profile, level, bit_depth, resolution: None })
    }

    /// Builds the record of a key frame; `None` for another frame. The level is the lowest that allows
    /// pictures of this size: a frame does not tell its rate.
    ///
    /// # Errors
    /// When the frame's header ends early or cannot be read, or its chroma format has no place in a record.
    pub fn from_key_frame(payload: &[u8]) -> Result<Option<Self>, CodecError> {
        let Some(key) = KeyFrame::parse(payload)? else { return Ok(None) };
        let samples = key.resolution.width * key.resolution.height;
        let level = LEVELS.iter().find(|(_, max)| samples <= *max).map_or(62, |&(level, _)| level);
        // Colour primaries and transfer are unspecified (2): the header tells the matrix alone.
        let chroma_and_range = (key.bit_depth << 4) | (key.subsampling << 1) | u8::from(key.full_range);
        let record = vec![key.profile, level, chroma_and_range, 2, 2, key.matrix, 0, 0];
        Ok(Some(Self {
            record: Bytes::from(record),
            profile: key.profile,
            level,
            bit_depth: key.bit_depth,
            resolution: Some(key.resolution),
        }))
    }
}

/// Whether a frame or superframe begins with a key frame.
#[must_use]
pub fn is_sync(payload: &[u8]) -> bool {
    matches!(start(&mut BitReader::new(HEADER, payload)), Ok((_, true)))
}

/// Size of a key frame's picture; `None` for another frame.
///
/// # Errors
/// When the header ends early or is not VP9.
pub fn key_frame_resolution(payload: &[u8]) -> Result<Option<Resolution>, CodecError> {
    Ok(KeyFrame::parse(payload)?.map(|key| key.resolution))
}

/// What the header of a key frame tells.
struct KeyFrame {
    profile: u8,
    bit_depth: u8,
    /// `chromaSubsampling` of the record.
    subsampling: u8,
    full_range: bool,
    /// `matrixCoefficients` of the record (ISO/IEC 23091-2).
    matrix: u8,
    resolution: Resolution,
}

impl KeyFrame {
    fn parse(payload: &[u8]) -> Result<Option<Self>, CodecError> {
        let mut reader = BitReader::new(HEADER, payload);
        let (profile, key) = start(&mut reader)?;
        if !key {
            return Ok(None);
        }
        let bit_depth = match profile >= 2 {
            true if reader.flag()? => 12,
            true => 10,
            false => 8,
        };
        let color_space = reader.small(3)?;
        let odd_profile = profile & 1 == 1;
        let (full_range, subsampling) = if color_space == CS_RGB {
            if !odd_profile {
                return Err(reader.field("color_space", color_space.into()));
            }
            reader.skip(1)?; // reserved_zero
            (true, 3)
        } else {
            let full_range = reader.flag()?;
            let subsampling = if odd_profile {
                let sampling = (reader.flag()?, reader.flag()?);
                reader.skip(1)?; // reserved_zero
                match sampling {
                    (false, false) => 3,
                    (true, false) => 2,
                    (false, true) => {
                        return Err(CodecError::Unsupported { structure: HEADER, what: "4:4:0 chroma" });
                    }
                    (true, true) => return Err(reader.field("subsampling of an odd profile", 0)),
                }
            } else {
                1 // 4:2:0, co-located with luma: what encoders make
            };
            (full_range, subsampling)
        };
        let width = u64::from(reader.bits(16)?) + 1;
        let height = u64::from(reader.bits(16)?) + 1;
        let matrix = match color_space {
            1 => 5, // BT.601
            2 => 1, // BT.709
            3 => 6, // SMPTE 170M
            4 => 7, // SMPTE 240M
            5 => 9, // BT.2020
            CS_RGB => 0,
            _ => 2, // unspecified
        };
        let resolution = bounded(HEADER, width, height)?;
        Ok(Some(Self { profile, bit_depth, subsampling, full_range, matrix, resolution }))
    }
}

/// Reads up to the sync code of a key frame: the profile, and whether it is one.
fn start(reader: &mut BitReader<'_>) -> Result<(u8, bool), CodecError> {
    let marker = reader.small(2)?;
    if marker != 2 {
        return Err(reader.field("frame_marker", marker.into()));
    }
    let profile = u8::from(reader.flag()?) | (u8::from(reader.flag()?) << 1);
    if profile == 3 {
        reader.skip(1)?; // reserved_zero
    }
    let show_existing = reader.flag()?;
    if show_existing || reader.flag()? {
        return Ok((profile, false));
    }
    reader.skip(2)?; // show_frame, error_resilient_mode
    let sync_code = reader.bits(24)?;
    if sync_code != SYNC_CODE {
        return Err(reader.field("frame_sync_code", sync_code.into()));
    }
    Ok((profile, true))
}

#[cfg(test)]
mod tests;
