//! Playlists as they are sent, kept until the presentation changes: a request is a look-up and a clone.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use http::HeaderValue;
use parking_lot::Mutex;
use sha1::{Digest, Sha1};

use crate::proto::hls::{Edge, RenditionId, Skip};

/// Playlists kept of one presentation: a few of each rendition at the live edge, and one for each segment that
/// some viewer in the past has as its last. What is past it is rendered each time.
pub(crate) const MAX_RENDERED: usize = 256;

/// Which playlist it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Multivariant { shift_s: u64 },
    Media(RenditionId, Edge, Option<Skip>),
    Manifest,
}

/// One coding of a playlist.
#[derive(Clone, Debug)]
pub(crate) struct Coded {
    pub(crate) bytes: Bytes,
    pub(crate) etag: HeaderValue,
}

impl Coded {
    /// The entity tag is made of the bytes, so that it outlives the process and is the same on every server.
    fn new(bytes: Vec<u8>) -> Self {
        let digest = Sha1::digest(&bytes);
        let tag = digest.iter().take(10).fold(String::from('"'), |tag, byte| format!("{tag}{byte:02x}"));
        let etag = HeaderValue::from_str(&format!("{tag}\"")).unwrap_or(HeaderValue::from_static("\"\""));
        Self { bytes: bytes.into(), etag }
    }
}

/// A playlist, plain and, once somebody has asked for it, compressed.
#[derive(Debug)]
pub(crate) struct Rendered {
    plain: Coded,
    gzip: OnceLock<Coded>,
}

impl Rendered {
    pub(crate) fn new(text: String) -> Self {
        Self { plain: Coded::new(text.into_bytes()), gzip: OnceLock::new() }
    }

    pub(crate) const fn plain(&self) -> &Coded {
        &self.plain
    }

    pub(crate) fn gzip(&self) -> &Coded {
        self.gzip.get_or_init(|| {
            // Without a time stamp: the same text is the same bytes.
            let mut encoder = GzBuilder::new().write(Vec::new(), Compression::default());
            let written = encoder.write_all(&self.plain.bytes).and_then(|()| encoder.finish());
            // Writing to a vector does not fail.
            written.map_or_else(|_| self.plain.clone(), Coded::new)
        })
    }
}

/// The playlists of one version of a presentation.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<(u64, HashMap<Kind, Arc<Rendered>>)>);

impl Cache {
    /// The playlist `kind` at `version`, rendered now if it is not there; `None` if there is none.
    pub(crate) fn get(
        &self,
        version: u64,
        kind: Kind,
        render: impl FnOnce() -> Option<String>,
    ) -> Option<Arc<Rendered>> {
        {
            let mut held = self.0.lock();
            if held.0 != version {
                held.1.clear();
                held.0 = version;
            }
            if let Some(rendered) = held.1.get(&kind) {
                return Some(Arc::clone(rendered));
            }
        }
        let rendered = Arc::new(Rendered::new(render()?));
        let mut held = self.0.lock();
        if held.0 == version && held.1.len() < MAX_RENDERED {
            held.1.insert(kind, Arc::clone(&rendered));
        }
        Some(rendered)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    const KIND: Kind = Kind::Multivariant { shift_s: 0 };

    #[test]
    fn a_playlist_is_rendered_once_a_version() {
        let cache = Cache::default();
        let text = |version, text: &str| {
            let rendered = cache.get(version, KIND, || Some(text.to_owned())).unwrap();
            String::from_utf8(rendered.plain().bytes.to_vec()).unwrap()
        };
        assert_eq!([text(1, "a"), text(1, "b"), text(2, "c")], ["a", "a", "c"]);
        assert!(cache.get(2, Kind::Multivariant { shift_s: 1 }, || None).is_none());
    }

    #[test]
    fn kept_playlists_at_their_limit() {
        let cache = Cache::default();
        for shift_s in 0..=MAX_RENDERED as u64 {
            cache.get(1, Kind::Multivariant { shift_s }, || Some(String::new())).unwrap();
        }
        assert_eq!(cache.0.lock().1.len(), MAX_RENDERED);
    }

    #[test]
    fn each_coding_has_a_tag_of_its_own_made_of_its_bytes() {
        let (one, same, other) = (
            Rendered::new("#EXTM3U\n".repeat(50)),
            Rendered::new("#EXTM3U\n".repeat(50)),
            Rendered::new(String::new()),
        );
        assert_eq!(one.plain().etag, same.plain().etag);
        assert_eq!((&one.gzip().bytes, &one.gzip().etag), (&same.gzip().bytes, &same.gzip().etag));
        assert_ne!(one.plain().etag, one.gzip().etag);
        assert_ne!(one.plain().etag, other.plain().etag);
        let mut text = String::new();
        GzDecoder::new(&*one.gzip().bytes).read_to_string(&mut text).unwrap();
        assert_eq!(text.as_bytes(), one.plain().bytes);
        assert!(one.gzip().bytes.len() < one.plain().bytes.len());
    }
}
