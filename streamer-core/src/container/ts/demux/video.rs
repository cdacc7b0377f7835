//! Access units of H.264 and H.265 in canonical form, their parameter sets gathered into the track.

use bytes::{BufMut, Bytes, BytesMut};

use super::unit::{Times, Unit};
use crate::codec::{AvcConfig, Codec, CodecError, HevcConfig, h264, h265, nal};

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VideoSyntax {
    H264,
    H265,
}

/// The kinds of units that do not stay in an access unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Delimiter,
    Set(usize),
    Other,
}

const VPS: usize = 0;
const SPS: usize = 1;
const PPS: usize = 2;

/// Parameter sets: video, sequence, picture.
type Sets = [Vec<Bytes>; 3];

/// Reads the access units of one stream.
#[derive(Debug)]
pub(super) struct VideoReader {
    syntax: VideoSyntax,
    sets: Sets,
    codec: Option<Codec>,
    /// Whether pictures are passed over until a decoder can begin.
    waits_for_sync: bool,
}

impl VideoReader {
    pub(super) fn new(syntax: VideoSyntax) -> Self {
        Self { syntax, sets: Sets::default(), codec: None, waits_for_sync: true }
    }

    /// Pictures are missing: the next one given is one at which a decoder can begin.
    pub(super) const fn gap(&mut self) {
        self.waits_for_sync = true;
    }

    /// Reads an access unit; `times` is `None` where the stream did not tell. Returns whether it was given, or
    /// held nothing to give.
    ///
    /// # Errors
    /// When its parameter sets cannot be read; the old ones stay in force.
    pub(super) fn push(
        &mut self,
        stream: &[u8],
        times: Option<Times>,
        out: &mut Vec<Unit>,
    ) -> Result<bool, CodecError> {
        let mut found = Sets::default();
        let mut data = BytesMut::with_capacity(stream.len() + 16);
        for unit in nal::annex_b_units(stream) {
            match self.kind(unit) {
                Kind::Delimiter => {}
                Kind::Set(kind) => {
                    if let Some(sets) = found.get_mut(kind)
                        && !sets.iter().any(|set| set == unit)
                    {
                        sets.push(Bytes::copy_from_slice(unit));
                    }
                }
                // A PES packet is far below the four bytes of length.
                Kind::Other => {
                    data.put_u32(u32::try_from(unit.len()).unwrap_or_default());
                    data.put_slice(unit);
                }
            }
        }
        let data = data.freeze();
        let sync = match self.syntax {
            VideoSyntax::H264 => h264::is_sync(&data),
            VideoSyntax::H265 => h265::is_sync(&data),
        };
        let gathered = self.gather(found, sync, out);
        if data.is_empty() {
            return gathered.map(|()| true);
        }
        let Some(Times { pts, dts }) =
            times.filter(|_| self.codec.is_some() && (sync || !self.waits_for_sync))
        else {
            // A picture that is left out is missing to those behind it.
            self.waits_for_sync = true;
            return gathered.map(|()| false);
        };
        self.waits_for_sync = false;
        out.push(Unit::Frame { pts, dts, sync, data });
        gathered.map(|()| true)
    }

    /// Takes the parameter sets of an access unit: at a random access point those of a kind take the place of the
    /// ones before, elsewhere they join them.
    fn gather(&mut self, found: Sets, sync: bool, out: &mut Vec<Unit>) -> Result<(), CodecError> {
        let mut sets = self.sets.clone();
        let mut alone = self.sets.clone();
        for ((held, alone), found) in sets.iter_mut().zip(&mut alone).zip(found) {
            if found.is_empty() {
                continue;
            }
            if sync {
                held.clear();
            }
            alone.clone_from(&found);
            for set in found {
                if !held.contains(&set) {
                    held.push(set);
                }
            }
        }
        if sets == self.sets {
            return Ok(());
        }
        // A stream that goes on telling new ones has room for the newest.
        let (codec, sets) = match self.config(&sets) {
            Ok(codec) => (codec, sets),
            Err(CodecError::Limit { .. }) => (self.config(&alone)?, alone),
            Err(error) if self.codec.is_some() || sets.get(SPS).is_some_and(|sps| !sps.is_empty()) => {
                return Err(error);
            }
            Err(_) => return Ok(()),
        };
        self.sets = sets;
        if self.codec.as_ref() != Some(&codec) {
            self.codec = Some(codec.clone());
            out.push(Unit::Config(codec));
        }
        Ok(())
    }

    fn config(&self, sets: &Sets) -> Result<Codec, CodecError> {
        let [vps, sps, pps] = sets.clone();
        Ok(match self.syntax {
            VideoSyntax::H264 => Codec::H264(AvcConfig::from_parameter_sets(sps, pps)?),
            VideoSyntax::H265 => Codec::H265(HevcConfig::from_parameter_sets(vps, sps, pps)?),
        })
    }

