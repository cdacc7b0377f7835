//! The index of an FLV file, made by one pass over its tags: payloads are ranges of the file, as the samples of MP4 are.

use streamer_core::codec::nal;
use streamer_core::container::flv::{FlvError, FlvFileDemuxer};
use streamer_core::container::fmp4::FileSample;
use streamer_core::{Frame, Media, Timescale, Timestamp, Track, TrackId, Tracks};

use super::index::{AssetIndex, Gatherer, IndexError, SourceFormat};

/// Reads the tags of a file. [Push](Self::push) its bytes in order, then [finish](Self::finish).
#[derive(Debug)]
pub struct FlvIndexer {
    demuxer: FlvFileDemuxer,
    pushed: u64,
    samples: Gatherer,
    places: Vec<(TrackId, usize, Timescale)>,
}

impl Default for FlvIndexer {
    fn default() -> Self {
        Self::new()
    }
}

impl FlvIndexer {
    /// An indexer at the beginning of a file.
    #[must_use]
    pub fn new() -> Self {
        Self { demuxer: FlvFileDemuxer::new(), pushed: 0, samples: Gatherer::new(), places: Vec::new() }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`IndexError`]; there is no going on after it.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        self.demuxer.push(bytes);
        self.pushed = self.pushed.saturating_add(bytes.len() as u64);
        loop {
            match self.demuxer.pull() {
                Ok(Some(Media::Tracks(tracks))) => self.tracks(&tracks)?,
                Ok(Some(Media::Frame(frame))) => self.frame(&frame)?,
                Ok(None) => return Ok(()),
                // One tag that is broken is passed over, as players do.
                Err(error) if !is_lasting(&error) => {
                    self.samples.count()?;
                }
                Err(source) => return Err(IndexError::Flv { offset: self.pushed, source }),
            }
        }
    }

    /// The index. What comes behind the last whole tag is left out.
    ///
    /// # Errors
    /// [`IndexError::NoMedia`].
    pub fn finish(self) -> Result<AssetIndex, IndexError> {
        self.samples.finish(SourceFormat::Flv)
    }
}

impl FlvIndexer {
    fn tracks(&mut self, tracks: &Tracks) -> Result<(), IndexError> {
        for Track { id, timescale, codec } in &tracks.list {
            if self.places.iter().any(|(held, ..)| held == id) {
                continue;
            }
            let place = self.samples.track((*id, codec.clone(), *timescale), None, nal::LENGTH_SIZE);
            self.places.push((*id, place, *timescale));
        }
        Ok(())
    }

    fn frame(&mut self, frame: &Frame) -> Result<(), IndexError> {
        let place = self.places.iter().find(|(id, ..)| *id == frame.track);
        // A payload that had to be rewritten is nowhere in the file.
        let (Some(&(_, place, scale)), Some(offset)) = (place, self.demuxer.place_of(&frame.data)) else {
            return self.samples.count();
        };
        let at = |at: Timestamp| at.rescale(scale).ticks();
        let size = u32::try_from(frame.data.len()).unwrap_or(u32::MAX);
        let (dts, pts) = (at(frame.dts), at(frame.pts));
        // How long the last one lasts nobody tells.
        let duration = u32::try_from(Timestamp::from_millis(LAST_MS).rescale(scale).ticks()).unwrap_or(0);
        self.samples.push(place, FileSample { offset, size, dts, pts, duration, sync: frame.sync })
    }
}

/// Whether the demuxer gives this error for ever: there is no next tag then.
fn is_lasting(error: &FlvError) -> bool {
    error.is_fatal() || matches!(error, FlvError::Field { structure: "FLV header", .. })
}

/// How long the last frame of a track is taken to last, in milliseconds.
const LAST_MS: i64 = 40;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use streamer_core::Muxer;
    use streamer_core::container::flv::{FlvMuxer, MuxOptions, flv_header};
    use streamer_core::testing::Synthetic;

    use super::*;

    fn muxed(count: usize) -> (Vec<Media>, Vec<u8>) {
        let mut muxer = FlvMuxer::new(MuxOptions::default());
        let (mut media, mut out): (Vec<Media>, Vec<Bytes>) = (Vec::new(), Vec::new());
        for item in Synthetic::new(25, 100).unwrap().take(count) {
            muxer.mux(&item, &mut out).unwrap();
            media.push(item);
        }
        muxer.finish(&mut out).unwrap();
        (media, [&flv_header(true, true)[..], &out.concat()].concat())
    }

    fn index(file: &[u8], step: usize) -> Result<AssetIndex, IndexError> {
        let mut indexer = FlvIndexer::new();
        for piece in file.chunks(step) {
            indexer.push(piece)?;
        }
        indexer.finish()
    }

    #[test]
    fn payloads_are_found_where_they_lie() {
        let (media, file) = muxed(500);
        for step in [1_000_000, 777] {
            let found = index(&file, step).unwrap();
            assert_eq!(found.tracks.len(), 2);
            for track in &found.tracks {
                let frames = media.iter().filter_map(|media| match media {
                    Media::Frame(frame) if frame.track == track.id => Some(frame),
                    _ => None,
                });
                assert_eq!(track.samples.count() as usize, frames.clone().count());
                for (sample, frame) in track.samples.from(0).zip(frames) {
                    let begin = usize::try_from(sample.offset).unwrap();
                    assert_eq!(&file[begin..begin + sample.size as usize], &frame.data[..]);
                    assert_eq!(
                        (sample.dts, sample.pts, sample.sync),
                        (frame.dts.ticks(), frame.pts.ticks(), frame.sync)
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_no_flv_is_refused() {
        assert!(matches!(index(b"RIFF....WAVE", 4), Err(IndexError::Flv { .. })));
        assert!(matches!(index(b"FLV\x02\x05\0\0\0\x09\0\0\0\0", 4), Err(IndexError::Flv { .. })));
        assert!(matches!(index(b"", 4), Err(IndexError::NoMedia { .. })));
    }

    proptest! {
        #[test]
        fn no_damage_panics_and_samples_lie_in_the_file(places in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..30)) {
            let (_, mut file) = muxed(60);
            for (at, byte) in places {
                let at = at % file.len();
                file[at] = byte;
            }
            if let Ok(found) = index(&file, 500) {
                for sample in found.tracks.iter().flat_map(|track| track.samples.from(0)) {
                    prop_assert!(sample.offset + u64::from(sample.size) <= file.len() as u64);
                }
            }
        }
    }
}
