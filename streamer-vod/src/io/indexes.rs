//! Indexes of files, kept as long as there is room: a file is read once, however many ask for it at once.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use rustix::fs::Stat;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tracing::{debug, warn};

use crate::error::VodError;
use crate::options::MAX_OPENING;
use crate::proto::flv::FlvIndexer;
use crate::proto::index::{AssetIndex, IndexError};
use crate::proto::mp4::Mp4Indexer;
use crate::proto::name::AssetPath;
use crate::proto::ts::TsIndexer;

/// Bytes read at once where a file is gone through.
pub(super) const PASS_BYTES: usize = 256 << 10;
/// Weight of what an entry of a cache takes beside its content.
const ENTRY_BYTES: u64 = 512;

/// Tells one state of a file from another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    /// Length in bytes.
    pub(crate) size: u64,
    /// When it was last written to: seconds and nanoseconds.
    pub(crate) modified: (i64, i64),
}

impl Identity {
    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        }
    }
}

/// What was found in a file; that it is broken is worth keeping too.
type Found = Result<Arc<AssetIndex>, IndexError>;

#[derive(Clone, Debug)]
struct Weigh;

impl Weighter<Identity, Found> for Weigh {
    fn weight(&self, _: &Identity, found: &Found) -> u64 {
        ENTRY_BYTES + found.as_ref().map_or(0, |index| index.memory_bytes() as u64)
    }
}

/// The indexes.
#[derive(Debug)]
pub(crate) struct Indexes {
    cache: Cache<Identity, Found, Weigh>,
    opening: Arc<Semaphore>,
}

impl Indexes {
    pub(crate) fn new(max_bytes: u64) -> Self {
        Self { cache: cache(max_bytes, Weigh), opening: Arc::new(Semaphore::new(MAX_OPENING)) }
    }

    /// The index of `file`, which is called `path`.
    ///
    /// # Errors
    /// [`VodError::Index`], [`VodError::Io`].
    pub(crate) async fn get(
        &self,
        file: &Arc<File>,
        identity: Identity,
        path: &AssetPath,
    ) -> Result<Arc<AssetIndex>, VodError> {
        let read = async {
            let _permit =
                self.opening.acquire().await.map_err(|error| VodError::Io(io::Error::other(error)))?;
            let (file, path) = (Arc::clone(file), path.clone());
            let read = spawn_blocking(move || index_file(&file, identity.size, &path));
            let found = read.await.map_err(|error| VodError::Io(error.into()))?.map_err(VodError::Io)?;
            Ok::<Found, VodError>(found.map(Arc::new))
        };
        self.cache.get_or_insert_async(&identity, read).await?.map_err(VodError::Index)
    }
}

/// A cache of so many bytes. It is in one piece, so that an entry may take up nearly all of it.
pub(crate) fn cache<K, V, W>(max_bytes: u64, weighter: W) -> Cache<K, V, W>
where
    K: Eq + std::hash::Hash,
    V: Clone,
    W: Weighter<K, V> + Clone,
{
    let options =
        OptionsBuilder::new().shards(1).estimated_items_capacity(1_024).weight_capacity(max_bytes).build();
    match options {
        Ok(options) => {
            Cache::with_options(options, weighter, DefaultHashBuilder::default(), DefaultLifecycle::default())
        }
        // All that is asked for was given.
        Err(_) => Cache::with_weighter(1_024, max_bytes, weighter),
    }
}

/// Indexes a file; the outer error is of reading it.
pub(crate) fn index_file(
    file: &File,
    len_bytes: u64,
    path: &AssetPath,
) -> io::Result<Result<AssetIndex, IndexError>> {
    let found = match path.extension().as_str() {
        "mp4" | "m4v" | "m4a" | "mov" => index_mp4(file, len_bytes)?,
        "flv" => {
            let mut indexer = FlvIndexer::new();
            go_through(file, len_bytes, |piece| indexer.push(piece))?.and_then(|()| indexer.finish())
        }
        "ts" => {
            let mut indexer = TsIndexer::new();
            go_through(file, len_bytes, |piece| indexer.push(piece))?.and_then(|()| indexer.finish())
        }
        _ => Err(IndexError::NoMedia { what: "files of this extension are not played" }),
    };
    match &found {
        Ok(index) => debug!(%path, tracks = index.tracks.len(), bytes = index.memory_bytes(), "indexed"),
        Err(error) => warn!(%path, %error, "a file cannot be played"),
    }
    Ok(found)
}

/// Gives all of the file to `push`, piece by piece.
fn go_through(
    file: &File,
    len_bytes: u64,
    mut push: impl FnMut(&[u8]) -> Result<(), IndexError>,
) -> io::Result<Result<(), IndexError>> {
    let mut piece = vec![0; PASS_BYTES];
    let mut at = 0;
    while at < len_bytes {
        let read = file.read_at(&mut piece, at)?;
        if read == 0 {
            break;
        }
        if let Err(error) = push(piece.get(..read).unwrap_or_default()) {
            return Ok(Err(error));
        }
        at += read as u64;
    }
    Ok(Ok(()))
}

fn index_mp4(file: &File, len_bytes: u64) -> io::Result<Result<AssetIndex, IndexError>> {
    let mut indexer = Mp4Indexer::new(len_bytes);
    while let Some(wanted) = indexer.wanted() {
        // Bounded by what the indexer asks for, which is there.
        let mut bytes = vec![0; usize::try_from(wanted.end - wanted.start).unwrap_or(0)];
        file.read_exact_at(&mut bytes, wanted.start)?;
        if let Err(error) = indexer.supply(Bytes::from(bytes)) {
            return Ok(Err(error));
        }
    }
    Ok(indexer.finish())
}

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn files_indexed_at_once_are_counted() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let identity = Identity::of(&rustix::fs::fstat(&file).unwrap());
        let indexes = Indexes::new(1 << 20);
        let path = AssetPath::new("a.mp4").unwrap();
        let mut found = pin!(indexes.get(&file, identity, &path));
        let held = indexes.opening.acquire_many(u32::try_from(MAX_OPENING).unwrap()).await.unwrap();
        assert!(poll!(&mut found).is_pending());
        drop(held);
        assert!(matches!(found.await, Err(VodError::Index(_))));
        assert_eq!(indexes.opening.available_permits(), MAX_OPENING);
    }
}
