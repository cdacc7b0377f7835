//! The multivariant playlist (RFC 8216, 4.3.4) as a pure function of the presentations it leads to.

use std::fmt::Write;

use streamer_core::{Codec, MediaKind};

use super::name::Container;
use super::presentation::{Presentation, Rendition};
use super::rate::Rates;

/// One stream of a multivariant playlist; several make an adaptive one.
#[derive(Clone, Copy, Debug)]
pub struct VariantStream<'a> {
    /// What stands between the playlist and `media/`: empty, or `../other-stream/`.
    pub prefix: &'a str,
    /// What is made of it.
    pub presentation: &'a Presentation,
}

/// The multivariant playlist of `streams`, with `query` (empty, or a query string with its question mark)
/// behind each URI. Video variants come first in the order of the streams; where they have their audio in
/// groups, the leanest audio follows as a variant of its own.
///
/// `None` when no stream has a rendition with tracks.
#[must_use]
pub fn multivariant(streams: &[VariantStream<'_>], query: &str) -> Option<String> {
    let mut writer = Writer::default();
    for (number, stream) in streams.iter().enumerate() {
        writer.stream(number, *stream, query);
    }
    writer.finish(streams)
}

/// Audio renditions of one codec that take each other's place.
struct Group<'a> {
    id: String,
    codec: String,
    renditions: Vec<&'a Rendition>,
    /// Of the one with the highest rate.
    rates: Rates,
}

#[derive(Default)]
struct Writer {
    media: String,
    variants: String,
    /// Rates and lines of the audio that is offered alone.
    audio_only: Option<(Rates, String)>,
}

impl Writer {
    fn stream(&mut self, number: usize, stream: VariantStream<'_>, query: &str) {
        let uri =
            |rendition: &Rendition| format!("{}media/{}/index.m3u8{query}", stream.prefix, rendition.id);
        let all = &stream.presentation.renditions;
        // A track that vanished from a stream that goes on is not for new players.
        let is_over = all.iter().all(|rendition| rendition.window.ended);
        let is_offered = |rendition: &&Rendition| is_over || !rendition.window.ended;
        let renditions = || all.iter().filter(is_offered).filter(|rendition| !codecs(rendition).is_empty());
        if stream.presentation.container == Container::Ts {
            for rendition in renditions() {
                self.variants.push_str(&variant(
                    rendition,
                    Rates::of(&rendition.window),
                    None,
                    &uri(rendition),
                ));
            }
            return;
        }
        let groups =
            groups(number, renditions().filter(|rendition| kind(rendition) == Some(MediaKind::Audio)));
        let mut has_video = false;
        for video in renditions().filter(|rendition| kind(rendition) == Some(MediaKind::Video)) {
            has_video = true;
            let own = Rates::of(&video.window);
            for group in &groups {
                let line = variant(video, own.with(group.rates), Some(group), &uri(video));
                self.variants.push_str(&line);
            }
            if groups.is_empty() {
                self.variants.push_str(&variant(video, own, None, &uri(video)));
            }
        }
        for group in &groups {
            // A single sound without pictures is a variant and needs no group.
            let grouped = has_video || group.renditions.len() > 1;
            for (index, rendition) in group.renditions.iter().enumerate().filter(|_| grouped) {
                self.alternative(group, rendition, index == 0, &uri(rendition));
            }
            let Some(first) = group.renditions.first() else { continue };
            let line = variant(first, group.rates, Some(group).filter(|_| grouped), &uri(first));
            if !has_video {
                self.variants.push_str(&line);
            } else if self.audio_only.as_ref().is_none_or(|(held, _)| group.rates.peak_bps < held.peak_bps) {
                self.audio_only = Some((group.rates, line));
            }
        }
    }

    /// `EXT-X-MEDIA` of one rendition of a group.
    fn alternative(&mut self, group: &Group<'_>, rendition: &Rendition, default: bool, uri: &str) {
        let channels = rendition.tracks.first().and_then(|track| track.codec.channels());
        let channels = channels.map(|channels| format!(",CHANNELS=\"{channels}\"")).unwrap_or_default();
        let default = if default { "YES" } else { "NO" };
        let name = rendition.tracks.first().map_or(0, |track| track.id.index()).saturating_add(1);
        // Writing to a string does not fail.
        let _ = writeln!(
            self.media,
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{}\",NAME=\"Audio {name}\",DEFAULT={default},AUTOSELECT=YES{channels},URI=\"{uri}\"",
            group.id
        );
    }

