//! The muxer trait: media in, bytes of one container or protocol out, no I/O.

use bytes::Bytes;

use crate::frame::Media;

/// Turns media into the bytes of one form.
///
/// What a muxer makes of [`Media::Tracks`] alone must let a decoder start at the next random access
/// point: whoever serves late joiners keeps those bytes and sends them first.
pub trait Muxer: Send {
    /// Why a medium cannot be carried.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Appends the bytes of `media` to `out`. Nothing is appended for media that the form cannot carry.
    ///
    /// # Errors
    /// The muxer's own error; the muxer stays usable and the medium is left out.
    fn mux(&mut self, media: &Media, out: &mut Vec<Bytes>) -> Result<(), Self::Error>;

    /// Appends what closes the form.
    ///
    /// # Errors
    /// The muxer's own error.
    fn finish(&mut self, out: &mut Vec<Bytes>) -> Result<(), Self::Error>;
}
