//! What extended audio and video headers have in common: FourCC, ModEx and tracks (Enhanced RTMP v2,
//! `ExAudioTagHeader` and `ExVideoTagHeader`).

use std::fmt;

use bytes::{Buf, BufMut, Bytes};

use super::super::error::FlvError;

/// Most ModEx entries before one packet. One is defined, so this leaves room and bounds the list.
pub const MAX_MOD_EX: usize = 8;
/// Most tracks in one message. Encoders send fewer than ten; a part costs some 50 bytes of memory for
/// four bytes of message.
pub const MAX_TRACKS_IN_MESSAGE: usize = 32;

/// Four characters that name a codec.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FourCc(pub [u8; 4]);

impl FourCc {
    /// H.264.
    pub const AVC: Self = Self(*b"avc1");
    /// H.265.
    pub const HEVC: Self = Self(*b"hvc1");
    /// H.266: parsed as a tag, no codec of the core.
    pub const VVC: Self = Self(*b"vvc1");
    /// AV1.
    pub const AV1: Self = Self(*b"av01");
    /// VP8: parsed as a tag, no codec of the core.
    pub const VP8: Self = Self(*b"vp08");
    /// VP9.
    pub const VP9: Self = Self(*b"vp09");
    /// AAC.
    pub const AAC: Self = Self(*b"mp4a");
    /// Opus.
    pub const OPUS: Self = Self(*b"Opus");
    /// MP3.
    pub const MP3: Self = Self(*b".mp3");
    /// AC-3.
    pub const AC3: Self = Self(*b"ac-3");
    /// Enhanced AC-3.
    pub const EAC3: Self = Self(*b"ec-3");
    /// FLAC.
    pub const FLAC: Self = Self(*b"fLaC");

    /// The number that stands for it in `onMetaData`: its bytes in big-endian order.
    #[must_use]
    pub fn as_number(self) -> f64 {
        f64::from(u32::from_be_bytes(self.0))
    }

    /// Whether its coded frames begin with a composition time offset.
    pub(super) fn has_composition_time(self) -> bool {
        matches!(self, Self::AVC | Self::HEVC | Self::VVC)
    }
}

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FourCc({self})")
    }
}

/// One modifier or extension that stands before a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModEx {
    /// Its type, 0 to 15. Only 0, the timestamp offset in nanoseconds, is defined; others are kept and
    /// have no effect.
    pub kind: u8,
    /// Its data, 1 to 65 536 bytes.
    pub data: Bytes,
}

impl ModEx {
    /// Type of the timestamp offset in nanoseconds.
    pub const TIMESTAMP_OFFSET_NANO: u8 = 0;

    /// An offset of `nanos` nanoseconds (24 bits of it are sent) on top of the message's timestamp.
    #[must_use]
    pub fn timestamp_offset_nano(nanos: u32) -> Self {
        let [_, data @ ..] = nanos.to_be_bytes();
        Self { kind: Self::TIMESTAMP_OFFSET_NANO, data: Bytes::copy_from_slice(&data) }
    }

    /// The nanoseconds, if this is a timestamp offset.
    #[must_use]
    pub fn nanos(&self) -> Option<u32> {
        match (self.kind, self.data.get(..3)) {
            (Self::TIMESTAMP_OFFSET_NANO, Some(&[a, b, c])) => Some(u32::from_be_bytes([0, a, b, c])),
            _ => None,
        }
    }
}

/// What a message carries for one track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which track of the message's kind; 0 is the default one.
    pub track_id: u8,
    /// The codec.
    pub fourcc: FourCc,
    /// Composition time offset in milliseconds, 24 bits signed. 0 for audio, and for codecs without one.
    pub composition_ms: i32,
    /// The rest: codec configuration, coded frame or whatever the packet type says.
    pub data: Bytes,
}

/// How the tracks of a message are laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// No multitrack header: the default track alone.
    Single(Part),
    /// Multitrack, one track.
    OneTrack(Part),
    /// Multitrack, several tracks of one codec. The codec sent is the first part's.
    ManyTracks(Vec<Part>),
    /// Multitrack, several tracks with a codec each.
    ManyTracksManyCodecs(Vec<Part>),
}

impl Layout {
    /// The parts in the order sent.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        match self {
            Self::Single(part) | Self::OneTrack(part) => std::slice::from_ref(part),
            Self::ManyTracks(parts) | Self::ManyTracksManyCodecs(parts) => parts,
        }
    }

    /// The value of `AvMultitrackType`, unless there is no multitrack header.
    fn multitrack_type(&self) -> Option<u8> {
        match self {
            Self::Single(_) => None,
            Self::OneTrack(_) => Some(0),
            Self::ManyTracks(_) => Some(1),
            Self::ManyTracksManyCodecs(_) => Some(2),
        }
    }
}

