//! What can go wrong with video on demand, and how it is told over HTTP.

use std::io;
use std::path::PathBuf;

use http::StatusCode;
use thiserror::Error;

use crate::proto::index::IndexError;
use crate::proto::name::NameError;
use crate::proto::slice::SliceError;

/// Why something is not served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VodError {
    /// A root cannot be opened.
    #[error("{}: {source}", path.display())]
    Root {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The method is none of those served.
    #[error("this method is not allowed here: GET, HEAD and OPTIONS are")]
    Method,
    /// The name leads nowhere.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is nothing at this path.
    #[error("there is nothing at this path")]
    NotFound,
    /// The container carries none of the tracks.
    #[error("this container carries no track of the file; the other one may")]
    NotCarried,
    /// The file is no media that can be played.
    #[error("the file cannot be played: {0}")]
    Index(IndexError),
    /// The segment cannot be made.
    #[error(transparent)]
    Slice(#[from] SliceError),
    /// A list of renditions, or subtitles beside a file, cannot be read.
    #[error("{path}: {reason}")]
    Companion {
        /// Which file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Reading failed.
    #[error("the file cannot be read: {0}")]
    Io(#[source] io::Error),
}

impl VodError {
    /// The status of the answer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Name(_) => StatusCode::BAD_REQUEST,
            Self::NotFound | Self::NotCarried | Self::Slice(SliceError::NoSegment { .. }) => {
                StatusCode::NOT_FOUND
            }
            Self::Index(_) | Self::Slice(_) | Self::Companion { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Root { .. } | Self::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// An error of the file system about a file that was asked for.
    pub(crate) fn of_file(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::NotFound } else { Self::Io(error) }
    }
}
