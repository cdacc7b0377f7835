//! What is made of presentations: playlists and segments, kept while they are asked for.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use rustix::buffer::spare_capacity;
use streamer_http::proto::hls::Container;
use tokio::sync::Semaphore;

use super::indexes::{PASS_BYTES, cache};
use super::shelf::{Loaded, blocking};
use crate::error::VodError;
use crate::options::{MAX_MAKING, MAX_MAKING_BYTES};
use crate::proto::index::SourceFormat;
use crate::proto::presentation::{Part, PresentedTrack, RenditionName};
use crate::proto::slice::{Extent, Fmp4Plan, SliceError, TsTrack, fmp4_init, plan_fmp4, plan_ts};
use crate::proto::ts::Passage;

/// Unit in which memory of segments in the making is counted.
const PERMIT_BYTES: u64 = 1 << 20;

/// Names what is made, within the state of a presentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Product {
    Multivariant(Container),
    Playlist(RenditionName),
    Init(RenditionName),
    Segment(RenditionName, usize),
}

impl Product {
    /// Whether it is a text that is worth compressing.
    pub(crate) const fn is_playlist(self) -> bool {
        matches!(self, Self::Multivariant(_) | Self::Playlist(_))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    version: u64,
    product: Product,
    gzip: bool,
}

#[derive(Clone, Debug)]
struct Weigh;

impl Weighter<Key, Bytes> for Weigh {
    fn weight(&self, _: &Key, bytes: &Bytes) -> u64 {
        bytes.len() as u64 + 128
    }
}

/// What was made lately.
#[derive(Debug)]
pub(crate) struct Segments {
    cache: Cache<Key, Bytes, Weigh>,
    making: Arc<Semaphore>,
    slots: Arc<Semaphore>,
}

impl Segments {
    pub(crate) fn new(max_bytes: u64) -> Self {
        let permits = usize::try_from(MAX_MAKING_BYTES / PERMIT_BYTES).unwrap_or(1);
        Self {
            cache: cache(max_bytes, Weigh),
            making: Arc::new(Semaphore::new(permits)),
            slots: Arc::new(Semaphore::new(MAX_MAKING)),
        }
    }

    /// Makes `product`, or gives it as it was made before. Who asks while it is made waits for the same one.
    ///
    /// # Errors
    /// [`VodError`].
    pub(crate) async fn get(
        &self,
        loaded: &Arc<Loaded>,
        product: Product,
        gzip: bool,
    ) -> Result<Bytes, VodError> {
        let key = Key { version: loaded.presentation.version, product, gzip };
        if let Some(bytes) = self.cache.get(&key) {
            return Ok(bytes);
        }
        if gzip {
            let plain = Box::pin(self.get(loaded, product, false)).await?;
            return self.cache.get_or_insert_async(&key, blocking(move || compress(&plain))).await;
        }
        let make = async {
            // A buffer for what is read, and one for what is written of it.
            let needed = 2 * media_bytes(loaded, product) / PERMIT_BYTES + 1;
            let permits = u32::try_from(needed.min(MAX_MAKING_BYTES / PERMIT_BYTES)).unwrap_or(1);
            let permits = self.making.acquire_many(permits).await;
            let _permits = permits.map_err(|error| VodError::Io(std::io::Error::other(error)))?;
            let slot = self.slots.acquire().await;
            let _slot = slot.map_err(|error| VodError::Io(std::io::Error::other(error)))?;
            let loaded = Arc::clone(loaded);
            blocking(move || made(&loaded, product)).await
        };
        self.cache.get_or_insert_async(&key, make).await
    }
}

fn compress(plain: &Bytes) -> Result<Bytes, VodError> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).map_err(VodError::Io)?;
    encoder.finish().map(Bytes::from).map_err(VodError::Io)
}

fn media_bytes(loaded: &Loaded, product: Product) -> u64 {
    let Product::Segment(name, number) = product else { return 0 };
    loaded.presentation.carried(name).iter().map(|track| track.cut.media_bytes(number)).sum()
}

