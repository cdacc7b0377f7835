//! MPEG transport streams: muxer and demuxer (ISO/IEC 13818-1).
//!
//! | what | where |
//! |---|---|
//! | packets, adaptation field, sections, tables, PES headers | `packet`, `section`, `psi`, `pes`, `crc` |
//! | clock references, wraps | `timing` |
//! | how each codec is carried | `carriage` |
//! | media in, packets out | [`TsMuxer`] |
//! | packets in, media out | [`TsDemuxer`] |

mod carriage;
mod crc;
mod demux;
mod error;
mod mux;
mod packet;
mod pes;
mod psi;
mod section;
mod timing;

pub use demux::{
    MAX_AUDIO_UNIT_BYTES, MAX_HELD_BYTES, MAX_PES_BYTES, MAX_PICTURE_BYTES, MAX_PROBED_BYTES,
    MAX_PROBED_FRAMES, MAX_PROBED_TICKS, MAX_SEARCHED_BYTES, TsDemuxer, TsStats,
};
pub use error::TsError;
pub use mux::{TsMuxer, TsOptions};
pub use packet::{PACKET_BYTES, SYNC_BYTE};
pub use section::MAX_SECTION_BYTES;
pub use timing::{PCR_INTERVAL_TICKS, PCR_LEAD_TICKS, PSI_INTERVAL_TICKS, START_OFFSET_TICKS};
