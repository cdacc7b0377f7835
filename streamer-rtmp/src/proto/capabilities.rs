//! What a peer says in `connect` that it can do beyond legacy RTMP (Enhanced RTMP v1 and v2).

use streamer_core::container::flv::amf0::Value;

/// Codecs that one announcement may name. Enhanced RTMP v2 knows a dozen.
pub const MAX_FOURCCS: usize = 64;

/// A codec's name of four characters, such as `hvc1`, `av01` or `Opus`.
pub type FourCc = [u8; 4];

/// The name that stands for every codec.
const WILDCARD: &str = "*";

/// What can be done with a codec (`FourCcInfoMask`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CodecFlags(pub u8);

impl CodecFlags {
    /// Can decode it.
    pub const DECODE: Self = Self(1);
    /// Can encode it.
    pub const ENCODE: Self = Self(2);
    /// Can pass it on.
    pub const FORWARD: Self = Self(4);
    /// All three: what an entry of `fourCcList` amounts to.
    pub const ALL: Self = Self(7);

    /// Whether any flag of `other` is set.
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Extended capabilities (`CapsExMask`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CapsEx(pub u32);

impl CapsEx {
    /// Understands a reconnect request.
    pub const RECONNECT: Self = Self(1);
    /// Understands several tracks in one stream.
    pub const MULTITRACK: Self = Self(2);
    /// Understands `ModEx` packets.
    pub const MOD_EX: Self = Self(4);
    /// Understands offsets of nanoseconds in `ModEx` packets.
    pub const TIMESTAMP_NANO_OFFSET: Self = Self(8);

    /// Whether all flags of `other` are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags of both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Codecs and what can be done with each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CodecSupport {
    codecs: Vec<(FourCc, CodecFlags)>,
    any: CodecFlags,
}

impl CodecSupport {
    /// The same flags for each of `codecs`.
    pub fn of(codecs: &[FourCc], flags: CodecFlags) -> Self {
        Self { codecs: codecs.iter().map(|codec| (*codec, flags)).collect(), any: CodecFlags::default() }
    }

    /// The flags for every codec there is.
    pub fn any(flags: CodecFlags) -> Self {
        Self { codecs: Vec::new(), any: flags }
    }

    /// What can be done with `codec`.
    pub fn flags(&self, codec: FourCc) -> CodecFlags {
        let own = self
            .codecs
            .iter()
            .find(|(held, _)| *held == codec)
            .map_or(CodecFlags::default(), |(_, flags)| *flags);
        CodecFlags(own.0 | self.any.0)
    }

    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.codecs.is_empty() && self.any == CodecFlags::default()
    }

    fn add(&mut self, name: &str, flags: CodecFlags) {
        if name == WILDCARD {
            self.any = CodecFlags(self.any.0 | flags.0);
        } else if let Ok(codec) = FourCc::try_from(name.as_bytes())
            && self.codecs.len() < MAX_FOURCCS
        {
            self.codecs.push((codec, flags));
        }
    }

    fn from_list(value: Option<&Value>) -> Self {
        let mut support = Self::default();
        for name in value.and_then(Value::elements).unwrap_or_default().iter().filter_map(Value::as_str) {
            support.add(name, CodecFlags::ALL);
        }
        support
    }

    fn from_map(value: Option<&Value>) -> Self {
        let mut support = Self::default();
        for (name, flags) in value.and_then(Value::fields).unwrap_or_default() {
            // The mask has three bits; a flag that is not a number says nothing.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let flags = flags.as_f64().map_or(0, |number| number as u32 & 0x07) as u8;
            support.add(name, CodecFlags(flags));
        }
        support
    }

    fn names(&self) -> impl Iterator<Item = (String, CodecFlags)> {
        let any = (self.any != CodecFlags::default()).then(|| (WILDCARD.to_owned(), self.any));
        let named =
            self.codecs.iter().map(|(codec, flags)| (String::from_utf8_lossy(codec).into_owned(), *flags));
        any.into_iter().chain(named)
    }

    fn to_list(&self) -> Value {
        Value::StrictArray(self.names().map(|(name, _)| Value::String(name)).collect())
    }

    fn to_map(&self) -> Value {
        Value::Object(self.names().map(|(name, flags)| (name, Value::Number(f64::from(flags.0)))).collect())
    }
}

/// Everything announced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// `fourCcList` of version 1: video and audio codecs alike.
    pub list: CodecSupport,
    /// `videoFourCcInfoMap` of version 2.
    pub video: CodecSupport,
    /// `audioFourCcInfoMap` of version 2.
    pub audio: CodecSupport,
    /// `capsEx` of version 2.
    pub caps_ex: CapsEx,
}

