//! Access units of H.264 and H.265 as byte streams: delimiter first, parameter sets before each random access point
//! (ISO/IEC 13818-1 2.14.1, 2.17.1).

use bytes::Bytes;

use super::super::packet::PacketWriter;
use crate::codec::{AvcConfig, CodecError, HevcConfig, h264, h265, nal};

const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// Access unit delimiters with their start code; any type of slice may follow (ITU-T H.264 7.3.2.4, H.265 7.3.2.5).
const H264_DELIMITER: &[u8] = &[0, 0, 0, 1, h264::NAL_AUD, 0xf0];
const H265_DELIMITER: &[u8] = &[0, 0, 0, 1, h265::NAL_AUD << 1, 1, 0x50];

/// Writes the access units of a track.
#[derive(Debug)]
pub(super) struct AccessUnits {
    syntax: Syntax,
    // Each kind of parameter set, with start codes.
    vps: Vec<u8>,
    sps: Vec<u8>,
    pps: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Syntax {
    H264,
    H265,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Delimiter,
    Vps,
    Sps,
    Pps,
    Other,
}

/// What is put into one access unit, and how long it is then.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plan {
    pub(super) len: usize,
    vps: bool,
    sps: bool,
    pps: bool,
}

impl AccessUnits {
    pub(super) fn h264(config: &AvcConfig) -> Self {
        let (sps, pps) = (byte_stream(&config.sps), byte_stream(&config.pps));
        Self { syntax: Syntax::H264, vps: Vec::new(), sps, pps }
    }

    pub(super) fn h265(config: &HevcConfig) -> Self {
        let vps = byte_stream(&config.vps);
        let (sps, pps) = (byte_stream(&config.sps), byte_stream(&config.pps));
        Self { syntax: Syntax::H265, vps, sps, pps }
    }

    /// Looks through a canonical access unit: parameter sets of a kind that is in it already are not added.
    ///
    /// # Errors
    /// [`CodecError::Truncated`] when a length runs past the end.
    pub(super) fn plan(&self, payload: &[u8], sync: bool) -> Result<Plan, CodecError> {
        let mut plan = Plan { len: self.delimiter().len(), vps: sync, sps: sync, pps: sync };
        for unit in nal::units(payload) {
            let unit = unit?;
            match self.kind(unit) {
                Unit::Delimiter => continue,
                Unit::Vps => plan.vps = false,
                Unit::Sps => plan.sps = false,
                Unit::Pps => plan.pps = false,
                Unit::Other => {}
            }
            plan.len += START_CODE.len() + unit.len();
        }
        for (added, sets) in [(plan.vps, &self.vps), (plan.sps, &self.sps), (plan.pps, &self.pps)] {
            plan.len += if added { sets.len() } else { 0 };
        }
        Ok(plan)
    }

    /// Writes the access unit that was planned.
    pub(super) fn write(&self, plan: Plan, payload: &[u8], writer: &mut PacketWriter<'_>) {
        writer.put(self.delimiter());
        if plan.vps {
            writer.put(&self.vps);
        }
        if plan.sps {
            writer.put(&self.sps);
        }
        let mut add_pps = plan.pps;
        for unit in nal::units(payload).map_while(Result::ok) {
            let kind = self.kind(unit);
            if kind == Unit::Delimiter {
                continue;
            }
            // Behind the sequence parameter sets within the unit, to which they may refer.
            if add_pps && !matches!(kind, Unit::Vps | Unit::Sps) {
                writer.put(&self.pps);
                add_pps = false;
            }
            writer.put(&START_CODE);
            writer.put(unit);
        }
        if add_pps {
            writer.put(&self.pps);
        }
    }

    const fn delimiter(&self) -> &'static [u8] {
        match self.syntax {
            Syntax::H264 => H264_DELIMITER,
            Syntax::H265 => H265_DELIMITER,
        }
    }

    fn kind(&self, unit: &[u8]) -> Unit {
        match self.syntax {
            Syntax::H264 => match h264::nal_type(unit) {
                Some(h264::NAL_AUD) => Unit::Delimiter,
                Some(h264::NAL_SPS) => Unit::Sps,
                Some(h264::NAL_PPS) => Unit::Pps,
                _ => Unit::Other,
            },
            Syntax::H265 => match h265::nal_type(unit) {
                Some(h265::NAL_AUD) => Unit::Delimiter,
                Some(h265::NAL_VPS) => Unit::Vps,
                Some(h265::NAL_SPS) => Unit::Sps,
                Some(h265::NAL_PPS) => Unit::Pps,
                _ => Unit::Other,
            },
        }
    }
}

