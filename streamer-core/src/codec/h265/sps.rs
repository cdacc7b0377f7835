//! The sequence parameter set (ITU-T H.265 7.3.2.2.1) and the part of its VUI that tells the frame rate (E.2.1).

use crate::codec::bits::BitReader;
use crate::codec::picture::cropped;
use crate::codec::{CodecError, FrameRate, Resolution, nal};

use super::NAL_SPS;
use super::profile::Profile;

const SPS: &str = "H.265 sequence parameter set";
const EXTENDED_SAR: u8 = 255;
/// Most short-term reference picture sets (7.4.3.2.1).
const MAX_SHORT_TERM_SETS: u32 = 64;
/// Most pictures before, or behind, the current one in a set: a decoder holds no more (7.4.8).
const MAX_REFERENCES: u32 = 16;
/// Most long-term reference pictures (7.4.3.2.1).
const MAX_LONG_TERM_REFERENCES: u32 = 32;

/// What a sequence parameter set says about the pictures.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sps {
    pub(super) profile: Profile,
    /// 1 to 7.
    pub(super) sub_layers: u8,
    pub(super) temporal_id_nesting: bool,
    /// `chroma_format_idc`: 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub(super) chroma_format: u8,
    /// 8 to 15: what the record's three bits can tell.
    pub(super) bit_depth_luma: u8,
    /// 8 to 15.
    pub(super) bit_depth_chroma: u8,
    pub(super) resolution: Resolution,
    pub(super) frame_rate: Option<FrameRate>,
}

impl Sps {
    /// Reads a sequence parameter set, NAL header included. What cannot be read behind the bit depths costs
    /// the frame rate, not the set.
    pub(super) fn parse(unit: &[u8]) -> Result<Self, CodecError> {
        let rbsp = nal::unescape(unit);
        let mut reader = BitReader::new(SPS, &rbsp);
        reader.skip(1)?;
        let nal_type = reader.small(6)?;
        if nal_type != NAL_SPS {
            return Err(reader.field("nal_unit_type", nal_type.into()));
        }
        reader.skip(6 + 3 + 4)?; // nuh_layer_id, nuh_temporal_id_plus1, sps_video_parameter_set_id
        let sub_layers_minus1 = reader.small(3)?;
        let temporal_id_nesting = reader.flag()?;
        let profile = Profile::read(&mut reader, sub_layers_minus1)?;
        reader.ue_max("sps_seq_parameter_set_id", 15)?;
        let chroma_format = reader.ue_max("chroma_format_idc", 3)? as u8;
        let separate_planes = chroma_format == 3 && reader.flag()?;
        let size = (u64::from(reader.ue()?), u64::from(reader.ue()?));
        let mut window = [0; 4];
        if reader.flag()? {
            for side in &mut window {
                *side = reader.ue()?;
            }
        }
        let unit_size = match chroma_format {
            1 if !separate_planes => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let resolution = cropped(SPS, size, window, unit_size)?;
        let bit_depth_luma = 8 + reader.ue_max("bit_depth_luma_minus8", 7)? as u8;
        let bit_depth_chroma = 8 + reader.ue_max("bit_depth_chroma_minus8", 7)? as u8;
        let frame_rate = frame_rate(&mut reader, sub_layers_minus1).unwrap_or_default();
        Ok(Self {
            profile,
            sub_layers: sub_layers_minus1 + 1,
            temporal_id_nesting,
            chroma_format,
            bit_depth_luma,
            bit_depth_chroma,
            resolution,
            frame_rate,
        })
    }
}

/// Reads from behind the bit depths to the VUI's timing.
fn frame_rate(reader: &mut BitReader<'_>, sub_layers_minus1: u8) -> Result<Option<FrameRate>, CodecError> {
    let order_count_bits = 4 + reader.ue_max("log2_max_pic_order_cnt_lsb_minus4", 12)?;
    let orderings = if reader.flag()? { sub_layers_minus1 + 1 } else { 1 };
    for _ in 0..3 * orderings {
        reader.ue()?; // buffering, reorder and latency of a sub-layer
    }
    for _ in 0..6 {
        reader.ue()?; // coding block and transform block sizes, hierarchy depths
    }
    if reader.flag()? && reader.flag()? {
        skip_scaling_lists(reader)?;
    }
    reader.skip(2)?; // amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if reader.flag()? {
        reader.skip(8)?; // PCM bit depths
        reader.ue()?;
        reader.ue()?;
        reader.skip(1)?; // pcm_loop_filter_disabled_flag
    }
    skip_short_term_sets(reader)?;
    if reader.flag()? {
        let pictures = reader.ue_max("num_long_term_ref_pics_sps", MAX_LONG_TERM_REFERENCES)?;
        reader.skip((pictures * (order_count_bits + 1)) as usize)?;
    }
    reader.skip(2)?; // sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
    if reader.flag()? { vui_frame_rate(reader) } else { Ok(None) }
}