fn made(loaded: &Loaded, product: Product) -> Result<Bytes, VodError> {
    let presentation = &loaded.presentation;
    match product {
        Product::Multivariant(container) => {
            presentation.multivariant(container).map(Bytes::from).ok_or(VodError::NotCarried)
        }
        Product::Playlist(name) => {
            presentation.media_playlist(name).map(Bytes::from).ok_or(VodError::NotFound)
        }
        Product::Init(name) => {
            let carried = presentation.carried(name);
            Ok(fmp4_init(carried.first().ok_or(VodError::NotFound)?.index)?)
        }
        Product::Segment(name, number) => segment(loaded, name, number),
    }
}

fn segment(loaded: &Loaded, name: RenditionName, number: usize) -> Result<Bytes, VodError> {
    let presentation = &loaded.presentation;
    if let Part::Text(index) = name.part {
        let no_segment = VodError::Slice(SliceError::NoSegment { segment: number });
        let text = presentation.captions.get(usize::from(index)).filter(|_| name.asset == 0);
        let cut = presentation.assets.first().and_then(|asset| asset.cuts.first());
        let (Some(text), Some(cut)) = (text, cut.filter(|cut| number < cut.segments())) else {
            return Err(no_segment);
        };
        let begin: Duration = (0..number).map(|before| cut.duration(before)).sum();
        return Ok(text.captions.segment(begin, begin + cut.duration(number)).into());
    }
    let carried = presentation.carried(name);
    let first = carried.first().ok_or(VodError::NotFound)?;
    let file = loaded.files.get(usize::from(name.asset)).ok_or(VodError::NotFound)?;
    let format = presentation.assets.get(usize::from(name.asset)).map(|asset| asset.index.format);
    if let Some(SourceFormat::Ts { head_bytes, first_pts }) = format {
        let tracks = ts_tracks(&carried);
        // Bounds first: what is too large is not read.
        if matches!(name.part, Part::Video(_) | Part::Audio(_)) {
            let plan = plan_fmp4(first.index, first.cut, number)?;
            let passage = Passage::plan((head_bytes, first_pts), &tracks, number, len_bytes(file)?)?;
            let samples = pass(file, passage)?.concat();
            return Ok(plan.finish_with(&samples));
        }
        let plan = plan_ts(&tracks, number)?;
        let passage = Passage::plan((head_bytes, first_pts), &tracks, number, len_bytes(file)?)?;
        return Ok(plan.finish_with(pass(file, passage)?)?);
    }
    if matches!(name.part, Part::Video(_) | Part::Audio(_)) {
        let mut plan = plan_fmp4(first.index, first.cut, number)?;
        let head = std::mem::take(&mut plan.head);
        let filled = fill(file, head, plan_len(&plan.extents), &plan.extents)?;
        return Ok(Fmp4Plan::finish(plan, filled)?);
    }
    let plan = plan_ts(&ts_tracks(&carried), number)?;
    let filled = fill(file, Vec::new(), plan.len_bytes(), &plan.extents)?;
    Ok(plan.finish(filled)?)
}

fn ts_tracks<'a>(carried: &[PresentedTrack<'a>]) -> Vec<TsTrack<'a>> {
    carried.iter().map(|track| TsTrack { index: track.index, cut: track.cut }).collect()
}

fn len_bytes(file: &File) -> Result<u64, VodError> {
    file.metadata().map(|found| found.len()).map_err(VodError::Io)
}

/// Reads what `passage` wants of `file`.
fn pass(file: &File, mut passage: Passage) -> Result<Vec<Vec<Bytes>>, VodError> {
    let mut piece = vec![0; PASS_BYTES];
    while let Some(wanted) = passage.wanted() {
        let len = usize::try_from(wanted.end - wanted.start).unwrap_or(PASS_BYTES).min(PASS_BYTES);
        let buffer = piece.get_mut(..len).unwrap_or_default();
        let read = file.read_at(buffer, wanted.start).map_err(VodError::Io)?;
        passage.supply(buffer.get(..read).unwrap_or_default())?;
    }
    Ok(passage.finish()?)
}

