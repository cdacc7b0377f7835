//! Playlists of presentations: everything is known, so they never change (RFC 8216, and its second edition's `EXT-X-GAP`).

use std::fmt::Write;
use std::time::Duration;

use streamer_core::MediaKind;
use streamer_http::proto::hls::{Container, codec_string};

use super::presentation::{Part, Presentation, PresentedTrack, RenditionName};
use super::timeline::TrackCut;

/// Clock references that a transport stream has a second at most, and its two tables: what is not media.
const TS_CLOCKS_PER_SECOND: u64 = 25;
const TS_PACKET_BYTES: u64 = 188;
const TS_PAYLOAD_BYTES: u64 = 184;
/// Headers of a PES packet, an access unit delimiter, ADTS: what stands in front of a frame.
const TS_FRAME_BYTES: u64 = 32;
/// Packets that make counters end where they began, and the tables.
const TS_SEGMENT_PACKETS: u64 = 15 + 2;
/// Boxes of a fragment, and fields of a sample in them.
const FMP4_SEGMENT_BYTES: u64 = 160;
const FMP4_SAMPLE_BYTES: u64 = 16;

/// Bits per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// The largest rate of any run of segments that lasts between a half and one and a half target durations
    /// (RFC 8216, 4.1).
    pub peak_bps: u64,
    /// The average of all segments.
    pub average_bps: u64,
}

impl Rates {
    /// Measures segments by their bytes and durations.
    #[must_use]
    pub fn of(segments: &[(u64, Duration)], target: Duration) -> Self {
        let rate = |bytes: u64, duration: Duration| {
            let bits = u128::from(bytes) * 8_000_000;
            u64::try_from(bits.div_ceil(duration.as_micros().max(1))).unwrap_or(u64::MAX)
        };
        let all = segments
            .iter()
            .fold((0, Duration::ZERO), |(bytes, lasts), (more, longer)| (bytes + more, lasts + *longer));
        let average_bps = rate(all.0, all.1);
        let mut peak_bps = average_bps;
        for first in 0..segments.len() {
            let (mut bytes, mut lasts) = (0, Duration::ZERO);
            for (more, longer) in segments.iter().skip(first) {
                (bytes, lasts) = (bytes + more, lasts + *longer);
                if 2 * lasts > 3 * target {
                    break;
                }
                if 2 * lasts >= target {
                    peak_bps = peak_bps.max(rate(bytes, lasts));
                }
            }
        }
        Self { peak_bps, average_bps }
    }

    const fn with(self, other: Self) -> Self {
        Self {
            peak_bps: self.peak_bps.saturating_add(other.peak_bps),
            average_bps: self.average_bps.saturating_add(other.average_bps),
        }
    }
}

impl Presentation {
    /// `EXT-X-TARGETDURATION`, the same for all renditions.
    #[must_use]
    pub fn target_duration(&self) -> Duration {
        let longest = self
            .assets
            .iter()
            .flat_map(|asset| &asset.cuts)
            .flat_map(|cut| (0..cut.segments()).map(|segment| cut.duration(segment)))
            .max()
            .unwrap_or_default();
        Duration::from_secs(longest.as_secs_f64().ceil().max(1.0) as u64)
    }

    /// Segments of a rendition, by their durations; `None` for those in which there is nothing.
    fn segments(&self, name: RenditionName) -> Option<Vec<(Duration, bool)>> {
        if let Part::Text(index) = name.part {
            self.captions.get(usize::from(index)).filter(|_| name.asset == 0)?;
            let leading = self.assets.first()?.cuts.first()?;
            return Some((0..leading.segments()).map(|segment| (leading.duration(segment), true)).collect());
        }
        let carried = self.carried(name);
        let leading = carried.first()?.cut;
        let count = carried.iter().map(|track| track.cut.segments()).max()?;
        // Behind the end of the pictures the sound tells how long segments last.
        let duration = |segment: usize| {
            let cut = if segment < leading.segments() {
                leading
            } else {
                carried.last().map_or(leading, |track| track.cut)
            };
            cut.duration(segment)
        };
        let filled = |segment: usize| carried.iter().any(|track| track.cut.media_bytes(segment) > 0);
        Some((0..count).map(|segment| (duration(segment), filled(segment))).collect())
    }

