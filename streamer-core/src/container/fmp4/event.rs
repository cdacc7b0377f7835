//! Event messages: timed data beside the samples (`emsg`, ISO/IEC 23009-1 5.10.3.3, CMAF 7.4.5).

use bytes::Bytes;

use super::boxes::{BoxWriter, FULL_BOX_HEADER_BYTES};
use super::cursor::Cursor;
use super::error::Fmp4Error;
use crate::time::Timescale;

/// `scheme_id_uri` of an ID3 tag (Carriage of ID3 timed metadata in CMAF).
pub const SCHEME_ID3: &str = "https://aomedia.org/emsg/ID3";
/// `scheme_id_uri` of a `splice_info_section` in binary (ANSI/SCTE 214-3).
pub const SCHEME_SCTE35: &str = "urn:scte:scte35:2013:bin";

const FIELDS_BYTES: usize = 4 + 8 + 4 + 4;

/// A message that is to be acted on at a time of the presentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventMessage {
    /// What kind of message it is: [`SCHEME_ID3`], [`SCHEME_SCTE35`] or another URI.
    pub scheme_id_uri: String,
    /// A further distinction, as the scheme defines it; often empty.
    pub value: String,
    /// Scale of the two times.
    pub timescale: Timescale,
    /// When it is due, on the timeline of the presentation.
    pub presentation_time: u64,
    /// How long it lasts; `None` when that is not known.
    pub duration: Option<u32>,
    /// Tells repetitions of a message from another one of the same scheme and value.
    pub id: u32,
    /// The message.
    pub data: Bytes,
}

impl EventMessage {
    /// Bytes of the box.
    pub(super) fn box_bytes(&self) -> Result<usize, Fmp4Error> {
        for (field, text) in [("scheme_id_uri", &self.scheme_id_uri), ("value", &self.value)] {
            if text.contains('\0') {
                return Err(Fmp4Error::Field { structure: "emsg", field, value: 0 });
            }
        }
        let texts = self.scheme_id_uri.len() + 1 + self.value.len() + 1;
        Ok(FULL_BOX_HEADER_BYTES + FIELDS_BYTES + texts + self.data.len())
    }

    /// Reads the body of the box; `None` for another version than 1.
    pub(super) fn read(body: &[u8]) -> Result<Option<Self>, Fmp4Error> {
        let mut emsg = Cursor::new("emsg", body);
        let (version, _) = emsg.version_and_flags()?;
        if version != 1 {
            return Ok(None);
        }
        let timescale = emsg.u32()?;
        Ok(Some(Self {
            timescale: Timescale::new(timescale).ok_or(emsg.field("timescale", 0))?,
            presentation_time: emsg.u64()?,
            duration: Some(emsg.u32()?).filter(|&duration| duration != u32::MAX),
            id: emsg.u32()?,
            scheme_id_uri: emsg.text()?,
            value: emsg.text()?,
            data: Bytes::copy_from_slice(emsg.rest()),
        }))
    }

    /// Writes the box, in version 1.
    pub(super) fn write(&self, out: &mut BoxWriter) {
        out.full(*b"emsg", 1, 0, |out| {
            out.u32(self.timescale.ticks_per_second());
            out.u64(self.presentation_time);
            out.u32(self.duration.unwrap_or(u32::MAX));
            out.u32(self.id);
            for text in [&self.scheme_id_uri, &self.value] {
                out.bytes(text.as_bytes());
                out.u8(0);
            }
            out.bytes(&self.data);
        });
    }
}
