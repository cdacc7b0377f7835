//! The synthetic stream that is published: H.264 and AAC in shape and rate, noise in content.
//!
//! 1280x720, 30 pictures a second, a key frame each second, no B-frames; AAC at 48 kHz stereo. Sizes are those of
//! a 2.5 Mbit/s broadcast: large key frames, small pictures between.

use crate::stamp::{SEI_BYTES, STAMP_BYTES, Stamp};

/// Pictures per second.
pub(crate) const FRAME_RATE: u64 = 30;
/// Pictures per GOP: one key frame each second.
pub(crate) const GOP_FRAMES: u64 = 30;
/// Audio frames per second, rounded down.
pub(crate) const SOUND_RATE: u64 = AUDIO_RATE_HZ / AUDIO_SAMPLES;
/// Bitrate the frame sizes below are made for, in bit/s, audio and video together.
const NOMINAL_BITRATE: u64 = 2_500_000;
const KEY_FRAME_BYTES: usize = 60_000;
const AUDIO_FRAME_BYTES: usize = 341; // 128 kbit/s
/// Below [`LOW_BITRATE`].
const LOW_AUDIO_FRAME_BYTES: usize = 85; // 32 kbit/s
/// Bitrate below which sound is compressed more, in bit/s.
const LOW_BITRATE: u64 = 500_000;
const AUDIO_SAMPLES: u64 = 1024;
const AUDIO_RATE_HZ: u64 = 48_000;

/// `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15, 5.3.3.1): High profile, level 3.1, 1280x720.
const AVC_CONFIG: &[u8] = &[
    0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x18, 0x67, 0x64, 0x00, 0x1f, 0xac, 0xb4, 0x02, 0x80, 0x2d,
    0xd8, 0x08, 0x80, 0x00, 0x00, 0x03, 0x00, 0x80, 0x00, 0x00, 0x1e, 0x07, 0x8c, 0x19, 0x50, 0x01, 0x00,
    0x04, 0x68, 0xef, 0x3c, 0xb0, 0xfd, 0xf8, 0xf8, 0x00,
];
/// `AudioSpecificConfig` (ISO/IEC 14496-3, 1.6.2.1): AAC-LC, 48 kHz, stereo.
const AAC_CONFIG: &[u8] = &[0x11, 0x90];

/// Audio or video: the two message types that carry media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Audio,
    Video,
}

impl Kind {
    /// RTMP message type and FLV tag type.
    pub(crate) const fn tag_type(self) -> u8 {
        match self {
            Self::Audio => 8,
            Self::Video => 9,
        }
    }

    /// The kind of a message or tag type.
    pub(crate) const fn from_tag_type(tag_type: u8) -> Option<Self> {
        match tag_type {
            8 => Some(Self::Audio),
            9 => Some(Self::Video),
            _ => None,
        }
    }
}

/// A received message as far as a viewer looks at it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived<'a> {
    pub(crate) kind: Kind,
    /// Bytes of the whole message body.
    pub(crate) len: usize,
    /// Its first [`HEAD_BYTES`] bytes, or all when it is shorter.
    pub(crate) head: &'a [u8],
}

/// One message to publish.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) kind: Kind,
    pub(crate) timestamp_ms: u32,
    pub(crate) body: &'a [u8],
}

/// Paces and builds the messages of the stream.
#[derive(Debug)]
pub(crate) struct Source {
    began_ns: u64,
    shape: Shape,
    video: u64,
    audio: u64,
    noise: Vec<u8>,
    body: Vec<u8>,
}

impl Source {
    /// A stream of `bitrate` bit/s whose first frame is due at `now_ns`.
    pub(crate) fn new(bitrate: u64, now_ns: u64) -> Self {
        // xorshift64: no byte below 4, so that no start code or emulation appears in the slices.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let shape = Shape::new(bitrate);
        let longest = shape.body_bytes(Kind::Video, 0).max(shape.audio_frame_bytes);
        let noise = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state as u8) | 4
        })
        .take(longest)
        .collect();
        Self { began_ns: now_ns, shape, video: 0, audio: 0, noise, body: Vec::new() }
    }

    /// The sequence headers, which go before the first frame.
    pub(crate) fn headers() -> [(Kind, Vec<u8>); 2] {
        let video = [&[0x17, 0, 0, 0, 0], AVC_CONFIG].concat();
        let audio = [&[0xaf, 0], AAC_CONFIG].concat();
        [(Kind::Video, video), (Kind::Audio, audio)]
    }

    /// Number of pictures made so far.
    pub(crate) fn pictures(&self) -> u64 {
        self.video
    }

    /// Number of audio frames made so far.
    pub(crate) fn sounds(&self) -> u64 {
        self.audio
    }

    /// When the next frame is to be sent, in nanoseconds since the start of the process.
    pub(crate) fn due_ns(&self) -> u64 {
        self.began_ns + video_ns(self.video).min(audio_ns(self.audio))
    }

    /// The next frame, stamped with `now_ns`.
    pub(crate) fn next(&mut self, now_ns: u64) -> Message<'_> {
        self.body.clear();
        let (kind, at_ns) = if video_ns(self.video) <= audio_ns(self.audio) {
            let (kind, sequence) = (Kind::Video, self.video);
            let key = is_key(sequence);
            let sei = Stamp { sequence, sent_ns: now_ns }.to_sei();
            let slice = self.shape.body_bytes(kind, sequence) - 5 - SEI_BYTES - 4;
            self.body.extend_from_slice(&[if key { 0x17 } else { 0x27 }, 1, 0, 0, 0]);
            self.body.extend_from_slice(&sei);
            self.body.extend_from_slice(&(slice as u32).to_be_bytes());
            self.body.push(if key { 0x65 } else { 0x41 });
            self.body.extend_from_slice(&self.noise[..slice - 1]);
            self.video += 1;
            (kind, video_ns(sequence))
        } else {
            let sequence = self.audio;
            self.body.extend_from_slice(&[0xaf, 1]);
            self.body.extend_from_slice(&Stamp { sequence, sent_ns: now_ns }.to_text());
            self.body.extend_from_slice(&self.noise[..self.shape.audio_frame_bytes - STAMP_BYTES]);
            self.audio += 1;
            (Kind::Audio, audio_ns(sequence))
        };
        Message { kind, timestamp_ms: (at_ns / 1_000_000) as u32, body: &self.body }
    }
}

