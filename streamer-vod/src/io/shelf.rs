//! Presentations: files found below the roots, indexed and cut, and kept until one of them changes.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use rustix::fs::{Dir, FileType};
use tokio::task::spawn_blocking;
use tracing::warn;

use super::indexes::{Identity, Indexes, cache};
use super::library::EntryKind;
use super::root::Root;
use crate::error::VodError;
use crate::options::VodOptions;
use crate::proto::manifest::{MAX_MANIFEST_BYTES, Manifest};
use crate::proto::name::AssetPath;
use crate::proto::presentation::{MAX_ASSETS, MAX_CAPTIONS, Presentation, PresentedCaptions};
use crate::proto::webvtt::{Captions, MAX_CAPTIONS_BYTES};

/// How long files are taken to be as they were: a look at them costs more than a segment that is in memory.
const TRUSTED: Duration = Duration::from_secs(1);
/// Entries of a folder that are looked through for renditions and subtitles.
pub(crate) const MAX_SEARCHED_ENTRIES: usize = 10_000;

/// A presentation and its files.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) presentation: Presentation,
    /// The file of each asset.
    pub(crate) files: Vec<Arc<File>>,
    /// What it was made of: files and folders of the root at this place.
    watched: Vec<(usize, AssetPath, Identity)>,
    /// When they were last looked at, in milliseconds of the shelf's clock.
    checked_ms: AtomicU64,
}

#[derive(Clone, Debug)]
struct Weigh;

impl Weighter<AssetPath, Arc<Loaded>> for Weigh {
    fn weight(&self, path: &AssetPath, loaded: &Arc<Loaded>) -> u64 {
        // Indexes are weighed again here: as long as a presentation is kept its indexes are.
        let indexes = loaded.presentation.assets.iter().map(|asset| asset.index.memory_bytes());
        let bytes = path.as_str().len() + 1_024 + loaded.presentation.memory_bytes() + indexes.sum::<usize>();
        bytes as u64
    }
}

/// The presentations.
#[derive(Debug)]
pub(crate) struct Shelf {
    cache: Cache<AssetPath, Arc<Loaded>, Weigh>,
    began: Instant,
}

impl Shelf {
    pub(crate) fn new(max_bytes: u64) -> Self {
        Self { cache: cache(max_bytes, Weigh), began: Instant::now() }
    }