/// `scaling_list_data` (7.3.4).
fn skip_scaling_lists(reader: &mut BitReader<'_>) -> Result<(), CodecError> {
    for size_id in 0..4 {
        let lists = if size_id == 3 { 2 } else { 6 };
        for _ in 0..lists {
            if !reader.flag()? {
                reader.ue()?; // scaling_list_pred_matrix_id_delta
                continue;
            }
            if size_id > 1 {
                reader.se()?; // scaling_list_dc_coef_minus8
            }
            for _ in 0..if size_id == 0 { 16 } else { 64 } {
                reader.se()?; // scaling_list_delta_coef
            }
        }
    }
    Ok(())
}

/// The `st_ref_pic_set`s (7.3.7). A predicted set has as many flags as the one before it has pictures, so
/// each must be derived (7.4.8) to know where the next begins.
fn skip_short_term_sets(reader: &mut BitReader<'_>) -> Result<(), CodecError> {
    // Distances to the pictures of the set before: those before the current one, nearest first, then those behind.
    let mut distances: Vec<i64> = Vec::new();
    for index in 0..reader.ue_max("num_short_term_ref_pic_sets", MAX_SHORT_TERM_SETS)? {
        distances = if index > 0 && reader.flag()? {
            predicted_set(reader, &distances)?
        } else {
            explicit_set(reader)?
        };
    }
    Ok(())
}

fn predicted_set(reader: &mut BitReader<'_>, before: &[i64]) -> Result<Vec<i64>, CodecError> {
    let negative = reader.flag()?;
    let magnitude = i64::from(reader.ue_max("abs_delta_rps_minus1", 0x7fff)?) + 1;
    let delta = if negative { -magnitude } else { magnitude };
    let mut kept = Vec::new();
    // The set before's own picture comes last, at distance zero from itself.
    for distance in before.iter().chain(&[0]) {
        let used_by_current = reader.flag()?;
        if used_by_current || reader.flag()? {
            kept.push(distance + delta);
        }
    }
    kept.retain(|&distance| distance != 0);
    if kept.len() > 2 * MAX_REFERENCES as usize {
        return Err(reader.field("NumDeltaPocs", kept.len() as u64));
    }
    kept.sort_unstable_by_key(|&distance| (distance > 0, distance.abs()));
    Ok(kept)
}

fn explicit_set(reader: &mut BitReader<'_>) -> Result<Vec<i64>, CodecError> {
    let before = reader.ue_max("num_negative_pics", MAX_REFERENCES)?;
    let behind = reader.ue_max("num_positive_pics", MAX_REFERENCES)?;
    let mut distances = Vec::new();
    for (count, direction) in [(before, -1), (behind, 1)] {
        let mut distance = 0;
        for _ in 0..count {
            distance += direction * (i64::from(reader.ue_max("delta_poc_minus1", 0x7fff)?) + 1);
            reader.skip(1)?; // used_by_curr_pic_flag
            distances.push(distance);
        }
    }
    Ok(distances)
}

/// Reads a VUI up to its timing.
fn vui_frame_rate(reader: &mut BitReader<'_>) -> Result<Option<FrameRate>, CodecError> {
    if reader.flag()? && reader.small(8)? == EXTENDED_SAR {
        reader.skip(32)?; // sar_width, sar_height
    }
    if reader.flag()? {
        reader.skip(1)?; // overscan_appropriate_flag
    }
    if reader.flag()? {
        reader.skip(4)?; // video_format, video_full_range_flag
        if reader.flag()? {
            reader.skip(24)?; // colour_primaries, transfer_characteristics, matrix_coeffs
        }
    }
    if reader.flag()? {
        reader.ue()?; // chroma_sample_loc_type_top_field
        reader.ue()?; // chroma_sample_loc_type_bottom_field
    }
    reader.skip(3)?; // neutral_chroma_indication_flag, field_seq_flag, frame_field_info_present_flag
    if reader.flag()? {
        for _ in 0..4 {
            reader.ue()?; // default display window
        }
    }
    if !reader.flag()? {
        return Ok(None);
    }
    let units_in_tick = reader.bits(32)?;
    let time_scale = reader.bits(32)?;
    Ok(FrameRate::reduced(time_scale.into(), units_in_tick.into()))
}
