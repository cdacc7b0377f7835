//! The sequence parameter set (ITU-T H.264 7.3.2.1.1) and the part of its VUI that tells the frame rate (E.1.1).

use crate::codec::bits::BitReader;
use crate::codec::picture::cropped;
use crate::codec::{CodecError, FrameRate, Resolution, nal};

use super::NAL_SPS;

const SPS: &str = "H.264 sequence parameter set";
const EXTENDED_SAR: u8 = 255;

/// What a sequence parameter set says about the pictures.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sps {
    pub(super) profile: u8,
    pub(super) constraints: u8,
    pub(super) level: u8,
    /// `chroma_format_idc`: 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub(super) chroma_format: u8,
    /// 8 to 14.
    pub(super) bit_depth_luma: u8,
    /// 8 to 14.
    pub(super) bit_depth_chroma: u8,
    pub(super) resolution: Resolution,
    pub(super) frame_rate: Option<FrameRate>,
}

impl Sps {
    /// Reads a sequence parameter set, NAL header included. A VUI that cannot be read costs the frame rate, not the set.
    pub(super) fn parse(unit: &[u8]) -> Result<Self, CodecError> {
        let rbsp = nal::unescape(unit);
        let mut reader = BitReader::new(SPS, &rbsp);
        reader.skip(3)?;
        let nal_type = reader.small(5)?;
        if nal_type != NAL_SPS {
            return Err(reader.field("nal_unit_type", nal_type.into()));
        }
        let profile = reader.small(8)?;
        let constraints = reader.small(8)?;
        let level = reader.small(8)?;
        reader.ue_max("seq_parameter_set_id", 31)?;
        let mut chroma_format = 1;
        let mut separate_planes = false;
        let (mut bit_depth_luma, mut bit_depth_chroma) = (8, 8);
        if has_chroma_info(profile) {
            chroma_format = reader.ue_max("chroma_format_idc", 3)? as u8;
            separate_planes = chroma_format == 3 && reader.flag()?;
            bit_depth_luma = 8 + reader.ue_max("bit_depth_luma_minus8", 6)? as u8;
            bit_depth_chroma = 8 + reader.ue_max("bit_depth_chroma_minus8", 6)? as u8;
            reader.skip(1)?; // qpprime_y_zero_transform_bypass_flag
            if reader.flag()? {
                skip_scaling_matrix(&mut reader, chroma_format)?;
            }
        }
        reader.ue_max("log2_max_frame_num_minus4", 12)?;
        skip_picture_order_count(&mut reader)?;
        reader.ue()?; // max_num_ref_frames
        reader.skip(1)?; // gaps_in_frame_num_value_allowed_flag
        let width_in_mbs = u64::from(reader.ue()?) + 1;
        let height_in_map_units = u64::from(reader.ue()?) + 1;
        let frame_mbs_only = reader.flag()?;
        if !frame_mbs_only {
            reader.skip(1)?; // mb_adaptive_frame_field_flag
        }
        reader.skip(1)?; // direct_8x8_inference_flag
        let mut crop = [0; 4];
        if reader.flag()? {
            for side in &mut crop {
                *side = reader.ue()?;
            }
        }
        let field_factor = if frame_mbs_only { 1 } else { 2 };
        let (unit_x, unit_y) = match chroma_format {
            _ if separate_planes => (1, 1),
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let size = (width_in_mbs * 16, height_in_map_units * 16 * u64::from(field_factor));
        let resolution = cropped(SPS, size, crop, (unit_x, unit_y * field_factor))?;
        let frame_rate = vui_frame_rate(&mut reader).unwrap_or_default();
        Ok(Self {
            profile,
            constraints,
            level,
            chroma_format,
            bit_depth_luma,
            bit_depth_chroma,
            resolution,
            frame_rate,
        })
    }
}

/// Profiles whose parameter set tells the chroma format and bit depth.
const fn has_chroma_info(profile: u8) -> bool {
    matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 134 | 135 | 138 | 139)
}

fn skip_scaling_matrix(reader: &mut BitReader<'_>, chroma_format: u8) -> Result<(), CodecError> {
    let lists = if chroma_format == 3 { 12 } else { 8 };
    for list in 0..lists {
        if reader.flag()? {
            skip_scaling_list(reader, if list < 6 { 16 } else { 64 })?;
        }
    }
    Ok(())
}

/// ITU-T H.264 7.3.2.1.1.1: the list ends early where the next scale becomes zero.
fn skip_scaling_list(reader: &mut BitReader<'_>, size: u32) -> Result<(), CodecError> {
    let mut last = 8;
    for _ in 0..size {
        let next = (last + reader.se()?).rem_euclid(256);
        if next == 0 {
            break;
        }
        last = next;
    }
    Ok(())
}

fn skip_picture_order_count(reader: &mut BitReader<'_>) -> Result<(), CodecError> {
    match reader.ue_max("pic_order_cnt_type", 2)? {
        0 => {
            reader.ue_max("log2_max_pic_order_cnt_lsb_minus4", 12)?;
        }
        1 => {
            reader.skip(1)?; // delta_pic_order_always_zero_flag
            reader.se()?; // offset_for_non_ref_pic
            reader.se()?; // offset_for_top_to_bottom_field
            for _ in 0..reader.ue_max("num_ref_frames_in_pic_order_cnt_cycle", 255)? {
                reader.se()?; // offset_for_ref_frame
            }
        }
        _ => {}
    }
    Ok(())
}

/// Reads from `vui_parameters_present_flag` to the timing. Two ticks make a frame (D.2.1, table E-6).
fn vui_frame_rate(reader: &mut BitReader<'_>) -> Result<Option<FrameRate>, CodecError> {
    if !reader.flag()? {
        return Ok(None);
    }
    if reader.flag()? && reader.small(8)? == EXTENDED_SAR {
        reader.skip(32)?; // sar_width, sar_height
    }
    if reader.flag()? {
        reader.skip(1)?; // overscan_appropriate_flag
    }
    if reader.flag()? {
        reader.skip(4)?; // video_format, video_full_range_flag
        if reader.flag()? {
            reader.skip(24)?; // colour_primaries, transfer_characteristics, matrix_coefficients
        }
    }
    if reader.flag()? {
        reader.ue()?; // chroma_sample_loc_type_top_field
        reader.ue()?; // chroma_sample_loc_type_bottom_field
    }
    if !reader.flag()? {
        return Ok(None);
    }
    let units_in_tick = u64::from(reader.bits(32)?);
    let time_scale = u64::from(reader.bits(32)?);
    Ok(FrameRate::reduced(time_scale, 2 * units_in_tick))
}
