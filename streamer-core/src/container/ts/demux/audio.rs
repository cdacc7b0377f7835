//! Audio frames that tell their own length, cut out of PES packets at which they need not begin: ADTS, MP3, AC-3.

use bytes::Bytes;

use super::unit::Unit;
use crate::codec::aac::adts::{AdtsHeader, BLOCK_SAMPLES};
use crate::codec::ac3::SyncFrame;
use crate::codec::{AacConfig, Ac3Config, Codec, CodecError, Mp3Config, mp3};

/// Longest frame put together: an E-AC-3 frame has 4 KiB at most, and is followed by the dependent substreams
/// and further programs of its access unit; the others stay below 8 KiB. One is held back of each stream.
pub const MAX_AUDIO_UNIT_BYTES: usize = 16 * 1_024;
/// Bytes of an AC-3 frame up to where its parameters end.
const AC3_HEADER_BYTES: usize = 8;

/// Which of them it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AudioSyntax {
    Adts,
    Mp3,
    Ac3,
    Eac3,
}

/// Reads the frames of one stream.
#[derive(Debug)]
pub(super) struct AudioReader {
    syntax: AudioSyntax,
    /// A frame that has begun.
    held: Bytes,
    codec: Option<Codec>,
    /// The header behind `codec`, with which the next one is compared first.
    adts: Option<AdtsHeader>,
    anchor: Option<Anchor>,
    /// Whether the last frame ended where the next one is sought.
    aligned: bool,
}

/// Where time is counted from.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    pts: i64,
    samples: u64,
    rate_hz: u32,
}

impl Anchor {
    fn now(self) -> i64 {
        let rate = u64::from(self.rate_hz.max(1));
        let ticks = (u128::from(self.samples) * 90_000 + u128::from(rate / 2)) / u128::from(rate);
        self.pts.wrapping_add(i64::try_from(ticks).unwrap_or(i64::MAX))
    }
}

/// What a stream goes on with.
enum Next {
    /// More bytes are needed.
    More,
    /// Bytes that are no frame.
    Junk(usize),
    /// A frame with its header.
    Frame { bytes: usize, header_bytes: usize, samples: u32, rate_hz: u32, codec: Option<Codec>, whole: bool },
}

impl AudioReader {
    pub(super) const fn new(syntax: AudioSyntax) -> Self {
        Self { syntax, held: Bytes::new(), codec: None, adts: None, anchor: None, aligned: false }
    }

    /// Bytes of the stream are missing.
    pub(super) fn gap(&mut self) {
        self.held.clear();
        self.anchor = None;
        self.aligned = false;
    }

    /// Reads the payload of a PES packet. `pts` is that of the first frame that begins in it. Returns the bytes
    /// passed over.
    pub(super) fn push(&mut self, payload: Bytes, pts: Option<i64>, out: &mut Vec<Unit>) -> usize {
        let begins_at = self.held.len();
        let data = if begins_at == 0 { payload } else { Bytes::from([&self.held[..], &payload].concat()) };
        let mut pts = pts;
        let (mut at, mut junk) = (0, 0);
        loop {
            if at >= begins_at
                && let Some(pts) = pts.take()
            {
                let rate_hz = self.anchor.map_or(0, |anchor| anchor.rate_hz);
                self.anchor = Some(Anchor { pts, samples: 0, rate_hz });
            }
            match self.next(data.get(at..).unwrap_or_default()) {
                Next::More => break,
                Next::Junk(bytes) => {
                    at += bytes;
                    junk += bytes;
                    self.aligned = false;
                }
                Next::Frame { bytes, header_bytes, samples, rate_hz, codec, whole } => {
                    if let Some(codec) = codec {
                        self.codec = Some(codec.clone());
                        out.push(Unit::Config(codec));
                    }
                    if let Some(anchor) = &mut self.anchor {
                        if anchor.rate_hz != rate_hz {
                            *anchor = Anchor { pts: anchor.now(), samples: 0, rate_hz };
                        }
                        if whole {
                            out.push(Unit::sound(anchor.now(), data.slice(at + header_bytes..at + bytes)));
                        }
                        anchor.samples += u64::from(samples);
                    }
                    if !whole || self.anchor.is_none() {
                        junk += bytes;
                    }
                    at += bytes;
                    self.aligned = true;
                }
            }
        }
        // A copy: the rest of a packet must not keep all of it.
        self.held = Bytes::copy_from_slice(data.get(at..).unwrap_or_default());
        junk
    }

    fn next(&mut self, data: &[u8]) -> Next {
        let found = match self.syntax {
            AudioSyntax::Adts => self.adts(data),
            AudioSyntax::Mp3 => self.mp3(data),
            AudioSyntax::Ac3 | AudioSyntax::Eac3 => self.ac3(data),
        };
        match found {
            Ok(Next::Frame { bytes, .. }) if bytes > data.len() => Next::More,
            // A sync word may be chance: behind it there must be another one.
            Ok(Next::Frame { bytes, .. })
                if !self.aligned && !self.begins(data.get(bytes..).unwrap_or_default()) =>
            {
                Next::Junk(1)
            }
            Ok(next) => next,
            Err(_) => Next::Junk(1),
        }
    }

