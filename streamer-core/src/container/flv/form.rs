//! Which tracks a dialect of FLV can carry, and under which header.

use super::tag::{FourCc, SoundFormat, legacy_codec};
use crate::codec::{Codec, DataFormat, G711Law, MediaKind};
use crate::track::{TrackId, Tracks};

/// Which headers a receiver understands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Adobe FLV 10.1: H.264; AAC, MP3, G.711; one video and one audio track.
    #[default]
    Legacy,
    /// The same, and H.265 under the codec number 12 that never was standardised.
    LegacyHevc12,
    /// Enhanced RTMP v2: all codecs and all tracks. The default track keeps its legacy header where its
    /// codec has one in FLV 10.1, as encoders do too; G.711, which has no FourCC, is carried there alone.
    Enhanced,
}

/// What is wanted of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MuxOptions {
    /// Which headers the receiver understands.
    pub dialect: Dialect,
    /// Whether video tracks are carried.
    pub video: bool,
    /// Whether audio tracks are carried.
    pub audio: bool,
}

impl Default for MuxOptions {
    fn default() -> Self {
        Self { dialect: Dialect::Legacy, video: true, audio: true }
    }
}

/// What an audio header without a FourCC says besides 16 bits a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LegacyAudio {
    pub(super) format: SoundFormat,
    pub(super) rate: u8,
    pub(super) stereo: bool,
}

/// The header a track's frames get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A video header with a codec number.
    Video(u8),
    /// An audio header with a codec number.
    Audio(LegacyAudio),
    /// An extended header; with a multitrack header unless it is the default track.
    Extended { fourcc: FourCc, multitrack: Option<u8> },
    /// None: a script tag is its AMF values.
    Script,
}

impl Form {
    /// The number of the codec in `onMetaData`.
    pub(super) fn codec_number(self) -> Option<f64> {
        match self {
            Self::Video(codec_id) => Some(codec_id.into()),
            Self::Audio(header) => Some(header.format.0.into()),
            Self::Extended { fourcc, .. } => Some(fourcc.as_number()),
            Self::Script => None,
        }
    }
}

/// The tracks that are carried, in the order of their ids, and how.
pub(super) fn forms(tracks: &Tracks, options: MuxOptions) -> Vec<(TrackId, Form)> {
    let mut forms: Vec<_> = tracks
        .list
        .iter()
        .filter_map(|track| Some((track.id, form(track.id, &track.codec, options)?)))
        .collect();
    forms.sort_unstable_by_key(|(id, _)| *id);
    if options.dialect != Dialect::Enhanced {
        // Of each kind the first that can be carried: ids of different kinds lie apart.
        forms.dedup_by_key(|(id, _)| tracks.get(*id).map(|track| track.codec.kind()));
    }
    forms
}

fn form(id: TrackId, codec: &Codec, options: MuxOptions) -> Option<Form> {
    let wanted = match codec.kind() {
        MediaKind::Video => options.video,
        MediaKind::Audio => options.audio,
        MediaKind::Data => true,
    };
    if !wanted {
        return None;
    }
    let legacy = legacy_form(codec);
    match options.dialect {
        Dialect::Legacy => legacy.filter(|form| *form != Form::Video(legacy_codec::HEVC)),
        Dialect::LegacyHevc12 => legacy,
        Dialect::Enhanced => {
            let keeps = id.index() == 0 && !matches!(codec, Codec::H265(_));
            let multitrack = (id.index() != 0).then(|| id.index());
            match (legacy, fourcc(codec)) {
                (Some(Form::Script), _) => Some(Form::Script),
                (Some(form), _) if keeps => Some(form),
                (_, Some(fourcc)) => Some(Form::Extended { fourcc, multitrack }),
                (_, None) => None,
            }
        }
    }
}

fn legacy_form(codec: &Codec) -> Option<Form> {
    let format = match codec {
        Codec::H264(_) => return Some(Form::Video(legacy_codec::AVC)),
        Codec::H265(_) => return Some(Form::Video(legacy_codec::HEVC)),
        // A script tag holds AMF values and nothing else.
        Codec::Data(DataFormat::Amf0) => return Some(Form::Script),
        // Of AAC the header always says 44.1 kHz and stereo (E.4.2.1).
        Codec::Aac(_) => {
            return Some(Form::Audio(LegacyAudio { format: SoundFormat::AAC, rate: 3, stereo: true }));
        }
        Codec::Mp3(config) if config.sample_rate_hz == 8_000 => SoundFormat::MP3_8K,
        Codec::Mp3(_) => SoundFormat::MP3,
        // FLV knows no other rate of G.711, and no receiver could be told of one.
        Codec::G711(config) if config.sample_rate_hz != 8_000 => return None,
        Codec::G711(config) => match config.law {
            G711Law::A => SoundFormat::G711_A,
            G711Law::Mu => SoundFormat::G711_MU,
        },
        _ => return None,
    };
    // The nearest of four there are; MP3 frames carry their own.
    let rate = match codec.sample_rate_hz().unwrap_or_default() {
        0..=8_000 => 0,
        8_001..17_000 => 1,
        17_000..32_000 => 2,
        32_000.. => 3,
    };
    Some(Form::Audio(LegacyAudio { format, rate, stereo: codec.channels() == Some(2) }))
}