    fn finish(self, streams: &[VariantStream<'_>]) -> Option<String> {
        if self.variants.is_empty() {
            return None;
        }
        let renditions = || streams.iter().flat_map(|stream| &stream.presentation.renditions);
        let mut text = String::from("#EXTM3U\n");
        let has_map = renditions().any(|rendition| rendition.id.container() == Container::Fmp4);
        text.push_str(if has_map { "#EXT-X-VERSION:6\n" } else { "#EXT-X-VERSION:3\n" });
        if renditions().all(|rendition| rendition.window.independent) {
            text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
        }
        text.push_str(&self.media);
        text.push_str(&self.variants);
        text.push_str(self.audio_only.as_ref().map_or("", |(_, line)| line));
        Some(text)
    }
}

/// `EXT-X-STREAM-INF` and its URI.
fn variant(rendition: &Rendition, rates: Rates, group: Option<&Group<'_>>, uri: &str) -> String {
    let mut codecs = codecs(rendition);
    if let Some(group) = group
        && !codecs.contains(&group.codec)
    {
        codecs.push(group.codec.clone());
    }
    let mut line = format!(
        "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\"",
        rates.peak_bps,
        rates.average_bps,
        codecs.join(",")
    );
    let codec = rendition.tracks.iter().find(|track| track.codec.kind() == MediaKind::Video);
    if let Some(codec) = codec.map(|track| &track.codec) {
        if let Some(size) = codec.resolution() {
            let _ = write!(line, ",RESOLUTION={}x{}", size.width, size.height);
        }
        if let Some(rate) = codec.frame_rate() {
            let _ =
                write!(line, ",FRAME-RATE={:.3}", f64::from(rate.numerator) / f64::from(rate.denominator));
        }
    }
    if let Some(group) = group {
        let _ = write!(line, ",AUDIO=\"{}\"", group.id);
    }
    format!("{line}\n{uri}\n")
}

fn groups<'a>(stream: usize, audio: impl Iterator<Item = &'a Rendition>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for rendition in audio {
        let Some(codec) = codecs(rendition).into_iter().next() else { continue };
        let rates = Rates::of(&rendition.window);
        match groups.iter_mut().find(|group| group.codec == codec) {
            Some(group) => {
                group.renditions.push(rendition);
                if rates.peak_bps > group.rates.peak_bps {
                    group.rates = rates;
                }
            }
            None => {
                let id = format!("audio{stream}-{}", groups.len());
                groups.push(Group { id, codec, renditions: vec![rendition], rates });
            }
        }
    }
    groups
}

/// What a decoder must know (RFC 6381), each once.
fn codecs(rendition: &Rendition) -> Vec<String> {
    let mut codecs: Vec<String> = Vec::new();
    for codec in
        rendition.tracks.iter().filter_map(|track| codec_string(rendition.id.container(), &track.codec))
    {
        if !codecs.contains(&codec) {
            codecs.push(codec);
        }
    }
    codecs
}

/// Names `codec` as a track of `container` (RFC 6381).
///
/// MP3 has an object type of its own in MP4 (ISO/IEC 14496-1, table 5), by which browsers know it.
#[must_use]
pub fn codec_string(container: Container, codec: &Codec) -> Option<String> {
    match (container, codec) {
        (Container::Fmp4, Codec::Mp3(config)) => {
            Some(if config.sample_rate_hz < 32_000 { "mp4a.69" } else { "mp4a.6B" }.to_owned())
        }
        _ => codec.rfc6381(),
    }
}

fn kind(rendition: &Rendition) -> Option<MediaKind> {
    rendition.tracks.first().map(|track| track.codec.kind())
}

#[cfg(test)]
mod tests {
    use super::super::name::RenditionId;
    use super::super::sample::{audio, fmp4, ts, window};
    use super::*;

    fn of(presentation: &Presentation) -> String {
        multivariant(&[VariantStream { prefix: "", presentation }], "").unwrap()
    }

    #[test]
    fn a_transport_stream_is_one_variant() {
        assert_eq!(
            of(&ts(window(&[2_000; 4]))),
            "#EXTM3U\n\
             #EXT-X-VERSION:3\n\
             #EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-STREAM-INF:BANDWIDTH=1250000,AVERAGE-BANDWIDTH=1000000,CODECS=\"avc1.64001e,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=25.000\n\
             media/ts/index.m3u8\n"
        );
    }

