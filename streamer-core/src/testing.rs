//! Media for tests and examples: a synthetic stream with real codec configurations and empty pictures.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use crate::codec::{AacConfig, AvcConfig, Codec, CodecError};
use crate::frame::{Frame, Media};
use crate::time::{Timescale, Timestamp};
use crate::track::{Track, TrackId, Tracks};

/// `avcC` of H.264 High at 3.0, 640 by 360, made by x264.
const AVC_RECORD: &[u8] = include_bytes!("../testdata/testing/h264.record");
/// `AudioSpecificConfig` of AAC-LC, 48 kHz, two channels.
const AAC_RECORD: &[u8] = &[0x11, 0x90];
/// Milliseconds between pictures: 25 a second.
const PICTURE_MS: i64 = 40;
/// Milliseconds between audio frames, as close as whole milliseconds come to 1024 samples at 48 kHz.
const SOUND_MS: i64 = 21;

/// A stream of H.264 and AAC that never ends: tracks, then frames in decode order.
///
/// The configurations are real, the payloads are not: each picture is one slice NAL unit of the right type
/// that holds its own number, so that a test can tell frames apart, and nothing a decoder could show.
#[derive(Clone, Debug)]
pub struct Synthetic {
    tracks: Arc<Tracks>,
    told_tracks: bool,
    gop: u64,
    picture_bytes: usize,
    pictures: u64,
    sounds: u64,
}

impl Synthetic {
    /// A stream with a key frame every `gop` pictures, each of `picture_bytes` (at least 13).
    ///
    /// # Errors
    /// None with the records that are built in.
    pub fn new(gop: u64, picture_bytes: usize) -> Result<Self, CodecError> {
        let track = |id, codec| Track { id, timescale: Timescale::MILLIS, codec };
        let list = vec![
            track(TrackId::video(0), Codec::H264(AvcConfig::parse(AVC_RECORD)?)),
            track(TrackId::audio(0), Codec::Aac(AacConfig::parse(AAC_RECORD)?)),
        ];
        let tracks = Arc::new(Tracks { list, metadata: Vec::new() });
        Ok(Self { tracks, told_tracks: false, gop: gop.max(1), picture_bytes, pictures: 0, sounds: 0 })
    }

    /// The number that a picture made here holds.
    #[must_use]
    pub fn number_of(picture: &[u8]) -> Option<u64> {
        let digits = picture.get(5..13)?;
        Some(digits.iter().fold(0, |number, digit| number << 7 | u64::from(digit & 0x7f)))
    }

    fn picture(&mut self) -> Frame {
        let sync = self.pictures.is_multiple_of(self.gop);
        let payload = self.picture_bytes.max(13) - 4;
        let mut data = BytesMut::with_capacity(payload + 4);
        data.put_u32(u32::try_from(payload).unwrap_or(u32::MAX));
        data.put_u8(if sync { 0x65 } else { 0x41 });
        // Seven bits in each byte, none of them zero: a byte stream must not find a start code in them.
        for digit in (0..8).rev() {
            data.put_u8(0x80 | (self.pictures >> (7 * digit) & 0x7f) as u8);
        }
        data.put_bytes(0x55, payload - 9);
        let at = Timestamp::from_millis(
            i64::try_from(self.pictures).unwrap_or(i64::MAX).saturating_mul(PICTURE_MS),
        );
        self.pictures += 1;
        Frame { track: TrackId::video(0), dts: at, pts: at, sync, data: data.freeze() }
    }

    fn sound(&mut self) -> Frame {
        let at = Timestamp::from_millis(self.sound_ms());
        self.sounds += 1;
        let data = Bytes::from_static(&[0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c]);
        Frame { track: TrackId::audio(0), dts: at, pts: at, sync: true, data }
    }

    fn sound_ms(&self) -> i64 {
        i64::try_from(self.sounds).unwrap_or(i64::MAX).saturating_mul(SOUND_MS)
    }

    fn picture_ms(&self) -> i64 {
        i64::try_from(self.pictures).unwrap_or(i64::MAX).saturating_mul(PICTURE_MS)
    }
}

impl Iterator for Synthetic {
    type Item = Media;

    fn next(&mut self) -> Option<Media> {
        if !self.told_tracks {
            self.told_tracks = true;
            return Some(Media::Tracks(Arc::clone(&self.tracks)));
        }
        let frame = if self.sound_ms() < self.picture_ms() { self.sound() } else { self.picture() };
        Some(Media::Frame(Arc::new(frame)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_in_decode_order_and_tell_their_number() {
        let media: Vec<Media> = Synthetic::new(10, 100).unwrap().take(200).collect();
        assert!(matches!(media[0], Media::Tracks(_)));
        let frames: Vec<_> = media
            .iter()
            .filter_map(|media| match media {
                Media::Frame(frame) => Some(frame),
                Media::Tracks(_) => None,
            })
            .collect();
        assert!(frames.is_sorted_by_key(|frame| frame.dts.as_millis()));
        let pictures: Vec<_> = frames.iter().filter(|frame| frame.track == TrackId::video(0)).collect();
        for (number, picture) in pictures.iter().enumerate() {
            assert_eq!(Synthetic::number_of(&picture.data), Some(number as u64));
            assert_eq!((picture.sync, picture.data.len()), (number % 10 == 0, 100));
        }
    }
}
