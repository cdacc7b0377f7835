//! The handle of video on demand: roots, caches, and what is done with them.

use std::sync::Arc;

use async_trait::async_trait;
use hyper::body::Incoming;
use hyper::{Request, Response};
use streamer_http::{Body, Client, Fallback};

use crate::error::VodError;
use crate::io::indexes::Indexes;
use crate::io::library::{Library, Shared};
use crate::io::root::Root;
use crate::io::segments::Segments;
use crate::io::shelf::{Loaded, Shelf};
use crate::options::VodOptions;
use crate::proto::name::AssetPath;
use crate::proto::route::PREFIX;

/// Video on demand. Clones share roots and caches.
#[derive(Clone, Debug)]
pub struct Vod {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) options: VodOptions,
    pub(crate) roots: Arc<Vec<Arc<Root>>>,
    pub(crate) indexes: Indexes,
    pub(crate) segments: Segments,
    shelf: Shelf,
    library: Option<Arc<Shared>>,
}

impl Vod {
    /// Opens the roots.
    ///
    /// # Errors
    /// [`VodError::Root`] for one that is no folder, or cannot be opened.
    pub fn open(options: VodOptions) -> Result<Self, VodError> {
        let open = |path: &std::path::PathBuf| {
            Root::open(path).map(Arc::new).map_err(|source| VodError::Root { path: path.clone(), source })
        };
        let roots: Vec<Arc<Root>> = options.roots.iter().map(open).collect::<Result<_, _>>()?;
        let library = roots.first().map(|root| Arc::new(Shared::new(Arc::clone(root))));
        let inner = Inner {
            // Presentations hold indexes: what is kept of both together is the bound.
            indexes: Indexes::new(options.index_cache_bytes / 2),
            shelf: Shelf::new(options.index_cache_bytes / 2),
            segments: Segments::new(options.segment_cache_bytes),
            roots: Arc::new(roots),
            library,
            options,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The library below the first root; `None` without roots.
    #[must_use]
    pub fn library(&self) -> Option<Library> {
        let shared = Arc::clone(self.inner.library.as_ref()?);
        Some(Library { shared, vod: self.clone() })
    }

    pub(crate) async fn load(&self, path: &AssetPath) -> Result<Arc<Loaded>, VodError> {
        let Inner { shelf, roots, indexes, options, .. } = &*self.inner;
        shelf.get(path, roots, indexes, options).await
    }
}

/// Serves `/vod/…` on a media port: set it as the port's fallback.
#[async_trait]
impl Fallback for Vod {
    fn claims(&self, path: &str) -> bool {
        path.starts_with(PREFIX)
    }

    async fn serve(&self, request: Request<Incoming>, _: Client) -> Response<Body> {
        self.answer(request).await
    }
}