    /// The presentation of what is at `path`.
    ///
    /// # Errors
    /// [`VodError`].
    pub(crate) async fn get(
        &self,
        path: &AssetPath,
        roots: &Arc<Vec<Arc<Root>>>,
        indexes: &Indexes,
        options: &VodOptions,
    ) -> Result<Arc<Loaded>, VodError> {
        if let Some(loaded) = self.cache.get(path)
            && !self.is_as_it_was(&loaded, roots).await?
        {
            self.cache.remove(path);
        }
        let load = self.load(path, roots, indexes, options);
        self.cache.get_or_insert_async(path, load).await
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn is_as_it_was(
        &self,
        loaded: &Arc<Loaded>,
        roots: &Arc<Vec<Arc<Root>>>,
    ) -> Result<bool, VodError> {
        let now_ms = self.now_ms();
        let checked_ms = loaded.checked_ms.load(Ordering::Relaxed);
        if Duration::from_millis(now_ms.saturating_sub(checked_ms)) < TRUSTED {
            return Ok(true);
        }
        let (held, roots) = (Arc::clone(loaded), Arc::clone(roots));
        let same = blocking(move || {
            Ok(held.watched.iter().all(|(root, path, identity)| {
                let stat = roots.get(*root).and_then(|root| stat(root, path).ok());
                stat == Some(*identity)
            }))
        })
        .await?;
        loaded.checked_ms.store(now_ms, Ordering::Relaxed);
        Ok(same)
    }

    async fn load(
        &self,
        path: &AssetPath,
        roots: &Arc<Vec<Arc<Root>>>,
        indexes: &Indexes,
        options: &VodOptions,
    ) -> Result<Arc<Loaded>, VodError> {
        let checked_ms = AtomicU64::new(self.now_ms());
        let found = {
            let (path, roots) = (path.clone(), Arc::clone(roots));
            blocking(move || find(&roots, &path)).await?
        };
        let (mut assets, mut files, mut broken) = (Vec::new(), Vec::new(), None);
        let mut state = DefaultHasher::new();
        (path, options.segment_target).hash(&mut state);
        for (path, file, identity) in found.media {
            (&path, identity.size, identity.modified).hash(&mut state);
            match indexes.get(&file, identity, &path).await {
                Ok(index) => {
                    assets.push(index);
                    files.push(file);
                }
                // A rendition that is broken takes nothing from the others.
                Err(error) => broken = Some(error),
            }
        }
        if assets.is_empty() {
            return Err(broken.unwrap_or(VodError::NotFound));
        }
        for (_, _, identity) in &found.watched {
            (identity.size, identity.modified).hash(&mut state);
        }
        let (version, target) = (state.finish(), options.segment_target);
        // Best first.
        let mut order: Vec<usize> = (0..assets.len()).collect();
        order.sort_by_key(|&at| {
            let rate =
                assets.get(at).and_then(|asset| asset.tracks.first()).map_or(0, |track| track.bitrate_bps());
            std::cmp::Reverse(rate)
        });
        let files = order.iter().filter_map(|&at| files.get(at).cloned()).collect();
        let assets = order.iter().filter_map(|&at| assets.get(at).cloned()).collect();
        let captions = found.captions;
        let presentation = blocking(move || Ok(Presentation::new(version, assets, captions, target))).await?;
        Ok(Arc::new(Loaded { presentation, files, watched: found.watched, checked_ms }))
    }
}

/// What is at a path.
struct Found {
    media: Vec<(AssetPath, Arc<File>, Identity)>,
    captions: Vec<PresentedCaptions>,
    watched: Vec<(usize, AssetPath, Identity)>,
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, VodError> + Send + 'static,
) -> Result<T, VodError> {
    // It fails when the runtime shuts down.
    spawn_blocking(work).await.unwrap_or_else(|error| Err(VodError::Io(io::Error::other(error))))
}

fn stat(root: &Root, path: &AssetPath) -> io::Result<Identity> {
    if path.is_root() {
        let folder = root.open_folder(path)?;
        return Ok(Identity::of(&rustix::fs::fstat(folder)?));
    }
    root.stat(path).map(|stat| Identity::of(&stat))
}

fn find(roots: &[Arc<Root>], path: &AssetPath) -> Result<Found, VodError> {
    for (at, root) in roots.iter().enumerate() {
        let stat = match root.stat(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            stat => stat.map_err(VodError::Io)?,
        };
        return match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => find_folder(root, at, path),
            FileType::RegularFile => find_file(root, at, path),
            _ => Err(VodError::NotFound),
        };
    }
    Err(VodError::NotFound)
}

/// A file and the subtitles beside it: `film.vtt`, `film.en.vtt`.
fn find_file(root: &Root, at: usize, path: &AssetPath) -> Result<Found, VodError> {
    match EntryKind::of_file(path) {
        EntryKind::Media => {}
        EntryKind::Manifest => return find_listed(root, at, path),
        _ => return Err(VodError::NotFound),
    }
    let (file, stat) = root.open_file(path).map_err(VodError::of_file)?;
    let identity = Identity::of(&stat);
    let folder = path.parent();
    let beside = names(root, &folder)?;
    let captions = beside.iter().filter(|beside| {
        beside.extension() == "vtt"
            && beside.file_name().strip_prefix(path.stem()).is_some_and(|rest| rest.starts_with('.'))
    });
    Ok(Found {
        media: vec![(path.clone(), Arc::new(file), identity)],
        captions: read_captions(root, path.stem(), captions),
        watched: watched(root, at, &[&folder, path])?,
    })
}

/// The files that a list of renditions names.
fn find_listed(root: &Root, at: usize, path: &AssetPath) -> Result<Found, VodError> {
    let companion = |path: &AssetPath, reason: String| VodError::Companion { path: path.to_string(), reason };
    let (file, _) = root.open_file(path).map_err(VodError::of_file)?;
    let mut text = Vec::new();
    file.take(MAX_MANIFEST_BYTES as u64 + 1).read_to_end(&mut text).map_err(VodError::Io)?;
    let manifest = Manifest::parse(path, &text).map_err(|error| companion(path, error.to_string()))?;
    let mut media = Vec::with_capacity(manifest.renditions.len());
    for listed in manifest.renditions {
        if EntryKind::of_file(&listed) != EntryKind::Media {
            return Err(companion(path, format!("{listed} is no media file")));
        }
        let opened = root.open_file(&listed);
        let (file, stat) = opened.map_err(|error| companion(path, format!("{listed}: {error}")))?;
        media.push((listed, Arc::new(file), Identity::of(&stat)));
    }
    let mut captions = Vec::new();
    for (listed, language) in &manifest.subtitles {
        let language = language.clone().filter(|tag| is_language_tag(tag));
        for read in read_captions(root, "", std::iter::once(listed)) {
            captions.push(PresentedCaptions { language: language.clone().or(read.language), ..read });
        }
    }
    let subtitles = manifest.subtitles.iter().map(|(listed, _)| listed);
    let subtitles = subtitles.filter(|listed| stat(root, listed).is_ok());
    let parts: Vec<&AssetPath> =
        std::iter::once(path).chain(media.iter().map(|(listed, ..)| listed)).chain(subtitles).collect();
    let watched = watched(root, at, &parts)?;
    Ok(Found { media, captions, watched })
}

