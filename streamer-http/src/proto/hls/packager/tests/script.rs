//! Streams to package: frames that tell their number, with the stamps and the order of arrival wanted.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use streamer_core::codec::{AacConfig, AvcConfig, Codec};
use streamer_core::{Frame, Media, Timescale, Timestamp, Track, TrackId, Tracks};

use crate::proto::hls::name::Container;
use crate::proto::hls::packager::{Changed, Evicted, KeySource, Packager, PackagerOptions};
use crate::proto::hls::presentation::Presentation;

/// `avcC` of H.264 High at 3.0, 640 by 360, without a frame rate.
const AVC: &[u8] = include_bytes!("../../../../../../streamer-core/testdata/testing/h264.record");

pub(super) const VIDEO: TrackId = TrackId::video(0);
pub(super) const AUDIO: TrackId = TrackId::audio(0);
/// When the packager starts: 2026-01-02T03:04:05.678Z.
pub(super) const START_UNIX_MS: i64 = 1_767_323_045_678;

pub(super) fn video_track() -> Track {
    Track { id: VIDEO, timescale: Timescale::MILLIS, codec: Codec::H264(AvcConfig::parse(AVC).unwrap()) }
}

pub(super) fn audio_track(rate_hz: u32) -> Track {
    let codec = Codec::Aac(AacConfig::new(2, rate_hz, 2).unwrap());
    Track { id: AUDIO, timescale: Timescale::MILLIS, codec }
}

pub(super) fn tracks(list: &[Track]) -> Media {
    Media::Tracks(Arc::new(Tracks { list: list.to_vec(), metadata: Vec::new() }))
}

/// A frame whose payload is one NAL unit, or raw data, that holds `number`: in digits, which make no start code.
pub(super) fn frame(track: TrackId, dts_ms: i64, pts_ms: i64, sync: bool, number: u64) -> Arc<Frame> {
    let mut data = BytesMut::new();
    if track == AUDIO {
        data.put_slice(&[0x21, 0x10]);
    } else {
        data.put_u32(9);
        data.put_u8(if sync { 0x65 } else { 0x41 });
    }
    data.put_slice(format!("{number:08}").as_bytes());
    let (dts, pts) = (Timestamp::from_millis(dts_ms), Timestamp::from_millis(pts_ms));
    Arc::new(Frame { track, dts, pts, sync, data: data.freeze() })
}

/// The number that [`frame`] put into a payload.
pub(super) fn number_of(data: &Bytes) -> u64 {
    std::str::from_utf8(&data[data.len() - 8..]).unwrap().parse().unwrap()
}

/// Video as an encoder makes it.
#[derive(Clone, Debug)]
pub(super) struct Pictures {
    pub(super) from_ms: i64,
    pub(super) per_second: (i64, i64),
    pub(super) count: i64,
    pub(super) gop: i64,
    /// Every picture is presented so many pictures after it is decoded, or one less: B-frames.
    pub(super) reorder: i64,
}

impl Default for Pictures {
    fn default() -> Self {
        Self { from_ms: 0, per_second: (25, 1), count: 250, gop: 50, reorder: 0 }
    }
}

impl Pictures {
    pub(super) fn frames(&self) -> Vec<Arc<Frame>> {
        let (numerator, denominator) = self.per_second;
        let at = |picture: i64| self.from_ms + (picture * 1_000 * denominator + numerator / 2) / numerator;
        (0..self.count)
            .map(|picture| {
                let in_gop = picture % self.gop;
                let later = if in_gop == 0 { self.reorder } else { self.reorder * (2 - in_gop % 3) };
                let pts = at(picture + later.max(0));
                frame(VIDEO, at(picture), pts, in_gop == 0, picture.unsigned_abs())
            })
            .collect()
    }
}

/// AAC frames from `from_ms` on, with stamps of whole milliseconds.
pub(super) fn sounds(from_ms: i64, rate_hz: i64, count: i64) -> Vec<Arc<Frame>> {
    let at = |sound: i64| from_ms + (sound * 1_024 * 1_000 + rate_hz / 2) / rate_hz;
    (0..count).map(|sound| frame(AUDIO, at(sound), at(sound), true, sound.unsigned_abs())).collect()
}

/// Frames in order of arrival: those of `late` come `late_ms` later than their decode time says.
pub(super) fn interleaved(first: Vec<Arc<Frame>>, late: Vec<Arc<Frame>>, late_ms: i64) -> Vec<Arc<Frame>> {
    let mut all: Vec<_> = first.into_iter().map(|frame| (frame.dts.as_millis(), frame)).collect();
    all.extend(late.into_iter().map(|frame| (frame.dts.as_millis() + late_ms, frame)));
    all.sort_by_key(|(arrival, _)| *arrival);
    all.into_iter().map(|(_, frame)| frame).collect()
}

/// Keys that are all different.
pub(super) fn keys() -> KeySource {
    let mut next = 0x100u128;
    Box::new(move || {
        next += 1;
        Some(next.to_be_bytes())
    })
}

/// A packager with its presentation, and all that ever was in it.
pub(super) struct Run {
    pub(super) packager: Packager,
    pub(super) presentation: Presentation,
    pub(super) evicted: Vec<Evicted>,
    pub(super) now_unix_ms: i64,
}

impl Run {
    pub(super) fn new(container: Container, options: PackagerOptions) -> Self {
        Self {
            packager: Packager::new(container, options, START_UNIX_MS, None).with_keys(keys()),
            presentation: Presentation::new(container),
            evicted: Vec::new(),
            now_unix_ms: START_UNIX_MS,
        }
    }

    /// A run that holds all that is made.
    pub(super) fn holding_all(container: Container) -> Self {
        let history = std::time::Duration::from_secs(100_000);
        Self::new(container, PackagerOptions { history, ..PackagerOptions::default() })
    }

    pub(super) fn tracks(&mut self, list: &[Track]) -> Changed {
        let changed = self.packager.push(&tracks(list), self.now_unix_ms, &mut self.presentation);
        self.keep(changed)
    }

    /// Puts in a frame, which arrives at its decode time, or now if that has passed.
    pub(super) fn frame(&mut self, frame: &Arc<Frame>) -> Changed {
        self.now_unix_ms = self.now_unix_ms.max(START_UNIX_MS + frame.dts.as_millis());
        let media = Media::Frame(Arc::clone(frame));
        let changed = self.packager.push(&media, self.now_unix_ms, &mut self.presentation);
        self.keep(changed)
    }

    pub(super) fn frames(&mut self, frames: &[Arc<Frame>]) {
        for frame in frames {
            self.frame(frame);
        }
    }

    pub(super) fn interrupted(&mut self) {
        let changed = self.packager.interrupted(self.now_unix_ms, &mut self.presentation);
        self.keep(changed);
    }

    pub(super) fn end(&mut self) {
        let changed = self.packager.end(self.now_unix_ms, &mut self.presentation);
        self.keep(changed);
    }

    fn keep(&mut self, changed: Changed) -> Changed {
        self.evicted.extend(changed.evicted.iter().cloned());
        changed
    }
}
