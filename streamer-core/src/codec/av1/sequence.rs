//! The sequence header OBU (AV1 bitstream 5.5).

use crate::codec::bits::BitReader;
use crate::codec::picture::bounded;
use crate::codec::{CodecError, FrameRate, Resolution};

const SEQUENCE: &str = "AV1 sequence header";

/// `color_primaries`, `transfer_characteristics` and `matrix_coefficients` of sRGB: BT.709, sRGB, identity.
const SRGB: u32 = 0x01_0d_00;

/// What a sequence header says about the pictures.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SequenceHeader {
    pub(super) profile: u8,
    pub(super) level: u8,
    pub(super) high_tier: bool,
    pub(super) reduced_still_picture: bool,
    pub(super) resolution: Resolution,
    pub(super) frame_rate: Option<FrameRate>,
    color: Color,
}

#[derive(Clone, Debug, PartialEq)]
struct Color {
    bit_depth: u8,
    monochrome: bool,
    subsampling_x: bool,
    subsampling_y: bool,
    /// `chroma_sample_position`, 0 to 3.
    sample_position: u8,
}

impl SequenceHeader {
    /// Reads the body of a sequence header OBU.
    pub(super) fn parse(body: &[u8]) -> Result<Self, CodecError> {
        let mut reader = BitReader::new(SEQUENCE, body);
        let profile = reader.small(3)?;
        if profile > 2 {
            return Err(reader.field("seq_profile", profile.into()));
        }
        reader.skip(1)?; // still_picture
        let reduced = reader.flag()?;
        let (level, high_tier, frame_rate) = if reduced {
            (reader.small(5)?, false, None)
        } else {
            let (frame_rate, model) = timing(&mut reader)?;
            let (level, high_tier) = operating_points(&mut reader, model)?;
            (level, high_tier, frame_rate)
        };
        let resolution = picture_size(&mut reader)?;
        skip_tools(&mut reader, reduced)?;
        let color = color_config(&mut reader, profile)?;
        Ok(Self { profile, level, high_tier, reduced_still_picture: reduced, resolution, frame_rate, color })
    }

    /// The third byte of the configuration record: tier, depth and chroma (AV1 ISOBMFF 2.3.3).
    pub(super) fn color_byte(&self) -> u8 {
        let Color { bit_depth, monochrome, subsampling_x, subsampling_y, sample_position } = self.color;
        let flags = [self.high_tier, bit_depth > 8, bit_depth > 10, monochrome, subsampling_x, subsampling_y];
        let flags = flags.into_iter().fold(0, |byte, flag| (byte << 1) | u8::from(flag));
        (flags << 2) | sample_position
    }
}

/// Timing and decoder model: the frame rate, and `buffer_delay_length` where there is a model.
fn timing(reader: &mut BitReader<'_>) -> Result<(Option<FrameRate>, Option<u32>), CodecError> {
    if !reader.flag()? {
        return Ok((None, None));
    }
    let units_in_tick = u64::from(reader.bits(32)?);
    let time_scale = u64::from(reader.bits(32)?);
    let mut frame_rate = None;
    if reader.flag()? {
        // num_ticks_per_picture_minus_1: a uvlc(), the same code as ue(v).
        let ticks = u64::from(reader.ue()?) + 1;
        frame_rate = units_in_tick.checked_mul(ticks).and_then(|units| FrameRate::reduced(time_scale, units));
    }
    let mut buffer_delay_length = None;
    if reader.flag()? {
        buffer_delay_length = Some(reader.bits(5)? + 1);
        reader.skip(32 + 5 + 5)?; // num_units_in_decoding_tick, removal and presentation time lengths
    }
    Ok((frame_rate, buffer_delay_length))
}

/// Level and tier of the first operating point; the others are passed over.
fn operating_points(reader: &mut BitReader<'_>, model: Option<u32>) -> Result<(u8, bool), CodecError> {
    let has_display_delay = reader.flag()?;
    let mut first = None;
    for _ in 0..=reader.bits(5)? {
        reader.skip(12)?; // operating_point_idc
        let level = reader.small(5)?;
        let high_tier = level > 7 && reader.flag()?;
        first.get_or_insert((level, high_tier));
        if let Some(buffer_delay_length) = model
            && reader.flag()?
        {
            reader.skip(2 * buffer_delay_length as usize + 1)?;
        }
        if has_display_delay && reader.flag()? {
            reader.skip(4)?;
        }
    }
    Ok(first.unwrap_or_default())
}

fn picture_size(reader: &mut BitReader<'_>) -> Result<Resolution, CodecError> {
    let width_bits = reader.bits(4)? + 1;
    let height_bits = reader.bits(4)? + 1;
    let width = u64::from(reader.bits(width_bits)?) + 1;
    let height = u64::from(reader.bits(height_bits)?) + 1;
    bounded(SEQUENCE, width, height)
}

/// From behind the picture size to the colour configuration.
fn skip_tools(reader: &mut BitReader<'_>, reduced: bool) -> Result<(), CodecError> {
    if !reduced && reader.flag()? {
        reader.skip(4 + 3)?; // frame id lengths
    }
    reader.skip(3)?; // 128x128 superblocks, filter intra, intra edge filter
    if !reduced {
        reader.skip(4)?; // interintra and masked compound, warped motion, dual filter
        let order_hint = reader.flag()?;
        if order_hint {
            reader.skip(2)?; // enable_jnt_comp, enable_ref_frame_mvs
        }
        let screen_content_tools = reader.flag()? || reader.flag()?;
        if screen_content_tools && !reader.flag()? {
            reader.skip(1)?; // seq_force_integer_mv
        }
        if order_hint {
            reader.skip(3)?; // order_hint_bits_minus_1
        }
    }
    reader.skip(3) // superres, cdef, restoration
}

/// `color_config` (5.5.2).
fn color_config(reader: &mut BitReader<'_>, profile: u8) -> Result<Color, CodecError> {
    let high_depth = reader.flag()?;
    let twelve = profile == 2 && high_depth && reader.flag()?;
    let bit_depth = match (high_depth, twelve) {
        (false, _) => 8,
        (true, false) => 10,
        (true, true) => 12,
    };
    let monochrome = profile != 1 && reader.flag()?;
    let description = if reader.flag()? { Some(reader.bits(24)?) } else { None };
    let mut color =
        Color { bit_depth, monochrome, subsampling_x: true, subsampling_y: true, sample_position: 0 };
    if monochrome {
        return Ok(color);
    }
    if description == Some(SRGB) {
        (color.subsampling_x, color.subsampling_y) = (false, false);
        return Ok(color);
    }
    reader.skip(1)?; // color_range
    (color.subsampling_x, color.subsampling_y) = match profile {
        0 => (true, true),
        1 => (false, false),
        _ if bit_depth == 12 => {
            let horizontal = reader.flag()?;
            (horizontal, horizontal && reader.flag()?)
        }
        _ => (true, false),
    };
    if color.subsampling_x && color.subsampling_y {
        color.sample_position = reader.small(2)?;
    }
    Ok(color)
}