fn fourcc(codec: &Codec) -> Option<FourCc> {
    Some(match codec {
        Codec::H264(_) => FourCc::AVC,
        Codec::H265(_) => FourCc::HEVC,
        Codec::Av1(_) => FourCc::AV1,
        Codec::Vp9(_) => FourCc::VP9,
        Codec::Aac(_) => FourCc::AAC,
        Codec::Opus(_) => FourCc::OPUS,
        Codec::Mp3(_) => FourCc::MP3,
        Codec::Ac3(_) => FourCc::AC3,
        Codec::Eac3(_) => FourCc::EAC3,
        Codec::Flac(_) => FourCc::FLAC,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{G711Config, Mp3Config, OpusConfig};
    use crate::time::Timescale;
    use crate::track::Track;

    fn mp3(sample_rate_hz: u32) -> Codec {
        Codec::Mp3(Mp3Config { sample_rate_hz, channels: 2, frame_samples: 1152 })
    }

    fn opus() -> Codec {
        Codec::Opus(OpusConfig::new(2).unwrap())
    }

    fn tracks(list: Vec<(TrackId, Codec)>) -> Tracks {
        let track = |(id, codec)| Track { id, timescale: Timescale::MILLIS, codec };
        Tracks { list: list.into_iter().map(track).collect(), metadata: Vec::new() }
    }

    fn in_dialect(dialect: Dialect, list: Vec<(TrackId, Codec)>) -> Vec<(TrackId, Form)> {
        forms(&tracks(list), MuxOptions { dialect, ..MuxOptions::default() })
    }

    #[test]
    fn legacy_carries_the_first_track_it_can() {
        let list = vec![
            (TrackId::audio(2), mp3(44_100)),
            (TrackId::audio(1), mp3(8_000)),
            (TrackId::audio(0), opus()),
            (TrackId::data(0), Codec::Data(DataFormat::Amf0)),
        ];
        let first = Form::Audio(LegacyAudio { format: SoundFormat::MP3_8K, rate: 0, stereo: true });
        let expected = vec![(TrackId::audio(1), first), (TrackId::data(0), Form::Script)];
        assert_eq!(in_dialect(Dialect::Legacy, list), expected);
    }

    #[test]
    fn enhanced_carries_all_and_keeps_the_legacy_header_of_the_default_track() {
        let list = vec![
            (TrackId::audio(0), mp3(44_100)),
            (TrackId::audio(1), mp3(48_000)),
            (TrackId::audio(2), opus()),
        ];
        let extended = |fourcc, track| Form::Extended { fourcc, multitrack: Some(track) };
        let expected = vec![
            (TrackId::audio(0), Form::Audio(LegacyAudio { format: SoundFormat::MP3, rate: 3, stereo: true })),
            (TrackId::audio(1), extended(FourCc::MP3, 1)),
            (TrackId::audio(2), extended(FourCc::OPUS, 2)),
        ];
        assert_eq!(in_dialect(Dialect::Enhanced, list), expected);
        let single = Form::Extended { fourcc: FourCc::OPUS, multitrack: None };
        let list = vec![(TrackId::audio(0), opus())];
        assert_eq!(in_dialect(Dialect::Enhanced, list), vec![(TrackId::audio(0), single)]);
    }

    #[test]
    fn g711_is_carried_at_8_khz_and_as_the_default_track() {
        let g711 = |rate| Codec::G711(G711Config::new(G711Law::A, rate, 1).unwrap());
        let form = Form::Audio(LegacyAudio { format: SoundFormat::G711_A, rate: 0, stereo: false });
        for dialect in [Dialect::Legacy, Dialect::LegacyHevc12, Dialect::Enhanced] {
            let list = vec![(TrackId::audio(0), g711(8_000))];
            assert_eq!(in_dialect(dialect, list), vec![(TrackId::audio(0), form)]);
            assert_eq!(in_dialect(dialect, vec![(TrackId::audio(0), g711(16_000))]), vec![]);
        }
        assert_eq!(in_dialect(Dialect::Enhanced, vec![(TrackId::audio(1), g711(8_000))]), vec![]);
    }

    #[test]
    fn data_that_is_no_script_is_left_out() {
        for data in [DataFormat::Scte35, DataFormat::Id3] {
            for dialect in [Dialect::Legacy, Dialect::LegacyHevc12, Dialect::Enhanced] {
                assert_eq!(in_dialect(dialect, vec![(TrackId::data(0), Codec::Data(data))]), vec![]);
            }
        }
    }

    #[test]
    fn what_is_not_wanted_is_left_out() {
        let list = vec![(TrackId::audio(0), mp3(44_100)), (TrackId::data(0), Codec::Data(DataFormat::Amf0))];
        let options = MuxOptions { audio: false, ..MuxOptions::default() };
        assert_eq!(forms(&tracks(list), options), vec![(TrackId::data(0), Form::Script)]);
    }
}