fn plan_len(extents: &[Extent]) -> usize {
    extents.last().map_or(0, |extent| extent.place.end)
}

/// Reads `extents` of `file` behind what is in `buffer`.
fn fill(file: &File, mut buffer: Vec<u8>, len: usize, extents: &[Extent]) -> Result<Vec<u8>, VodError> {
    // One range alone, which samples that lie together are, is read into memory that nobody wrote zeros to.
    if let [Extent { offset, place }] = extents
        && buffer.is_empty()
        && place.start == 0
    {
        return read_range(file, *offset, place.end).map_err(VodError::Io);
    }
    buffer.resize(len.max(buffer.len()), 0);
    for extent in extents {
        if let Some(place) = buffer.get_mut(extent.place.clone()) {
            file.read_exact_at(place, extent.offset).map_err(VodError::Io)?;
        }
    }
    Ok(buffer)
}

/// `len` bytes of `file` from `offset` on.
fn read_range(file: &File, offset: u64, len: usize) -> std::io::Result<Vec<u8>> {
    let mut buffer = Vec::with_capacity(len);
    while buffer.len() < len {
        let at = offset + buffer.len() as u64;
        let read = rustix::io::pread(file, spare_capacity(&mut buffer), at)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    // There may have been more room.
    buffer.truncate(len);
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use std::pin::pin;
    use tempfile::TempDir;

    use super::*;
    use crate::options::VodOptions;
    use crate::proto::name::AssetPath;
    use crate::vod::Vod;

    /// A file of one rendition, and nothing made of it; the folder is to be kept.
    async fn prepared() -> (TempDir, Arc<Loaded>, Segments) {
        let folder = tempfile::tempdir().unwrap();
        let file = include_bytes!("../../testdata/ffmpeg_progressive.mp4");
        std::fs::write(folder.path().join("a.mp4"), file).unwrap();
        let vod = Vod::open(VodOptions { roots: vec![folder.path().to_path_buf()], ..VodOptions::default() });
        let loaded = vod.unwrap().load(&AssetPath::new("a.mp4").unwrap()).await.unwrap();
        (folder, loaded, Segments::new(1 << 20))
    }

    #[tokio::test]
    async fn memory_of_segments_in_the_making_is_counted() {
        let (_folder, loaded, segments) = prepared().await;
        let all = usize::try_from(MAX_MAKING_BYTES / PERMIT_BYTES).unwrap();
        assert_eq!(segments.making.available_permits(), all);
        let name = RenditionName { asset: 0, part: Part::Ts };
        let mut made = pin!(segments.get(&loaded, Product::Segment(name, 0), false));
        let held = segments.making.acquire_many(u32::try_from(all).unwrap()).await.unwrap();
        assert!(poll!(&mut made).is_pending());
        drop(held);
        assert!(!made.await.unwrap().is_empty());
        assert_eq!(segments.making.available_permits(), all);
    }

    #[tokio::test]
    async fn segments_made_at_once_at_their_limit() {
        let (_folder, loaded, segments) = prepared().await;
        let name = RenditionName { asset: 0, part: Part::Ts };
        let all_but_one = u32::try_from(MAX_MAKING - 1).unwrap();
        let held = segments.slots.acquire_many(all_but_one).await.unwrap();
        assert!(!segments.get(&loaded, Product::Segment(name, 0), false).await.unwrap().is_empty());
        let last = segments.slots.acquire().await.unwrap();
        let mut next = pin!(segments.get(&loaded, Product::Playlist(name), false));
        assert!(poll!(&mut next).is_pending());
        drop((held, last));
        assert!(!next.await.unwrap().is_empty());
        assert_eq!(segments.slots.available_permits(), MAX_MAKING);
    }
}