/// A folder of renditions and subtitles.
fn find_folder(root: &Root, at: usize, folder: &AssetPath) -> Result<Found, VodError> {
    let names = names(root, folder)?;
    let media: Vec<&AssetPath> =
        names.iter().filter(|name| EntryKind::of_file(name) == EntryKind::Media).take(MAX_ASSETS).collect();
    let mut opened = Vec::with_capacity(media.len());
    for path in &media {
        // What cannot be opened, a folder of such a name or a link that leads out, is no rendition.
        if let Ok((file, stat)) = root.open_file(path) {
            opened.push(((*path).clone(), Arc::new(file), Identity::of(&stat)));
        }
    }
    let captions = names.iter().filter(|name| name.extension() == "vtt");
    let parts: Vec<&AssetPath> =
        std::iter::once(folder).chain(opened.iter().map(|(path, ..)| path)).collect();
    let watched = watched(root, at, &parts)?;
    Ok(Found { captions: read_captions(root, "", captions), watched, media: opened })
}

fn watched(
    root: &Root,
    at: usize,
    paths: &[&AssetPath],
) -> Result<Vec<(usize, AssetPath, Identity)>, VodError> {
    let look = |path: &&AssetPath| {
        let identity = stat(root, path).map_err(VodError::of_file)?;
        Ok((at, (*path).clone(), identity))
    };
    paths.iter().map(look).collect()
}

/// The names in a folder that can be asked for, in order.
fn names(root: &Root, folder: &AssetPath) -> Result<Vec<AssetPath>, VodError> {
    let opened = root.open_folder(folder).map_err(VodError::of_file)?;
    let mut names = Vec::new();
    for found in
        Dir::read_from(opened.as_fd()).map_err(|error| VodError::Io(error.into()))?.take(MAX_SEARCHED_ENTRIES)
    {
        let found = found.map_err(|error| VodError::Io(error.into()))?;
        names.extend(found.file_name().to_str().ok().and_then(|name| folder.join(name).ok()));
    }
    names.sort_unstable();
    Ok(names)
}

/// Reads files of subtitles; `stem` is what their names begin with. Those that are broken are left out.
fn read_captions<'a>(
    root: &Root,
    stem: &str,
    paths: impl Iterator<Item = &'a AssetPath>,
) -> Vec<PresentedCaptions> {
    let mut captions = Vec::new();
    for path in paths.take(MAX_CAPTIONS) {
        match read_caption(root, path) {
            Ok(read) => {
                let rest = path.stem().strip_prefix(stem).unwrap_or_default();
                let language = rest.rsplit('.').next().filter(|tag| is_language_tag(tag)).map(str::to_owned);
                captions.push(PresentedCaptions { language, captions: Arc::new(read) });
            }
            Err(error) => warn!(%path, %error, "subtitles cannot be read"),
        }
    }
    captions
}

fn read_caption(root: &Root, path: &AssetPath) -> Result<Captions, VodError> {
    let (file, _) = root.open_file(path).map_err(VodError::of_file)?;
    let mut text = Vec::new();
    file.take(MAX_CAPTIONS_BYTES as u64 + 1).read_to_end(&mut text).map_err(VodError::Io)?;
    let companion = |reason: String| VodError::Companion { path: path.to_string(), reason };
    Captions::parse(&text).map_err(|error| companion(error.to_string()))
}

/// Whether a part of a file's name is a language (BCP 47): letters, then letters and digits between hyphens.
fn is_language_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    (2..=3).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_looked_through_at_their_limit() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path()).unwrap();
        // The folder itself and the one above are entries too.
        for number in 0..MAX_SEARCHED_ENTRIES - 2 {
            File::create(folder.path().join(format!("{number}.vtt"))).unwrap();
        }
        let all = MAX_SEARCHED_ENTRIES - 2;
        assert_eq!(names(&root, &AssetPath::root()).unwrap().len(), all);
        for number in 0..4 {
            File::create(folder.path().join(format!("more{number}.vtt"))).unwrap();
        }
        let found = names(&root, &AssetPath::root()).unwrap().len();
        assert!((all..=all + 2).contains(&found), "{found}");
    }
}