fn byte_stream(sets: &[Bytes]) -> Vec<u8> {
    sets.iter().flat_map(|set| [&START_CODE[..], set]).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::super::super::packet::{Adaptation, PACKET_BYTES, Packet};
    use super::*;
    use crate::codec::golden::golden;

    const IDR: &[u8] = &[0x65, 0x88, 0x84];
    const SEI: &[u8] = &[0x06, 0x05, 0x01];

    fn written(units: &AccessUnits, payload: &[u8], sync: bool) -> Vec<u8> {
        let plan = units.plan(payload, sync).unwrap();
        let (mut out, mut counter) = (Vec::new(), 0);
        let mut writer = PacketWriter::begin(&mut out, 0x100, &mut counter, Adaptation::default(), plan.len);
        units.write(plan, payload, &mut writer);
        let packets = out.as_chunks::<PACKET_BYTES>().0.iter().map(|packet| Packet::parse(packet).unwrap());
        let stream = packets.filter_map(|packet| packet.payload).collect::<Vec<_>>().concat();
        assert_eq!(stream.len(), plan.len);
        stream
    }

    fn stream_of(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&START_CODE[..], unit]).collect::<Vec<_>>().concat()
    }

    #[test]
    fn a_random_access_point_gets_delimiter_and_parameter_sets() {
        let config = AvcConfig::parse(&golden("h264-baseline-240.record")).unwrap();
        let units = AccessUnits::h264(&config);
        let (sps, pps): (&[u8], &[u8]) = (&config.sps[0], &config.pps[0]);
        let aud: &[u8] = &[0x09, 0xf0];
        let payload = nal::join([SEI, IDR]);
        assert_eq!(written(&units, &payload, true), stream_of(&[aud, sps, pps, SEI, IDR]));
        assert_eq!(written(&units, &payload, false), stream_of(&[aud, SEI, IDR]));
        assert_eq!(written(&units, &[], true), stream_of(&[aud, sps, pps]));
    }

    #[test]
    fn what_is_in_the_stream_is_not_doubled() {
        let config = AvcConfig::parse(&golden("h264-baseline-240.record")).unwrap();
        let units = AccessUnits::h264(&config);
        let (sps, pps): (&[u8], &[u8]) = (&config.sps[0], &config.pps[0]);
        let aud: &[u8] = &[0x09, 0xf0];
        let other_sps: &[u8] = &[0x67, 1, 2];
        for (within, expected) in [
            (&[&[0x09, 0x10][..], sps, pps, IDR][..], &[aud, sps, pps, IDR][..]),
            (&[other_sps, SEI, IDR], &[aud, other_sps, pps, SEI, IDR]),
            (&[pps, IDR], &[aud, sps, pps, IDR]),
            (&[other_sps], &[aud, other_sps, pps]),
        ] {
            assert_eq!(written(&units, &nal::join(within.iter().copied()), true), stream_of(expected));
        }
    }

    #[test]
    fn h265_has_video_parameter_sets_too() {
        let config = HevcConfig::parse(&golden("h265-main-720.record")).unwrap();
        let units = AccessUnits::h265(&config);
        let idr: &[u8] = &[0x26, 0x01, 0xaf];
        let aud: &[u8] = &[0x46, 0x01, 0x50];
        let sets: [&[u8]; 3] = [&config.vps[0], &config.sps[0], &config.pps[0]];
        let expected = stream_of(&[aud, sets[0], sets[1], sets[2], idr]);
        assert_eq!(written(&units, &nal::join([idr]), true), expected);
        assert_eq!(written(&units, &nal::join([sets[0], sets[1], sets[2], idr]), true), expected);
    }

    #[test]
    fn a_length_past_the_end_is_refused() {
        let config = AvcConfig::parse(&golden("h264-baseline-240.record")).unwrap();
        let refused = AccessUnits::h264(&config).plan(&[0, 0, 0, 9, 0x65], true);
        assert!(matches!(refused, Err(CodecError::Truncated { .. })));
    }
}
