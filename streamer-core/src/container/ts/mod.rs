//! MPEG transport streams: muxer and demuxer (ISO/IEC 13818-1).
//!
//! | what | where |
//! |---|---|
//! | packets, adaptation field, sections, tables, PES headers | `packet`, `section`, `psi`, `pes`, `crc` |
//! | clock references, wraps | `timing` |
//! | how each codec is carried | `carriage` |
//! | media in, packets out | [`TsMuxer`] |

#![cfg_attr(not(test), expect(dead_code, reason = "what reads the structures is used by tests alone so far"))]

mod carriage;
mod crc;
mod error;
mod mux;
mod packet;
mod pes;
mod psi;
mod section;
mod timing;

pub use error::TsError;
pub use mux::{TsMuxer, TsOptions};
pub use packet::{PACKET_BYTES, SYNC_BYTE};
pub use section::MAX_SECTION_BYTES;
pub use timing::{PCR_INTERVAL_TICKS, PCR_LEAD_TICKS, PSI_INTERVAL_TICKS, START_OFFSET_TICKS};
