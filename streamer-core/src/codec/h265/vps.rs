//! The frame rate of a video parameter set (ITU-T H.265 7.3.2.1), for streams that do not tell it in the VUI.

use crate::codec::bits::BitReader;
use crate::codec::{CodecError, FrameRate, nal};

use super::profile::Profile;

const VPS: &str = "H.265 video parameter set";
/// Highest `vps_num_layer_sets_minus1`.
const MAX_LAYER_SETS_MINUS1: u32 = 1023;

/// The frame rate; `None` where the set has no timing or cannot be read.
pub(super) fn frame_rate(unit: &[u8]) -> Option<FrameRate> {
    read(unit).ok().flatten()
}

fn read(unit: &[u8]) -> Result<Option<FrameRate>, CodecError> {
    let rbsp = nal::unescape(unit);
    let mut reader = BitReader::new(VPS, &rbsp);
    reader.skip(16 + 4 + 2 + 6)?; // NAL header, vps_video_parameter_set_id, base layer flags, vps_max_layers_minus1
    let sub_layers_minus1 = reader.small(3)?;
    reader.skip(1 + 16)?; // vps_temporal_id_nesting_flag, vps_reserved_0xffff_16bits
    Profile::read(&mut reader, sub_layers_minus1)?;
    let orderings = if reader.flag()? { sub_layers_minus1 + 1 } else { 1 };
    for _ in 0..3 * orderings {
        reader.ue()?;
    }
    let max_layer_id = reader.bits(6)?;
    let layer_sets = reader.ue_max("vps_num_layer_sets_minus1", MAX_LAYER_SETS_MINUS1)?;
    reader.skip((layer_sets * (max_layer_id + 1)) as usize)?; // layer_id_included_flag
    if !reader.flag()? {
        return Ok(None);
    }
    let units_in_tick = reader.bits(32)?;
    let time_scale = reader.bits(32)?;
    Ok(FrameRate::reduced(time_scale.into(), units_in_tick.into()))
}