/// Reads the modifiers before a packet. `packet_type` is the packet type of the first byte; returned is
/// the one that finally holds.
pub(super) fn parse_mod_ex(
    structure: &'static str,
    mod_ex_type: u8,
    mut packet_type: u8,
    input: &mut Bytes,
) -> Result<(Vec<ModEx>, u8), FlvError> {
    let mut entries = Vec::new();
    while packet_type == mod_ex_type {
        if entries.len() == MAX_MOD_EX {
            return Err(FlvError::TooMany { what: "ModEx entries in a message", max: MAX_MOD_EX });
        }
        let mut len = usize::from(take_u8(structure, input)?) + 1;
        if len == 256 {
            let [high, low] = take_array(structure, input)?;
            len = usize::from(u16::from_be_bytes([high, low])) + 1;
        }
        let data = take(structure, input, len)?;
        let byte = take_u8(structure, input)?;
        entries.push(ModEx { kind: byte >> 4, data });
        packet_type = byte & 0x0f;
    }
    Ok((entries, packet_type))
}

/// Writes the first byte, `flags` in its high bits, and the modifiers; `packet_type` is the one that
/// finally holds.
pub(super) fn write_mod_ex(
    flags: u8,
    mod_ex_type: u8,
    packet_type: u8,
    entries: &[ModEx],
    out: &mut impl BufMut,
) {
    let next_type = |rest: &[ModEx]| if rest.is_empty() { packet_type } else { mod_ex_type };
    out.put_u8(flags | next_type(entries));
    let mut rest = entries;
    while let [entry, after @ ..] = rest {
        // At least one byte and at most 65 536 can be said: longer data is cut, none becomes a zero.
        let data = entry.data.get(..entry.data.len().min(65_536)).unwrap_or_default();
        let data = if data.is_empty() { &[0] } else { data };
        match u8::try_from(data.len() - 1) {
            Ok(len @ 0..=254) => out.put_u8(len),
            _ => {
                out.put_u8(255);
                out.put_u16(u16::try_from(data.len() - 1).unwrap_or(u16::MAX));
            }
        }
        out.put_slice(data);
        out.put_u8(entry.kind << 4 | next_type(after));
        rest = after;
    }
}

/// The constants in which audio and video differ.
pub(super) struct Kind {
    pub(super) structure: &'static str,
    pub(super) mod_ex: u8,
    pub(super) multitrack: u8,
    /// Whether coded frames may begin with a composition time offset, and the packet type that has it.
    pub(super) composition: Option<u8>,
}

impl Kind {
    fn has_composition(&self, packet_type: u8, fourcc: FourCc) -> bool {
        self.composition == Some(packet_type) && fourcc.has_composition_time()
    }

    fn part(&self, packet_type: u8, track_id: u8, fourcc: FourCc, mut body: Bytes) -> Result<Part, FlvError> {
        let composition_ms =
            if self.has_composition(packet_type, fourcc) { take_i24(self.structure, &mut body)? } else { 0 };
        Ok(Part { track_id, fourcc, composition_ms, data: body })
    }

    /// Reads everything behind the modifiers. Returns the packet type that holds for all parts.
    pub(super) fn parse_layout(&self, packet_type: u8, mut input: Bytes) -> Result<(u8, Layout), FlvError> {
        let structure = self.structure;
        if packet_type != self.multitrack {
            let fourcc = FourCc(take_array(structure, &mut input)?);
            return Ok((packet_type, Layout::Single(self.part(packet_type, 0, fourcc, input)?)));
        }
        let byte = take_u8(structure, &mut input)?;
        let (multitrack_type, packet_type) = (byte >> 4, byte & 0x0f);
        if packet_type == self.multitrack || packet_type == self.mod_ex {
            return Err(FlvError::Field { structure, field: "packetType", value: packet_type.into() });
        }
        match multitrack_type {
            0 => {
                let fourcc = FourCc(take_array(structure, &mut input)?);
                let track_id = take_u8(structure, &mut input)?;
                Ok((packet_type, Layout::OneTrack(self.part(packet_type, track_id, fourcc, input)?)))
            }
            1 => {
                let fourcc = FourCc(take_array(structure, &mut input)?);
                Ok((packet_type, Layout::ManyTracks(self.parts(packet_type, Some(fourcc), input)?)))
            }
            2 => Ok((packet_type, Layout::ManyTracksManyCodecs(self.parts(packet_type, None, input)?))),
            _ => Err(FlvError::Field { structure, field: "multitrackType", value: multitrack_type.into() }),
        }
    }