    /// The media playlist of a rendition; `None` if there is none of this name.
    #[must_use]
    pub fn media_playlist(&self, name: RenditionName) -> Option<String> {
        let segments = self.segments(name)?;
        let (extension, has_map) = match name.part.container() {
            Some(Container::Ts) => ("ts", false),
            Some(Container::Fmp4) => ("m4s", true),
            None => ("vtt", false),
        };
        let has_gap = segments.iter().any(|(_, filled)| !filled);
        let version = if has_gap {
            8
        } else if has_map {
            6
        } else {
            3
        };
        let mut text = String::with_capacity(200 + 48 * segments.len());
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:0\n\
             #EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n",
            self.target_duration().as_secs()
        );
        if has_map {
            let _ = writeln!(text, "#EXT-X-MAP:URI=\"{:x}-init.mp4\"", self.version);
        }
        for (number, (duration, filled)) in segments.iter().enumerate() {
            if !filled {
                text.push_str("#EXT-X-GAP\n");
            }
            let _ =
                write!(text, "#EXTINF:{},\n{:x}-{number}.{extension}\n", seconds(*duration), self.version);
        }
        text.push_str("#EXT-X-ENDLIST\n");
        Some(text)
    }

    /// The multivariant playlist of the segments in `container`; `None` when that carries no track of the files.
    #[must_use]
    pub fn multivariant(&self, container: Container) -> Option<String> {
        let mut writer = Writer::new(self);
        for asset in 0..u8::try_from(self.assets.len()).unwrap_or(u8::MAX) {
            match container {
                Container::Ts => writer.transport_stream(asset),
                Container::Fmp4 => writer.fmp4(asset),
            }
        }
        writer.finish(container)
    }
}

/// Seconds with six decimals: exact to the microsecond.
fn seconds(duration: Duration) -> String {
    let micros = (duration.as_nanos() + 500) / 1_000;
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// Renditions of sound in one codec that take each other's place.
struct Group<'a> {
    id: String,
    codec: String,
    /// Each with its number among the audio tracks.
    tracks: Vec<(u8, PresentedTrack<'a>)>,
    rates: Rates,
}

struct Writer<'a> {
    presentation: &'a Presentation,
    target: Duration,
    media: String,
    variants: String,
    audio_only: Option<(Rates, String)>,
}

impl<'a> Writer<'a> {
    fn new(presentation: &'a Presentation) -> Self {
        let (media, variants) = (String::new(), String::new());
        Self { presentation, target: presentation.target_duration(), media, variants, audio_only: None }
    }