    /// Whether a frame may begin with these bytes, or there are too few to tell.
    fn begins(&self, data: &[u8]) -> bool {
        let Some(&[first, second]) = data.first_chunk::<2>() else { return true };
        match self.syntax {
            AudioSyntax::Adts => first == 0xff && second & 0xf6 == 0xf0,
            AudioSyntax::Mp3 => first == 0xff && second & 0xe0 == 0xe0,
            AudioSyntax::Ac3 | AudioSyntax::Eac3 => [first, second] == [0x0b, 0x77],
        }
    }

    fn adts(&mut self, data: &[u8]) -> Result<Next, CodecError> {
        let Some(header) = AdtsHeader::parse(data)? else { return Ok(Next::More) };
        let AdtsHeader { frame_bytes: bytes, header_bytes, sample_rate_hz: rate_hz, .. } = header;
        let samples = u32::from(BLOCK_SAMPLES) * u32::from(header.raw_data_blocks);
        // Several blocks cannot be told apart without decoding them; encoders write one.
        let whole = header.raw_data_blocks == 1 && bytes > header_bytes;
        let same = self.adts.as_ref().is_some_and(|held| {
            (held.object_type, held.sample_rate_hz, held.channel_configuration)
                == (header.object_type, header.sample_rate_hz, header.channel_configuration)
        });
        let mut codec = None;
        // Not before the frame is there, or it would be told twice.
        if !same && bytes <= data.len() && self.confirmed(data, bytes) {
            codec = Some(Codec::Aac(AacConfig::from_adts_header(&header)?));
            self.adts = Some(header);
        }
        Ok(Next::Frame { bytes, header_bytes, samples, rate_hz, codec, whole })
    }

    fn mp3(&self, data: &[u8]) -> Result<Next, CodecError> {
        if data.len() < mp3::HEADER_BYTES {
            return Ok(Next::More);
        }
        let bytes = mp3::frame_bytes(data)?;
        let config = Mp3Config::parse(data)?;
        let (samples, rate_hz) = (config.frame_samples.into(), config.sample_rate_hz);
        let codec = self.changed(Codec::Mp3(config));
        Ok(Next::Frame { bytes, header_bytes: 0, samples, rate_hz, codec, whole: true })
    }

    fn ac3(&self, data: &[u8]) -> Result<Next, CodecError> {
        if data.len() < AC3_HEADER_BYTES {
            return Ok(Next::More);
        }
        let first = SyncFrame::parse(data)?;
        if !first.begins_unit {
            return Ok(Next::Junk(first.bytes.min(data.len())));
        }
        let mut bytes = first.bytes;
        while let Some(rest) = data.get(bytes..)
            && self.syntax == AudioSyntax::Eac3
            && !rest.is_empty()
        {
            if rest.len() < SyncFrame::HEADER_BYTES {
                return Ok(Next::More);
            }
            match SyncFrame::parse(rest) {
                Ok(more) if !more.begins_unit => bytes += more.bytes,
                _ => break,
            }
            if bytes > MAX_AUDIO_UNIT_BYTES {
                return Ok(Next::Junk(first.bytes));
            }
        }
        let (config, codec) = if self.syntax == AudioSyntax::Ac3 {
            let config = Ac3Config::parse(data)?;
            (config.clone(), self.changed(Codec::Ac3(config)))
        } else {
            let config = Ac3Config::parse_enhanced(data)?;
            (config.clone(), self.changed(Codec::Eac3(config)))
        };
        let (samples, rate_hz) = (config.frame_samples.into(), config.sample_rate_hz);
        Ok(Next::Frame { bytes, header_bytes: 0, samples, rate_hz, codec, whole: true })
    }

    /// Whether [`next`](Self::next) will take the frame.
    fn confirmed(&self, data: &[u8], bytes: usize) -> bool {
        self.aligned || self.begins(data.get(bytes..).unwrap_or_default())
    }

