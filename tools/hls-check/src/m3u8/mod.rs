//! A tolerant reader of playlists: it reads what it can and lists what is wrong.

mod attribute;
mod date;
mod media;
mod multivariant;

pub(crate) use attribute::Attributes;
pub(crate) use date::parse_date;
pub(crate) use media::{MediaPlaylist, Part, Report, Segment, ServerControl, parts_duration};
pub(crate) use multivariant::Multivariant;

use crate::rule::{self, Rule};

/// A playlist longer than this is not read: some hundred thousand lines are past any live window.
pub(crate) const MAX_PLAYLIST_BYTES: usize = 16 << 20;

/// A whole number of microseconds: fine enough for EXTINF, and sums do not drift.
pub(crate) type Micros = i64;

pub(crate) const SECOND: Micros = 1_000_000;

/// What is wrong with the text, by itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    pub(crate) rule: &'static Rule,
    pub(crate) message: String,
}

/// A byte range of a resource: where it starts and how many bytes it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ByteRange {
    pub(crate) start: u64,
    pub(crate) length: u64,
}

/// The text of a playlist of either kind.
#[derive(Debug)]
pub(crate) enum Playlist {
    Media(Box<MediaPlaylist>),
    Multivariant(Multivariant),
}

/// Reads `body`. The problems of the encoding come first in the result.
pub(crate) fn parse(body: &[u8]) -> Playlist {
    let mut problems = Vec::new();
    let text = String::from_utf8_lossy(body);
    if matches!(text, std::borrow::Cow::Owned(_)) {
        problems.push(Problem { rule: rule::ENCODING, message: "the playlist is not UTF-8".to_owned() });
    }
    let text = text.strip_prefix('\u{feff}').map_or(text.as_ref(), |rest| {
        problems.push(Problem {
            rule: rule::ENCODING,
            message: "the playlist begins with a byte order mark".to_owned(),
        });
        rest
    });
    if let Some((number, control)) = text.lines().enumerate().find_map(|(number, line)| {
        line.chars().find(|c| c.is_control() && *c != '\t' && *c != '\r').map(|c| (number + 1, c))
    }) {
        problems.push(Problem {
            rule: rule::ENCODING,
            message: format!("line {number} holds the control character U+{:04X}", u32::from(control)),
        });
    }
    if text.lines().next().map(str::trim_end) != Some("#EXTM3U") {
        problems.push(Problem {
            rule: rule::NO_EXTM3U,
            message: format!("the first line is {:?}", brief(text.lines().next().unwrap_or_default())),
        });
    }
    let multivariant = tags(text).any(|(tag, _)| multivariant::TAGS.contains(&tag));
    let media = tags(text).find(|(tag, _)| media::TAGS.contains(tag));
    if multivariant {
        if let Some((tag, _)) = media {
            problems.push(Problem {
                rule: rule::MIXED_PLAYLIST,
                message: format!("a multivariant playlist holds {tag}"),
            });
        }
        Playlist::Multivariant(Multivariant::parse(text, problems))
    } else {
        Playlist::Media(Box::new(MediaPlaylist::parse(text, problems)))
    }
}

/// Tags of either kind of playlist.
const EITHER: &[&str] =
    &["EXTM3U", "EXT-X-VERSION", "EXT-X-INDEPENDENT-SEGMENTS", "EXT-X-START", "EXT-X-DEFINE"];

fn tags(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(split_tag)
}

/// Name and value of a tag line.
fn split_tag(line: &str) -> Option<(&str, &str)> {
    let tag = line.trim_end().strip_prefix('#').filter(|tag| tag.starts_with("EXT"))?;
    Some(tag.split_once(':').unwrap_or((tag, "")))
}

/// The beginning of a text that a server sent, short enough for a message.
pub(crate) fn brief(text: &str) -> String {
    const MOST: usize = 80;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST).chain(['…']).collect()
}

/// Seconds as they stand in a playlist.
fn parse_seconds(text: &str) -> Option<Micros> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds: f64 = text.parse().ok().filter(|_| plain)?;
    #[allow(clippy::cast_possible_truncation, reason = "bounded above; playlists count in seconds")]
    (seconds < 1e6).then(|| (seconds * 1e6).round() as Micros)
}

/// Microseconds as seconds for a message.
pub(crate) fn seconds(micros: Micros) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06} s", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_decimal_and_nothing_else() {
        assert_eq!(parse_seconds("1.5"), Some(1_500_000));
        assert_eq!(parse_seconds("6"), Some(6_000_000));
        for bad in ["", "-1", "1e3", "inf", "NaN", "1.2.3", "1000000"] {
            assert_eq!(parse_seconds(bad), None, "{bad}");
        }
        assert_eq!(seconds(-1_500_000), "-1.500000 s");
    }

    #[test]
    fn what_is_wrong_with_the_encoding_is_named() {
        for (body, rule) in [
            (&b"\xef\xbb\xbf#EXTM3U\n#EXT-X-TARGETDURATION:2\n"[..], rule::ENCODING),
            (b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n# \xff\n", rule::ENCODING),
            (b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n# \x07\n", rule::ENCODING),
            (b"\n#EXTM3U\n#EXT-X-TARGETDURATION:2\n", rule::NO_EXTM3U),
        ] {
            let Playlist::Media(playlist) = parse(body) else { panic!("no media playlist") };
            let rules: Vec<_> = playlist.problems.iter().map(|problem| problem.rule).collect();
            assert_eq!(rules, [rule], "{body:?}");
        }
    }

    #[test]
    fn the_two_kinds_do_not_mix() {
        let text =
            b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"mp4a.40.2\"\nv\n#EXT-X-TARGETDURATION:1\n";
        let Playlist::Multivariant(playlist) = parse(text) else { panic!("no multivariant playlist") };
        assert_eq!(playlist.problems.first().map(|problem| problem.rule), Some(rule::MIXED_PLAYLIST));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            parse(&body);
        }

        #[test]
        fn no_tags_make_it_panic(lines in proptest::collection::vec(
            "(#EXT-X-(TARGETDURATION|MEDIA-SEQUENCE|PART|SKIP|MAP|BYTERANGE|KEY|PART-INF|SERVER-CONTROL|PRELOAD-HINT|\
             RENDITION-REPORT|PROGRAM-DATE-TIME|STREAM-INF|MEDIA|DATERANGE):|#EXTINF:|)[A-Z0-9\":,=@.T-]{0,40}", 0..30)
        ) {
            parse(format!("#EXTM3U\n{}\n", lines.join("\n")).as_bytes());
        }
    }
}
