//! Multivariant playlists (clause 4.4.6).

use super::{Attributes, EITHER, Problem, brief, split_tag};
use crate::rule;

/// Tags that make a playlist a multivariant playlist.
pub(super) const TAGS: &[&str] = &[
    "EXT-X-MEDIA",
    "EXT-X-STREAM-INF",
    "EXT-X-I-FRAME-STREAM-INF",
    "EXT-X-SESSION-DATA",
    "EXT-X-SESSION-KEY",
    "EXT-X-CONTENT-STEERING",
];

/// A multivariant playlist.
#[derive(Clone, Debug, Default)]
pub(crate) struct Multivariant {
    pub(crate) variants: Vec<Variant>,
    pub(crate) renditions: Vec<Rendition>,
    pub(crate) independent_segments: bool,
    pub(crate) problems: Vec<Problem>,
}

/// EXT-X-STREAM-INF.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variant {
    pub(crate) uri: String,
    pub(crate) bandwidth: Option<u64>,
    pub(crate) codecs: Option<String>,
    /// Type and name of each group it names.
    pub(crate) groups: Vec<(&'static str, String)>,
}

/// EXT-X-MEDIA.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rendition {
    pub(crate) kind: String,
    pub(crate) group: String,
    pub(crate) name: String,
    pub(crate) uri: Option<String>,
    pub(crate) default: bool,
}

impl Multivariant {
    pub(super) fn parse(text: &str, problems: Vec<Problem>) -> Self {
        let mut playlist = Self { problems, ..Self::default() };
        let mut pending: Option<Variant> = None;
        let mut version = false;
        for line in text.lines() {
            let Some((tag, value)) = split_tag(line) else {
                let uri = line.trim();
                if !uri.is_empty() && !uri.starts_with('#') {
                    playlist.uri(uri, pending.take());
                }
                continue;
            };
            match tag {
                "EXT-X-STREAM-INF" => {
                    playlist.without_uri(pending.as_ref());
                    pending = Some(playlist.variant(tag, value));
                }
                "EXT-X-MEDIA" => playlist.rendition(tag, value),
                "EXT-X-INDEPENDENT-SEGMENTS" => playlist.independent_segments = true,
                "EXT-X-VERSION" => {
                    if version {
                        playlist.problem(rule::DUPLICATE_TAG, format!("{tag} appears more than once"));
                    }
                    version = true;
                }
                _ if TAGS.contains(&tag) => {
                    Attributes::parse(tag, value, &mut playlist.problems);
                }
                _ if EITHER.contains(&tag) || super::media::TAGS.contains(&tag) => {}
                _ => playlist
                    .problem(rule::UNKNOWN_TAG, format!("{} is no tag of the specification", brief(tag))),
            }
        }
        playlist.without_uri(pending.as_ref());
        playlist
    }

    fn problem(&mut self, rule: &'static rule::Rule, message: String) {
        self.problems.push(Problem { rule, message });
    }

    fn without_uri(&mut self, variant: Option<&Variant>) {
        if variant.is_some() {
            self.problem(rule::STREAM_INF_INCOMPLETE, "EXT-X-STREAM-INF is not followed by a URI".to_owned());
        }
    }

    fn uri(&mut self, uri: &str, variant: Option<Variant>) {
        match variant {
            Some(variant) => self.variants.push(Variant { uri: uri.to_owned(), ..variant }),
            None => self.problem(
                rule::STREAM_INF_INCOMPLETE,
                format!("the URI {} follows no EXT-X-STREAM-INF", brief(uri)),
            ),
        }
    }

    fn variant(&mut self, tag: &str, value: &str) -> Variant {
        let problems = &mut self.problems;
        let list = Attributes::parse(tag, value, problems);
        let bandwidth = list.integer("BANDWIDTH", problems);
        list.integer("AVERAGE-BANDWIDTH", problems);
        list.seconds("FRAME-RATE", problems);
        let codecs = list.quoted("CODECS", problems);
        let resolution = list.bare("RESOLUTION", problems).map(str::to_owned);
        let well_formed = |text: &String| {
            text.split_once('x')
                .is_some_and(|(width, height)| [width, height].iter().all(|side| side.parse::<u32>().is_ok()))
        };
        if let Some(resolution) = resolution.filter(|text| !well_formed(text)) {
            self.problem(
                rule::MALFORMED_TAG,
                format!("EXT-X-STREAM-INF has RESOLUTION={}", brief(&resolution)),
            );
        }
        let mut groups = Vec::new();
        for kind in ["AUDIO", "VIDEO", "SUBTITLES"] {
            groups.extend(list.quoted(kind, &mut self.problems).map(|group| (kind, group)));
        }
        if bandwidth.is_none() {
            self.problem(rule::STREAM_INF_INCOMPLETE, "EXT-X-STREAM-INF has no BANDWIDTH".to_owned());
        }
        Variant { uri: String::new(), bandwidth, codecs, groups }
    }

    fn rendition(&mut self, tag: &str, value: &str) {
        let problems = &mut self.problems;
        let list = Attributes::parse(tag, value, problems);
        let kind = list.bare("TYPE", problems).map(str::to_owned).unwrap_or_default();
        let group = list.required("GROUP-ID", problems).unwrap_or_default();
        let name = list.required("NAME", problems).unwrap_or_default();
        let uri = list.quoted("URI", problems);
        let default = list.yes("DEFAULT", true, problems);
        if !matches!(kind.as_str(), "AUDIO" | "VIDEO" | "SUBTITLES" | "CLOSED-CAPTIONS") {
            self.problem(rule::MALFORMED_TAG, format!("EXT-X-MEDIA has TYPE={}", brief(&kind)));
        }
        self.renditions.push(Rendition { kind, group, name, uri, default });
    }
}