    /// The configuration, unless it is the one in force.
    fn changed(&self, codec: Codec) -> Option<Codec> {
        (self.codec.as_ref() != Some(&codec)).then_some(codec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::golden::frame;

    fn frames(units: &[Unit]) -> Vec<(i64, Bytes)> {
        units
            .iter()
            .filter_map(|unit| match unit {
                Unit::Frame { pts, data, .. } => Some((*pts, data.clone())),
                Unit::Config(_) => None,
            })
            .collect()
    }

    fn configs(units: &[Unit]) -> usize {
        units.iter().filter(|unit| matches!(unit, Unit::Config(_))).count()
    }

    /// Two frames of each syntax, and the ticks of one.
    fn streams() -> Vec<(AudioSyntax, [Bytes; 2], usize, i64)> {
        let ac3 = frame("ac3-44100-mono", 0);
        let eac3 = frame("eac3-48000-51", 0);
        vec![
            (AudioSyntax::Adts, [frame("aac-lc-adts", 0), frame("aac-lc-adts", 1)], 7, 1_920),
            (AudioSyntax::Mp3, [frame("mp3-44100-stereo", 0), frame("mp3-44100-stereo", 1)], 0, 2_351),
            (AudioSyntax::Ac3, [ac3.clone(), ac3], 0, 3_135),
            (AudioSyntax::Eac3, [eac3.clone(), eac3], 0, 2_880),
        ]
    }

    #[test]
    fn several_frames_of_a_packet_get_a_time_each() {
        for (syntax, [first, second], header, ticks) in streams() {
            let mut reader = AudioReader::new(syntax);
            let mut out = Vec::new();
            let payload = Bytes::from([&first[..], &second, &first].concat());
            assert_eq!(reader.push(payload.clone(), Some(1_000), &mut out), 0);
            let rest = [first.slice(header..), second.slice(header..), first.slice(header..)];
            let [a, b, c] = rest;
            assert_eq!(configs(&out), 1, "{syntax:?}");
            let second_at = frames(&out)[2].0;
            assert!((second_at - 1_000 - 2 * ticks).abs() <= 1, "{syntax:?} {second_at}");
            assert_eq!(frames(&out), [(1_000, a), (1_000 + ticks, b), (second_at, c)]);
            // The next packet has a time of its own.
            out.clear();
            reader.push(payload, Some(50_000), &mut out);
            assert_eq!((configs(&out), frames(&out)[0].0), (0, 50_000));
        }
    }

    #[test]
    fn frames_go_on_in_the_next_packet() {
        for (syntax, [first, second], header, ticks) in streams() {
            for cut in [1, 5, first.len() - 1, first.len() + 3] {
                let whole = Bytes::from([&first[..], &second, &first, &second].concat());
                let mut reader = AudioReader::new(syntax);
                let mut out = Vec::new();
                assert_eq!(reader.push(whole.slice(..cut), Some(0), &mut out), 0);
                // The time is that of the first frame that begins in the packet.
                let begun = if cut > first.len() { 2 } else { 1 };
                assert_eq!(reader.push(whole.slice(cut..), Some(90_000), &mut out), 0);
                let frames = frames(&out);
                assert_eq!(frames.len(), 4, "{syntax:?} {cut}");
                assert_eq!(frames[0], (0, first.slice(header..)));
                assert_eq!(frames[begun].0, 90_000);
                assert_eq!(frames[begun - 1].0, ticks * (begun as i64 - 1));
                assert_eq!(configs(&out), 1);
            }
        }
    }

    #[test]
    fn junk_is_passed_over() {
        for (syntax, [first, second], ..) in streams() {
            let mut reader = AudioReader::new(syntax);
            let mut out = Vec::new();
            // Beginnings that are none among it.
            let junk = [&[1, 2][..], &first[..8], &[3; 20]].concat();
            let payload = [&junk[..], &first, &second, &junk, &first, &second].concat();
            let passed = reader.push(Bytes::from(payload), Some(0), &mut out);
            assert_eq!((frames(&out).len(), configs(&out)), (4, 1), "{syntax:?}");
            assert_eq!(passed, 2 * junk.len());
            reader.gap();
            out.clear();
            assert_eq!(reader.push(first.clone(), None, &mut out), first.len());
            assert_eq!(frames(&out), [], "without a time");
        }
    }

    #[test]
    fn dependent_substreams_belong_to_the_frame_before_up_to_a_limit() {
        let main = frame("eac3-48000-51", 0);
        let mut dependent = main.to_vec();
        dependent[2] |= 0x40;
        let unit = [&main[..], &dependent].concat();
        let mut reader = AudioReader::new(AudioSyntax::Eac3);
        let mut out = Vec::new();
        reader.push(Bytes::from([&unit[..], &unit].concat()), Some(0), &mut out);
        assert_eq!(frames(&out), [(0, Bytes::from(unit.clone())), (2_880, Bytes::from(unit))]);
        let fit = MAX_AUDIO_UNIT_BYTES / main.len() - 1;
        for (count, kept) in [(fit, 1), (fit + 1, 0)] {
            let mut reader = AudioReader::new(AudioSyntax::Eac3);
            let mut out = Vec::new();
            let payload = [&main[..], &dependent.repeat(count)].concat();
            reader.push(Bytes::from(payload), Some(0), &mut out);
            assert_eq!(frames(&out).len(), kept);
            assert!(reader.held.len() <= MAX_AUDIO_UNIT_BYTES);
        }
    }
}
