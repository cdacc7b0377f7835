//! Fragmented MP4: init segments and fragments as ISO/IEC 14496-12 and CMAF (ISO/IEC 23000-19) have them.
//!
//! | what | box | where |
//! |---|---|---|
//! | init segment | `ftyp`, `moov` with `mvex`, `edts` | [`init_segment`] |
//! | sample entries | see the module's table | `sample_entry` |
//! | fragment | `styp`, `prft`, `emsg`, `moof`, `mdat` | [`write_fragment`] |
//! | index of a file | `sidx` | [`segment_index`] |
//! | continuous stream | all of these | [`Fmp4Muxer`] |
//! | reading | `moov`, `moof`, `mdat`, `emsg` | [`FragmentReader`] |
//! | where the samples of a file lie | `moov` with sample tables, `moof` | [`MovieIndex`] |
//! | Common Encryption `cbcs` | `sinf`, `senc`, `saiz`, `saio` | [`Protection`], [`SampleProtection`], [`SampleCipher`] |
//!
//! Payloads pass as they are: the canonical form of every [`Codec`](crate::codec::Codec) is MP4's own.

mod boxes;
mod cipher;
mod cursor;
mod error;
mod event;
mod fragment;
mod index;
mod init;
mod mux;
mod protection;
mod reader;
mod sample_entry;
#[cfg(test)]
mod testing;

pub use boxes::{BoxHeader, MAX_BOX_HEADER_BYTES};
pub use cipher::SampleCipher;
pub use error::Fmp4Error;
pub use event::{EventMessage, SCHEME_ID3, SCHEME_SCTE35};
pub use fragment::{
    Fragment, FragmentHead, MAX_FRAGMENT_BYTES, MAX_SAMPLES_PER_RUN, ProducerReferenceTime, Sample,
    SampleHead, TrackRun, write_fragment, write_fragment_head,
};
pub use index::{MAX_REFERENCED_BYTES, MAX_REFERENCES, SegmentIndex, SegmentReference, segment_index};
pub use init::{InitTrack, init_segment};
pub use mux::{Fmp4MuxOptions, Fmp4Muxer, MAX_FRAGMENT_DURATION, MAX_PENDING_BYTES};
pub use protection::{KEY_BYTES, MAX_SUBSAMPLES, Protection, SampleProtection, Subsample};
pub use reader::{
    FileSample, FileSamples, FileTrack, FragmentItem, FragmentReader, MAX_EVENT_BYTES, MAX_MOVIE_BYTES,
    MAX_MOVIE_FRAGMENT_BYTES, MAX_SAMPLE_BYTES, MAX_SAMPLES_PER_FRAGMENT, MovieIndex,
};
pub use sample_entry::carries;