/// The lengths of the frames, known to sender and receivers alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    key_frame_bytes: usize,
    other_frame_bytes: usize,
    audio_frame_bytes: usize,
}

impl Shape {
    /// The lengths that make a stream of `bitrate` bit/s.
    pub(crate) fn new(bitrate: u64) -> Self {
        let audio_frame_bytes = if bitrate < LOW_BITRATE { LOW_AUDIO_FRAME_BYTES } else { AUDIO_FRAME_BYTES };
        let audio_per_s = audio_frame_bytes as u64 * AUDIO_RATE_HZ / AUDIO_SAMPLES;
        let video_per_s = (bitrate / 8 - audio_per_s) as usize;
        let shortest = 5 + SEI_BYTES + 4 + 16;
        let key_frame_bytes = (KEY_FRAME_BYTES * bitrate as usize / NOMINAL_BITRATE as usize).max(shortest);
        let others = video_per_s.saturating_sub(key_frame_bytes) / (GOP_FRAMES as usize - 1);
        Self { key_frame_bytes, other_frame_bytes: others.max(shortest), audio_frame_bytes }
    }

    /// Bytes of the message that carries frame `sequence`: a receiver checks that none went missing inside.
    pub(crate) fn body_bytes(self, kind: Kind, sequence: u64) -> usize {
        match kind {
            Kind::Audio => 2 + self.audio_frame_bytes,
            Kind::Video if is_key(sequence) => self.key_frame_bytes,
            Kind::Video => self.other_frame_bytes,
        }
    }
}

/// Whether picture `sequence` is a key frame.
pub(crate) const fn is_key(sequence: u64) -> bool {
    sequence.is_multiple_of(GOP_FRAMES)
}

/// The stamp of a received message, from its first bytes; `None` for a sequence header or anything else.
pub(crate) fn stamp_of(kind: Kind, head: &[u8]) -> Option<Stamp> {
    match (kind, head.get(1)?) {
        (Kind::Audio, 1) => Stamp::from_text(&head[2..]),
        (Kind::Video, 1) => Stamp::from_sei(head.get(5..)?),
        _ => None,
    }
}

/// Bytes of a message that [`stamp_of`] needs.
pub(crate) const HEAD_BYTES: usize = 5 + SEI_BYTES;

const fn video_ns(sequence: u64) -> u64 {
    sequence * 1_000_000_000 / FRAME_RATE
}

const fn audio_ns(sequence: u64) -> u64 {
    sequence * AUDIO_SAMPLES * 1_000_000_000 / AUDIO_RATE_HZ
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bitrate_is_the_one_asked_for() {
        for bitrate in [200_000, 500_000, 2_500_000, 5_000_000] {
            let mut source = Source::new(bitrate, 0);
            let mut bytes = 0;
            while source.due_ns() < 10_000_000_000 {
                bytes += source.next(0).body.len() as u64;
            }
            let rate = bytes * 8 / 10;
            assert!(rate.abs_diff(bitrate) < bitrate / 20, "{rate} bit/s");
        }
    }

    #[test]
    fn every_frame_tells_its_place_and_length() {
        let mut source = Source::new(2_500_000, 0);
        let mut next = [0, 0];
        for now in 0..300 {
            let message = source.next(now);
            let (kind, body) = (message.kind, message.body.to_vec());
            let stamp = stamp_of(kind, &body[..HEAD_BYTES.min(body.len())]).unwrap();
            let place = &mut next[usize::from(kind == Kind::Video)];
            assert_eq!(stamp, Stamp { sequence: *place, sent_ns: now });
            assert_eq!(body.len(), Shape::new(2_500_000).body_bytes(kind, stamp.sequence));
            *place += 1;
        }
        assert!(next[0] > next[1] && next[1] > 100, "{next:?}");
    }

    #[test]
    fn sequence_headers_carry_no_stamp() {
        for (kind, body) in Source::headers() {
            assert_eq!(stamp_of(kind, &body), None);
        }
    }
}