    fn kind(&self, unit: &[u8]) -> Kind {
        match self.syntax {
            VideoSyntax::H264 => match h264::nal_type(unit) {
                Some(h264::NAL_AUD) => Kind::Delimiter,
                Some(h264::NAL_SPS) => Kind::Set(SPS),
                Some(h264::NAL_PPS) => Kind::Set(PPS),
                _ => Kind::Other,
            },
            VideoSyntax::H265 => match h265::nal_type(unit) {
                Some(h265::NAL_AUD) => Kind::Delimiter,
                Some(h265::NAL_VPS) => Kind::Set(VPS),
                Some(h265::NAL_SPS) => Kind::Set(SPS),
                Some(h265::NAL_PPS) => Kind::Set(PPS),
                _ => Kind::Other,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::golden::golden;

    const START: &[u8] = &[0, 0, 0, 1];
    const IDR: &[u8] = &[0x65, 0x88, 0x84];
    const SLICE: &[u8] = &[0x41, 0x9a, 0x02];
    const TIMES: Option<Times> = Some(Times { pts: 9, dts: 5 });

    fn stream(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [START, unit]).collect::<Vec<_>>().concat()
    }

    fn frame(unit: &[u8], sync: bool) -> Unit {
        Unit::Frame { pts: 9, dts: 5, sync, data: nal::join([unit]) }
    }

    #[test]
    fn parameter_sets_go_into_the_track() {
        let config = AvcConfig::parse(&golden("h264-baseline-240.record")).unwrap();
        let mut reader = VideoReader::new(VideoSyntax::H264);
        let mut out = Vec::new();
        // A picture before any parameter set, and one before a random access point.
        assert_eq!(reader.push(&stream(&[&[0x09, 0xf0], IDR]), TIMES, &mut out), Ok(false));
        assert_eq!(reader.push(&stream(&[&config.pps[0], &config.sps[0]]), None, &mut out), Ok(true));
        assert_eq!(reader.push(&stream(&[SLICE]), TIMES, &mut out), Ok(false));
        let built = AvcConfig::from_parameter_sets(config.sps.clone(), config.pps.clone()).unwrap();
        assert_eq!(out, [Unit::Config(Codec::H264(built))]);
        out.clear();
        let whole = stream(&[&[0x09, 0xf0], &config.sps[0], &config.pps[0], IDR]);
        assert_eq!(reader.push(&whole, TIMES, &mut out), Ok(true));
        assert_eq!(reader.push(&stream(&[SLICE]), TIMES, &mut out), Ok(true));
        assert_eq!(out, [frame(IDR, true), frame(SLICE, false)]);
    }

    #[test]
    fn after_a_gap_or_a_picture_without_time_a_random_access_point_comes() {
        let config = AvcConfig::parse(&golden("h264-baseline-240.record")).unwrap();
        let mut reader = VideoReader::new(VideoSyntax::H264);
        let mut out = Vec::new();
        let whole = stream(&[&config.sps[0], &config.pps[0], IDR]);
        for begin in [VideoReader::gap, |reader: &mut VideoReader| {
            assert_eq!(reader.push(&stream(&[SLICE]), None, &mut Vec::new()), Ok(false));
        }] {
            reader.push(&whole, TIMES, &mut out).unwrap();
            reader.push(&stream(&[SLICE]), TIMES, &mut out).unwrap();
            begin(&mut reader);
            out.clear();
            assert_eq!(reader.push(&stream(&[SLICE]), TIMES, &mut out), Ok(false));
            assert_eq!(reader.push(&whole, TIMES, &mut out), Ok(true));
            assert_eq!(out, [frame(IDR, true)]);
        }
    }

    #[test]
    fn sets_are_replaced_at_random_access_points_and_added_elsewhere() {
        let config = AvcConfig::parse(&golden("h264-baseline-240.record")).unwrap();
        let (sps, pps): (&[u8], &[u8]) = (&config.sps[0], &config.pps[0]);
        let mut reader = VideoReader::new(VideoSyntax::H264);
        let mut out = Vec::new();
        reader.push(&stream(&[sps, pps, IDR]), TIMES, &mut out).unwrap();
        let other: &[u8] = &[0x68, 0x11, 0x22];
        reader.push(&stream(&[other, SLICE]), TIMES, &mut out).unwrap();
        assert_eq!(reader.sets[PPS], [pps, other]);
        reader.push(&stream(&[sps, other, IDR]), TIMES, &mut out).unwrap();
        assert_eq!(reader.sets[PPS], [other]);
        assert_eq!(out.iter().filter(|unit| matches!(unit, Unit::Config(_))).count(), 3);
        // More than a record can hold: the newest alone.
        for index in 1..=h264::MAX_PPS as u8 {
            let more = [&[0x68, 0x33][..], &[index, 1]].concat();
            reader.push(&stream(&[&more, SLICE]), TIMES, &mut out).unwrap();
        }
        assert!(reader.sets[PPS].len() == 1, "{}", reader.sets[PPS].len());
        // One that cannot be read leaves the others in force.
        assert!(reader.push(&stream(&[&[0x67, 0xff], IDR]), TIMES, &mut out).is_err());
        assert_eq!(reader.sets[SPS], [sps]);
    }

    #[test]
    fn h265_has_three_kinds() {
        let config = HevcConfig::parse(&golden("h265-main-720.record")).unwrap();
        let idr: &[u8] = &[0x26, 0x01, 0xaf];
        let mut reader = VideoReader::new(VideoSyntax::H265);
        let mut out = Vec::new();
        let units: [&[u8]; 5] = [&[0x46, 1, 0x50], &config.vps[0], &config.sps[0], &config.pps[0], idr];
        reader.push(&stream(&units), TIMES, &mut out).unwrap();
        let [Unit::Config(Codec::H265(found)), rest] = &out[..] else { panic!("{out:?}") };
        assert_eq!((&found.vps, &found.sps, &found.pps), (&config.vps, &config.sps, &config.pps));
        assert_eq!(rest, &frame(idr, true));
    }
}