    #[test]
    fn fmp4_has_its_audio_in_a_group_and_alone_at_last() {
        assert_eq!(
            of(&fmp4(&window(&[2_000; 4]))),
            "#EXTM3U\n\
             #EXT-X-VERSION:6\n\
             #EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio0-0\",NAME=\"Audio 1\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"media/audio0/index.m3u8\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=2500000,AVERAGE-BANDWIDTH=2000000,CODECS=\"avc1.64001e,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=25.000,AUDIO=\"audio0-0\"\n\
             media/video0/index.m3u8\n\
             #EXT-X-STREAM-INF:BANDWIDTH=1250000,AVERAGE-BANDWIDTH=1000000,CODECS=\"mp4a.40.2\",AUDIO=\"audio0-0\"\n\
             media/audio0/index.m3u8\n"
        );
    }

    #[test]
    fn pictures_alone_and_sound_alone_need_no_group() {
        let whole = fmp4(&window(&[2_000; 4]));
        for kept in [RenditionId::Video(0), RenditionId::Audio(0)] {
            let mut part = whole.clone();
            part.renditions.retain(|rendition| rendition.id == kept);
            let text = of(&part);
            assert!(!text.contains("AUDIO") && text.matches("STREAM-INF").count() == 1, "{text}");
            assert!(text.ends_with(&format!("media/{kept}/index.m3u8\n")));
        }
    }

    #[test]
    fn sounds_of_one_codec_are_alternatives() {
        let mut presentation = fmp4(&window(&[2_000; 4]));
        let mut second = presentation.renditions[1].clone();
        (second.id, second.tracks) = (RenditionId::Audio(1), vec![audio(1)]);
        presentation.renditions.push(second);
        let text = of(&presentation);
        assert!(
            text.contains("NAME=\"Audio 1\",DEFAULT=YES") && text.contains("NAME=\"Audio 2\",DEFAULT=NO")
        );
        assert_eq!(text.matches("STREAM-INF").count(), 2);
    }

    #[test]
    fn streams_tied_together_are_variants_of_one_playlist() {
        let (large, small) = (fmp4(&window(&[2_000; 4])), fmp4(&window(&[2_000; 40])));
        let streams = [("../high/", &large), ("../low/", &small)]
            .map(|(prefix, presentation)| VariantStream { prefix, presentation });
        let text = multivariant(&streams, "?pass=1").unwrap();
        for line in ["../high/media/video0/index.m3u8?pass=1", "../low/media/video0/index.m3u8?pass=1"] {
            assert!(text.lines().any(|held| held == line), "{text}");
        }
        assert!(text.contains("GROUP-ID=\"audio0-0\"") && text.contains("GROUP-ID=\"audio1-0\""));
        assert_eq!(text.matches("STREAM-INF").count(), 3, "one sound alone");
    }

    #[test]
    fn a_track_that_vanished_is_not_offered() {
        let mut presentation = fmp4(&window(&[2_000; 4]));
        presentation.renditions[1].window.ended = true;
        assert!(!of(&presentation).contains("audio0"));
        presentation.renditions[0].window.ended = true;
        assert!(of(&presentation).contains("audio0"), "the whole stream is over");
    }

    #[test]
    fn mp3_is_named_as_its_container_names_it() {
        use streamer_core::codec::Mp3Config;
        let mp3 =
            |sample_rate_hz| Codec::Mp3(Mp3Config { sample_rate_hz, channels: 2, frame_samples: 1_152 });
        assert_eq!(codec_string(Container::Ts, &mp3(44_100)).as_deref(), Some("mp4a.40.34"));
        assert_eq!(codec_string(Container::Fmp4, &mp3(32_000)).as_deref(), Some("mp4a.6B"));
        assert_eq!(codec_string(Container::Fmp4, &mp3(24_000)).as_deref(), Some("mp4a.69"));
    }

    #[test]
    fn without_tracks_there_is_no_playlist() {
        assert_eq!(multivariant(&[], ""), None);
        let empty = Presentation::new(Container::Fmp4);
        assert_eq!(multivariant(&[VariantStream { prefix: "", presentation: &empty }], ""), None);
    }
}
