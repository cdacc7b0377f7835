//! The multivariant playlist, and bit rates against it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Faults, resolve};
use crate::m3u8::{Multivariant, brief};
use crate::rule;

/// What a multivariant playlist promised.
#[derive(Debug)]
pub(super) struct Presentation {
    playlists: Vec<String>,
    variants: Vec<Variant>,
    independent: bool,
    /// Peak segment bit rate of each media playlist so far.
    peaks: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Variant {
    playlist: String,
    bandwidth: u64,
    /// Playlists of each group: one of them is played beside the variant's own.
    groups: Vec<Vec<String>>,
}

impl Presentation {
    /// Reads what `playlist`, loaded from `base`, promises and says what is wrong with it.
    pub(super) fn new(base: &str, playlist: &Multivariant, faults: &mut Faults) -> Self {
        for problem in &playlist.problems {
            faults.push((problem.rule, problem.message.clone()));
        }
        groups(playlist, faults);
        let mut playlists: Vec<String> = Vec::new();
        let mut add = |uri: &str| {
            let url = resolve(base, uri)?;
            if !playlists.contains(&url) {
                playlists.push(url.clone());
            }
            Some(url)
        };
        let mut variants = Vec::new();
        for variant in &playlist.variants {
            codecs(&variant.uri, variant.codecs.as_deref(), faults);
            let Some(url) = add(&variant.uri) else { continue };
            let mut members = Vec::new();
            for (kind, group) in &variant.groups {
                let found: Vec<_> =
                    playlist.renditions.iter().filter(|r| r.kind == *kind && r.group == *group).collect();
                if found.is_empty() {
                    let message = format!(
                        "the variant {} names the {kind} group {:?}, which is not there",
                        brief(&variant.uri),
                        brief(group)
                    );
                    faults.push((rule::GROUP_MISSING, message));
                }
                let uris = found.iter().filter_map(|rendition| rendition.uri.as_deref());
                members.push(uris.filter_map(&mut add).filter(|member| *member != url).collect());
            }
            variants.push(Variant {
                playlist: url,
                bandwidth: variant.bandwidth.unwrap_or(u64::MAX),
                groups: members,
            });
        }
        Self { playlists, variants, independent: playlist.independent_segments, peaks: BTreeMap::new() }
    }

    pub(super) fn playlists(&self) -> &[String] {
        &self.playlists
    }

    pub(super) fn independent(&self) -> bool {
        self.independent
    }

    /// A segment of `playlist` was measured; `peak` is the highest rate of that playlist, in bits per second.
    pub(super) fn segment(&mut self, playlist: &str, peak: u64, faults: &mut Faults) {
        if self.peaks.insert(playlist.to_owned(), peak) == Some(peak) {
            return;
        }
        for variant in &self.variants {
            let groups = &variant.groups;
            if variant.playlist != playlist && !groups.iter().flatten().any(|member| member == playlist) {
                continue;
            }
            let peak = |url: &String| self.peaks.get(url).copied().unwrap_or(0);
            let beside: u64 = groups.iter().map(|group| group.iter().map(peak).max().unwrap_or(0)).sum();
            let rate = peak(&variant.playlist) + beside;
            if rate > variant.bandwidth.saturating_add(variant.bandwidth / 10) {
                faults.push((
                    rule::BANDWIDTH_EXCEEDED,
                    format!(
                        "a segment brings the variant {} to {rate} bit/s, its BANDWIDTH is {}",
                        brief(&variant.playlist),
                        variant.bandwidth
                    ),
                ));
            }
        }
    }
}

fn groups(playlist: &Multivariant, faults: &mut Faults) {
    let mut names = BTreeSet::new();
    let mut defaults = BTreeSet::new();
    for rendition in &playlist.renditions {
        let group = (rendition.kind.as_str(), rendition.group.as_str());
        if !names.insert((group, rendition.name.as_str())) {
            let message =
                format!("the group {:?} has two members named {:?}", brief(group.1), brief(&rendition.name));
            faults.push((rule::GROUP_MEMBERS, message));
        }
        if rendition.default && !defaults.insert(group) {
            faults.push((rule::GROUP_MEMBERS, format!("the group {:?} has two defaults", brief(group.1))));
        }
    }
}

fn codecs(variant: &str, codecs: Option<&str>, faults: &mut Faults) {
    let Some(codecs) = codecs else {
        faults.push((rule::CODECS_MISSING, format!("the variant {} names no CODECS", brief(variant))));
        return;
    };
    for codec in codecs.split(',') {
        if !well_formed(codec.trim()) {
            faults.push((
                rule::CODECS_MALFORMED,
                format!("the variant {} has the codec {:?}", brief(variant), brief(codec)),
            ));
        }
    }
}

/// Form of the identifiers that RFC 6381 and the codecs' own specifications define; others pass.
fn well_formed(codec: &str) -> bool {
    let mut fields = codec.split('.');
    let name = fields.next().unwrap_or_default();
    let fields: Vec<_> = fields.collect();
    let hex = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match name {
        "avc1" | "avc3" => matches!(&fields[..], [profile] if profile.len() == 6 && hex(profile)),
        "hvc1" | "hev1" => {
            fields.len() >= 3 && fields.get(2).is_some_and(|tier| tier.starts_with(['L', 'H']))
        }
        "mp4a" => fields.first().is_some_and(hex),
        "av01" | "vp09" => fields.len() >= 3,
        _ => name.len() == 4 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_of_codecs() {
        for good in [
            "avc1.64001f",
            "hvc1.1.6.L93.B0",
            "mp4a.40.2",
            "mp4a.6B",
            "av01.0.04M.08",
            "Opus",
            "ac-3",
            "fLaC",
            "stpp.ttml.im1t",
        ] {
            assert!(well_formed(good), "{good}");
        }
        for bad in ["", "avc1", "avc1.64", "h264", "mp4a", "hvc1.1", "av01", "aac lc"] {
            assert_eq!(well_formed(bad), bad == "h264", "{bad}");
        }
    }
}