impl Capabilities {
    /// Reads the properties of a command object or of an answer to `connect`. What is malformed is left out.
    pub fn from_properties(properties: &Value) -> Self {
        // Flags above 32 bits do not exist; a cast of a float saturates.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let caps_ex = properties.get("capsEx").and_then(Value::as_f64).map_or(0, |number| number as u32);
        Self {
            list: CodecSupport::from_list(properties.get("fourCcList")),
            video: CodecSupport::from_map(properties.get("videoFourCcInfoMap")),
            audio: CodecSupport::from_map(properties.get("audioFourCcInfoMap")),
            caps_ex: CapsEx(caps_ex),
        }
    }

    /// The properties to announce them with; what is empty is left out.
    pub fn to_properties(&self) -> Vec<(String, Value)> {
        let mut properties = Vec::new();
        if !self.list.is_empty() {
            properties.push(("fourCcList".to_owned(), self.list.to_list()));
        }
        if !self.video.is_empty() {
            properties.push(("videoFourCcInfoMap".to_owned(), self.video.to_map()));
        }
        if !self.audio.is_empty() {
            properties.push(("audioFourCcInfoMap".to_owned(), self.audio.to_map()));
        }
        if self.caps_ex != CapsEx::default() {
            properties.push(("capsEx".to_owned(), Value::Number(f64::from(self.caps_ex.0))));
        }
        properties
    }

    /// Whether anything was announced: a peer that announced nothing may not know extended headers at all.
    pub fn is_enhanced(&self) -> bool {
        *self != Self::default()
    }

    /// Whether the peer takes this video codec in an extended header.
    pub fn receives_video(&self, codec: FourCc) -> bool {
        let receive = CodecFlags(CodecFlags::DECODE.0 | CodecFlags::FORWARD.0);
        self.list.flags(codec).intersects(receive) || self.video.flags(codec).intersects(receive)
    }

    /// Whether the peer takes this audio codec in an extended header.
    pub fn receives_audio(&self, codec: FourCc) -> bool {
        let receive = CodecFlags(CodecFlags::DECODE.0 | CodecFlags::FORWARD.0);
        self.list.flags(codec).intersects(receive) || self.audio.flags(codec).intersects(receive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_announced_is_understood() {
        let announced = Capabilities {
            list: CodecSupport::of(&[*b"hvc1", *b"av01"], CodecFlags::ALL),
            video: CodecSupport::of(&[*b"vp09"], CodecFlags::DECODE),
            audio: CodecSupport::any(CodecFlags::FORWARD),
            caps_ex: CapsEx::RECONNECT.union(CapsEx::MOD_EX),
        };
        let read = Capabilities::from_properties(&Value::Object(announced.to_properties()));
        assert_eq!(read, announced);
        assert!(
            read.receives_video(*b"hvc1") && read.receives_video(*b"vp09") && !read.receives_video(*b"vp08")
        );
        assert!(read.receives_audio(*b"Opus"));
        assert!(read.caps_ex.contains(CapsEx::RECONNECT) && !read.caps_ex.contains(CapsEx::MULTITRACK));
        assert!(read.is_enhanced() && !Capabilities::default().is_enhanced());
    }

    #[test]
    fn encoding_alone_does_not_receive() {
        let video = CodecSupport::of(&[*b"av01"], CodecFlags::ENCODE);
        let capabilities = Capabilities { video, ..Capabilities::default() };
        assert!(!capabilities.receives_video(*b"av01"));
    }

    #[test]
    fn malformed_and_excessive_names_are_left_out() {
        let names = (0..MAX_FOURCCS + 9).map(|at| Value::String(format!("{at:04}")));
        let list = Value::StrictArray(
            [Value::Null, "toolong".into(), "abc".into()].into_iter().chain(names).collect(),
        );
        let map = Value::Object(vec![("av01".to_owned(), Value::Null), ("hvc1".to_owned(), f64::NAN.into())]);
        let properties = vec![
            ("fourCcList".to_owned(), list),
            ("videoFourCcInfoMap".to_owned(), map),
            ("capsEx".to_owned(), "x".into()),
        ];
        let read = Capabilities::from_properties(&Value::Object(properties));
        assert_eq!(read.list.codecs.len(), MAX_FOURCCS);
        assert!(read.receives_video(*b"0063") && !read.receives_video(*b"0064"));
        assert!(!read.receives_video(*b"av01") && !read.receives_video(*b"hvc1"));
        assert_eq!(read.caps_ex, CapsEx(0));
    }
}