    fn groups(&self, asset: u8, container: Container) -> Vec<Group<'a>> {
        let mut groups: Vec<Group<'a>> = Vec::new();
        for (number, track) in (0..).zip(self.presentation.tracks(asset, MediaKind::Audio, container)) {
            let Some(codec) = codec_string(container, &track.index.codec) else { continue };
            let rates = self.rates(&[track], container);
            match groups.iter_mut().find(|group| group.codec == codec) {
                Some(group) => {
                    group.tracks.push((number, track));
                    group.rates = if rates.peak_bps > group.rates.peak_bps { rates } else { group.rates };
                }
                None => {
                    let id = format!("audio{asset}-{}", groups.len());
                    groups.push(Group { id, codec, tracks: vec![(number, track)], rates });
                }
            }
        }
        groups
    }

    /// What a rendition of these tracks takes.
    fn rates(&self, tracks: &[PresentedTrack<'_>], container: Container) -> Rates {
        let Some(leading) = tracks.first() else { return Rates::default() };
        let of = |segment: usize| {
            let lasts = leading.cut.duration(segment);
            let bytes = tracks.iter().map(|track| segment_bytes(track.cut, segment, lasts, container)).sum();
            (bytes, lasts)
        };
        Rates::of(&(0..leading.cut.segments()).map(of).collect::<Vec<_>>(), self.target)
    }

    fn transport_stream(&mut self, asset: u8) {
        let name = RenditionName { asset, part: Part::Ts };
        let carried = self.presentation.carried(name);
        let Some(first) = carried.first() else { return };
        let is_video = first.index.kind() == MediaKind::Video;
        let groups = self.groups(asset, Container::Ts);
        let own = self.rates(&carried, Container::Ts);
        // Tracks of the codec of the first one take its place, from playlists of their own.
        let group = groups.first().filter(|group| is_video && group.tracks.len() > 1);
        if let Some(group) = group {
            for (number, track) in &group.tracks {
                let name = RenditionName { asset, part: Part::TsAudio(*number) };
                self.alternative(group, track, *number == 0, (*number > 0).then_some(name));
            }
        }
        let line = self.variant(&carried, Container::Ts, own, group, name);
        self.variants.push_str(&line);
    }

    fn fmp4(&mut self, asset: u8) {
        let groups = self.groups(asset, Container::Fmp4);
        let mut has_video = false;
        let videos: Vec<_> =
            (0..).zip(self.presentation.tracks(asset, MediaKind::Video, Container::Fmp4)).collect();
        for (number, video) in videos {
            has_video = true;
            let name = RenditionName { asset, part: Part::Video(number) };
            let own = self.rates(&[video], Container::Fmp4);
            for group in &groups {
                let line = self.variant(&[video], Container::Fmp4, own.with(group.rates), Some(group), name);
                self.variants.push_str(&line);
            }
            if groups.is_empty() {
                let line = self.variant(&[video], Container::Fmp4, own, None, name);
                self.variants.push_str(&line);
            }
        }
        for group in &groups {
            let grouped = has_video || group.tracks.len() > 1;
            for (at, (number, track)) in group.tracks.iter().enumerate().filter(|_| grouped) {
                let name = RenditionName { asset, part: Part::Audio(*number) };
                self.alternative(group, track, at == 0, Some(name));
            }
            let Some((number, first)) = group.tracks.first() else { continue };
            let name = RenditionName { asset, part: Part::Audio(*number) };
            let line =
                self.variant(&[*first], Container::Fmp4, group.rates, Some(group).filter(|_| grouped), name);
            if !has_video {
                self.variants.push_str(&line);
            } else if self.audio_only.as_ref().is_none_or(|(held, _)| group.rates.peak_bps < held.peak_bps) {
                self.audio_only = Some((group.rates, line));
            }
        }
    }

    /// `EXT-X-MEDIA` of one rendition of a group; without a name it is in the variant itself.
    fn alternative(
        &mut self,
        group: &Group<'_>,
        track: &PresentedTrack<'_>,
        default: bool,
        name: Option<RenditionName>,
    ) {
        let language = track.index.language.map(language_tag);
        let number = track.index.id.index().saturating_add(1);
        let label = match &language {
            Some(language)
                if !self.media.contains(&format!("GROUP-ID=\"{}\",NAME=\"{language}\"", group.id)) =>
            {
                language.clone()
            }
            _ => format!("Audio {number}"),
        };
        let language = language.map(|language| format!(",LANGUAGE=\"{language}\"")).unwrap_or_default();
        let channels = track.index.codec.channels();
        let channels = channels.map(|channels| format!(",CHANNELS=\"{channels}\"")).unwrap_or_default();
        let default = if default { "YES" } else { "NO" };
        let uri = name.map(|name| format!(",URI=\"media/{name}/index.m3u8\"")).unwrap_or_default();
        let _ = writeln!(
            self.media,
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{}\",NAME=\"{label}\"{language},DEFAULT={default},AUTOSELECT=YES{channels}{uri}",
            group.id
        );
    }

    fn variant(
        &self,
        tracks: &[PresentedTrack<'_>],
        container: Container,
        rates: Rates,
        group: Option<&Group<'_>>,
        name: RenditionName,
    ) -> String {
        let mut codecs: Vec<String> = Vec::new();
        let own = tracks.iter().filter_map(|track| codec_string(container, &track.index.codec));
        for codec in own.chain(group.map(|group| group.codec.clone())) {
            if !codecs.contains(&codec) {
                codecs.push(codec);
            }
        }
        let mut line = format!(
            "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\"",
            rates.peak_bps,
            rates.average_bps,
            codecs.join(",")
        );
        let video = tracks.iter().find(|track| track.index.kind() == MediaKind::Video);
        if let Some(video) = video {
            if let Some(size) = video.index.codec.resolution() {
                let _ = write!(line, ",RESOLUTION={}x{}", size.width, size.height);
            }
            let _ = write!(line, ",FRAME-RATE={:.3}", video.index.rate());
        }
        if let Some(group) = group {
            let _ = write!(line, ",AUDIO=\"{}\"", group.id);
        }
        if !self.presentation.captions.is_empty() {
            line.push_str(",SUBTITLES=\"text\"");
        }
        format!("{line}\nmedia/{name}/index.m3u8\n")
    }

    fn finish(mut self, container: Container) -> Option<String> {
        if self.variants.is_empty() {
            return None;
        }
        for (number, text) in (0..).zip(&self.presentation.captions) {
            let name = RenditionName { asset: 0, part: Part::Text(number) };
            let label = text.language.as_deref().unwrap_or("Subtitles");
            let language = text.language.as_ref();
            let language = language.map(|language| format!(",LANGUAGE=\"{language}\"")).unwrap_or_default();
            let _ = writeln!(
                self.media,
                "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"text\",NAME=\"{label}\"{language},DEFAULT=NO,AUTOSELECT=YES,URI=\"media/{name}/index.m3u8\"",
            );
        }
        let version = if container == Container::Fmp4 { 6 } else { 4 };
        let mut text = format!("#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-INDEPENDENT-SEGMENTS\n");
        text.push_str(&self.media);
        text.push_str(&self.variants);
        text.push_str(self.audio_only.as_ref().map_or("", |(_, line)| line));
        Some(text)
    }
}

/// Bytes of a track in a segment, a little more than less.
fn segment_bytes(cut: &TrackCut, segment: usize, lasts: Duration, container: Container) -> u64 {
    let (bytes, samples) = (cut.media_bytes(segment), cut.samples(segment).len() as u64);
    match container {
        Container::Fmp4 => bytes + samples * FMP4_SAMPLE_BYTES + FMP4_SEGMENT_BYTES,
        Container::Ts => {
            // Half a packet of each frame is filled up.
            let packets =
                (bytes + samples * (TS_FRAME_BYTES + TS_PAYLOAD_BYTES / 2)).div_ceil(TS_PAYLOAD_BYTES);
            let clocks = lasts.as_secs().saturating_add(1) * TS_CLOCKS_PER_SECOND;
            (packets + clocks + TS_SEGMENT_PACKETS) * TS_PACKET_BYTES
        }
    }
}

/// The shortest tag of a language (BCP 47 asks for it), where it is one of the common ones.
#[must_use]
pub fn language_tag(code: [u8; 3]) -> String {
    let short = match &code {
        b"ara" => "ar",
        b"ces" | b"cze" => "cs",
        b"dan" => "da",
        b"deu" | b"ger" => "de",
        b"ell" | b"gre" => "el",
        b"eng" => "en",
        b"fas" | b"per" => "fa",
        b"fin" => "fi",
        b"fra" | b"fre" => "fr",
        b"heb" => "he",
        b"hin" => "hi",
        b"hun" => "hu",
        b"ind" => "id",
        b"ita" => "it",
        b"jpn" => "ja",
        b"kor" => "ko",
        b"msa" | b"may" => "ms",
        b"nld" | b"dut" => "nl",
        b"nor" => "no",
        b"pol" => "pl",
        b"por" => "pt",
        b"ron" | b"rum" => "ro",
        b"rus" => "ru",
        b"spa" => "es",
        b"swe" => "sv",
        b"tha" => "th",
        b"tur" => "tr",
        b"ukr" => "uk",
        b"vie" => "vi",
        b"zho" | b"chi" => "zh",
        _ => "",
    };
    if short.is_empty() { code.iter().map(|&letter| char::from(letter)).collect() } else { short.to_owned() }
}

#[cfg(test)]
mod tests;