    fn parts(
        &self,
        packet_type: u8,
        shared: Option<FourCc>,
        mut input: Bytes,
    ) -> Result<Vec<Part>, FlvError> {
        let structure = self.structure;
        let mut parts = Vec::new();
        while input.has_remaining() {
            if parts.len() == MAX_TRACKS_IN_MESSAGE {
                return Err(FlvError::TooMany { what: "tracks in a message", max: MAX_TRACKS_IN_MESSAGE });
            }
            let fourcc = match shared {
                Some(fourcc) => fourcc,
                None => FourCc(take_array(structure, &mut input)?),
            };
            let track_id = take_u8(structure, &mut input)?;
            let [a, b, c] = take_array(structure, &mut input)?;
            let len = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
            let body = take(structure, &mut input, len)?;
            parts.push(self.part(packet_type, track_id, fourcc, body)?);
        }
        Ok(parts)
    }

    /// The packet type to stand in the first byte or behind the last modifier.
    pub(super) fn outer_type(&self, packet_type: u8, layout: &Layout) -> u8 {
        if layout.multitrack_type().is_some() { self.multitrack } else { packet_type }
    }

    /// Writes everything behind the modifiers but the last part's data, which is returned.
    pub(super) fn write_layout(&self, packet_type: u8, layout: Layout, out: &mut impl BufMut) -> Bytes {
        if let Some(multitrack_type) = layout.multitrack_type() {
            out.put_u8(multitrack_type << 4 | packet_type);
        }
        match layout {
            Layout::Single(part) => {
                out.put_slice(&part.fourcc.0);
                self.write_composition(packet_type, part.fourcc, part.composition_ms, out);
                part.data
            }
            Layout::OneTrack(part) => {
                out.put_slice(&part.fourcc.0);
                out.put_u8(part.track_id);
                self.write_composition(packet_type, part.fourcc, part.composition_ms, out);
                part.data
            }
            Layout::ManyTracks(parts) => {
                let fourcc = parts.first().map_or(FourCc([0; 4]), |part| part.fourcc);
                out.put_slice(&fourcc.0);
                self.write_parts(packet_type, Some(fourcc), parts, out)
            }
            Layout::ManyTracksManyCodecs(parts) => self.write_parts(packet_type, None, parts, out),
        }
    }

    fn write_parts(
        &self,
        packet_type: u8,
        shared: Option<FourCc>,
        parts: Vec<Part>,
        out: &mut impl BufMut,
    ) -> Bytes {
        let mut last = Bytes::new();
        for part in parts {
            out.put_slice(&last);
            let fourcc = shared.unwrap_or(part.fourcc);
            if shared.is_none() {
                out.put_slice(&fourcc.0);
            }
            out.put_u8(part.track_id);
            let prefix = if self.has_composition(packet_type, fourcc) { 3 } else { 0 };
            out.put_uint(u64::try_from(part.data.len() + prefix).unwrap_or(u64::MAX), 3);
            self.write_composition(packet_type, fourcc, part.composition_ms, out);
            last = part.data;
        }
        last
    }

    fn write_composition(&self, packet_type: u8, fourcc: FourCc, composition_ms: i32, out: &mut impl BufMut) {
        if self.has_composition(packet_type, fourcc) {
            out.put_int(composition_ms.into(), 3);
        }
    }
}

pub(super) fn take(structure: &'static str, input: &mut Bytes, len: usize) -> Result<Bytes, FlvError> {
    if len > input.len() {
        return Err(FlvError::Truncated { structure, len: input.len(), need: len });
    }
    Ok(input.split_to(len))
}

pub(super) fn take_array<const N: usize>(
    structure: &'static str,
    input: &mut Bytes,
) -> Result<[u8; N], FlvError> {
    match input.first_chunk::<N>() {
        Some(array) => {
            let array = *array;
            input.advance(N);
            Ok(array)
        }
        None => Err(FlvError::Truncated { structure, len: input.len(), need: N }),
    }
}

pub(super) fn take_u8(structure: &'static str, input: &mut Bytes) -> Result<u8, FlvError> {
    let [byte] = take_array(structure, input)?;
    Ok(byte)
}

pub(super) fn take_i24(structure: &'static str, input: &mut Bytes) -> Result<i32, FlvError> {
    let [a, b, c] = take_array(structure, input)?;
    Ok(i32::from_be_bytes([a, b, c, 0]) >> 8)
}
