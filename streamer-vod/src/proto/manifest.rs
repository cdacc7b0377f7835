//! Lists of renditions that are one film: SMIL (W3C SMIL 3.0, what of it such lists use) and JSON.
//!
//! Files are named from the folder that the list lies in, and lie in it or below. In SMIL they are the `src` of
//! `video`, `audio` and `ref`, with `mp4:`, `flv:` or nothing in front; `textstream` names subtitles and their
//! `system-language`. JSON has `{"renditions": [{"src": "…"}], "subtitles": [{"src": "…", "language": "…"}]}`.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde::Deserialize;
use thiserror::Error;

use super::name::{AssetPath, NameError};
use super::presentation::{MAX_ASSETS, MAX_CAPTIONS};

/// Longest list: each name at its longest would fill it.
pub const MAX_MANIFEST_BYTES: usize = 64 << 10;
/// Elements within each other: a list has four.
pub const MAX_DEPTH: usize = 16;
/// Attributes of one element: encoders write some ten of a rendition.
pub const MAX_ATTRIBUTES: usize = 32;

/// Why a file is no list of renditions.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is not what its extension says.
    #[error("byte {offset}: {reason}")]
    Syntax {
        /// Where it was read to.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// A name in it is none that may be asked for.
    #[error("{name:?}: {source}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// It names no renditions.
    #[error("the list names no rendition")]
    Empty,
    /// More than a bound allows.
    #[error("{what}: {value}, the limit is {max}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        value: usize,
        /// The bound.
        max: usize,
    },
}

/// The files of a film.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Media files, played in place of each other.
    pub renditions: Vec<AssetPath>,
    /// Subtitles, and their language tags (BCP 47) where they are told.
    pub subtitles: Vec<(AssetPath, Option<String>)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    renditions: Vec<Rendition>,
    #[serde(default)]
    subtitles: Vec<Subtitles>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rendition {
    src: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subtitles {
    src: String,
    language: Option<String>,
}

impl Manifest {
    /// Reads the list `path`: JSON if its extension says so, SMIL otherwise.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn parse(path: &AssetPath, file: &[u8]) -> Result<Self, ManifestError> {
        within("bytes of a list", file.len(), MAX_MANIFEST_BYTES)?;
        let text = std::str::from_utf8(file)
            .map_err(|error| syntax(error.valid_up_to() as u64, "the list is not UTF-8"))?;
        let mut read = Self::default();
        let folder = path.parent();
        if path.extension() == "json" {
            read.json(&folder, text)?;
        } else {
            read.smil(&folder, text)?;
        }
        if read.renditions.is_empty() { Err(ManifestError::Empty) } else { Ok(read) }
    }

    fn json(&mut self, folder: &AssetPath, text: &str) -> Result<(), ManifestError> {
        let listed: Listed = serde_json::from_str(text).map_err(|error| syntax(0, &error))?;
        for Rendition { src } in listed.renditions {
            self.rendition(folder, &src)?;
        }
        for Subtitles { src, language } in listed.subtitles {
            self.subtitles(folder, &src, language)?;
        }
        Ok(())
    }

    fn smil(&mut self, folder: &AssetPath, text: &str) -> Result<(), ManifestError> {
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
        reader.config_mut().check_end_names = true;
        let (mut depth, mut roots) = (0_usize, 0_usize);
        loop {
            let event = reader.read_event();
            let offset = reader.buffer_position();
            let event = event.map_err(|error| syntax(offset, &error))?;
            match &event {
                Event::Start(element) | Event::Empty(element) => {
                    within("elements within each other", depth + 1, MAX_DEPTH)?;
                    if depth == 0 {
                        roots += 1;
                        if roots > 1 || element.local_name().as_ref() != b"smil" {
                            return Err(syntax(offset, "the list is not one element <smil>"));
                        }
                    }
                    self.element(folder, element, offset)?;
                    depth += usize::from(matches!(event, Event::Start(_)));
                }
                Event::End(_) => depth = depth.saturating_sub(1),
                // Entities may stand for anything, and for very much of it.
                Event::DocType(_) => return Err(syntax(offset, "a document type is not taken")),
                Event::Eof if depth > 0 => return Err(syntax(offset, "the list is cut off")),
                Event::Eof => return Ok(()),
                _ => {}
            }
        }
    }

    fn element(
        &mut self,
        folder: &AssetPath,
        element: &BytesStart<'_>,
        offset: u64,
    ) -> Result<(), ManifestError> {
        let (mut src, mut language) = (None, None);
        for (count, attribute) in element.attributes().enumerate() {
            within("attributes of one element", count + 1, MAX_ATTRIBUTES)?;
            let attribute = attribute.map_err(|error| syntax(offset, &error))?;
            let field = match attribute.key.as_ref() {
                b"src" => &mut src,
                b"system-language" | b"systemLanguage" => &mut language,
                _ => continue,
            };
            let value = attribute.unescape_value().map_err(|error| syntax(offset, &error))?;
            *field = Some(value.into_owned());
        }
        match (element.local_name().as_ref(), src) {
            (b"video" | b"audio" | b"ref", Some(src)) => self.rendition(folder, &src),
            (b"textstream", Some(src)) => self.subtitles(folder, &src, language),
            (b"video" | b"audio" | b"ref" | b"textstream", None) => {
                Err(syntax(offset, "a rendition without src"))
            }
            _ => Ok(()),
        }
    }

    fn rendition(&mut self, folder: &AssetPath, src: &str) -> Result<(), ManifestError> {
        within("renditions", self.renditions.len() + 1, MAX_ASSETS)?;
        let path = beneath(folder, src)?;
        // Lists name the one file for its pictures and for its sound.
        if !self.renditions.contains(&path) {
            self.renditions.push(path);
        }
        Ok(())
    }

    fn subtitles(
        &mut self,
        folder: &AssetPath,
        src: &str,
        language: Option<String>,
    ) -> Result<(), ManifestError> {
        within("subtitles", self.subtitles.len() + 1, MAX_CAPTIONS)?;
        self.subtitles.push((beneath(folder, src)?, language));
        Ok(())
    }
}

/// The file `src` in `folder` or below.
fn beneath(folder: &AssetPath, src: &str) -> Result<AssetPath, ManifestError> {
    let named = src.strip_prefix("mp4:").or_else(|| src.strip_prefix("flv:")).unwrap_or(src);
    let joined = if named.is_empty() {
        Err(NameError::Empty)
    } else {
        named.split('/').try_fold(folder.clone(), |path, part| path.join(part))
    };
    joined.map_err(|source| ManifestError::Name { name: src.chars().take(255).collect(), source })
}

fn syntax(offset: u64, reason: &(impl ToString + ?Sized)) -> ManifestError {
    ManifestError::Syntax { offset, reason: reason.to_string() }
}

const fn within(what: &'static str, value: usize, max: usize) -> Result<(), ManifestError> {
    if value > max { Err(ManifestError::Limit { what, value, max }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(name: &str, text: &str) -> Result<Manifest, ManifestError> {
        Manifest::parse(&AssetPath::new(name).unwrap(), text.as_bytes())
    }

    fn smil(inside: &str) -> Result<Manifest, ManifestError> {
        read("films/a.smil", &format!("<smil><body><switch>{inside}</switch></body></smil>"))
    }

    #[test]
    fn both_kinds_name_the_same() {
        let smil = read(
            "films/a.smil",
            "<?xml version=\"1.0\"?>\n<!-- a film --><smil title=\"\"><head/><body><switch>\
             <video height=\"720\" src=\"mp4:a/high &amp; wide.mp4\" systemLanguage=\"en\"><param name=\"x\" value=\"y\"/></video>\
             <audio src=\"a/high &#38; wide.mp4\"/><video src='low.ts'/>\
             <textstream src=\"a.vtt\" system-language=\"en\"/></switch></body></smil>\n",
        );
        let json = read(
            "films/a.json",
            r#"{"renditions":[{"src":"a/high & wide.mp4"},{"src":"low.ts"}],"subtitles":[{"src":"a.vtt","language":"en"}]}"#,
        );
        let path = |path| AssetPath::new(path).unwrap();
        let expected = Manifest {
            renditions: vec![path("films/a/high & wide.mp4"), path("films/low.ts")],
            subtitles: vec![(path("films/a.vtt"), Some("en".to_owned()))],
        };
        assert_eq!(smil.as_ref(), Ok(&expected));
        assert_eq!(json.as_ref(), Ok(&expected));
    }

    #[test]
    fn what_is_hostile_is_refused() {
        for text in [
            "<!DOCTYPE smil [<!ENTITY a \"b\">]><smil><video src=\"a.mp4\"/></smil>",
            "<smil><video src=\"a&b;.mp4\"/></smil>",
            "<smil><video src=\"a.mp4\"/>",
            "<smil><video src=\"a.mp4\"></smil>",
            "<smil><video src=\"a.mp4\" src=\"b.mp4\"/></smil>",
            "<smil/><smil><video src=\"a.mp4\"/></smil>",
            "<xml><video src=\"a.mp4\"/></xml>",
            "<smil><video/></smil>",
        ] {
            let refused = read("a.smil", text);
            assert!(matches!(refused, Err(ManifestError::Syntax { .. })), "{text}: {refused:?}");
        }
        for src in ["../a.mp4", "/etc/a.mp4", "http://host/a.mp4", ".hidden.mp4", "", "a\\b.mp4", "mp4:"] {
            let refused = smil(&format!("<video src=\"{src}\"/>"));
            assert!(matches!(refused, Err(ManifestError::Name { .. })), "{src}: {refused:?}");
        }
        assert_eq!(smil(""), Err(ManifestError::Empty));
        assert_eq!(read("a.json", r#"{"renditions":[]}"#), Err(ManifestError::Empty));
        for text in ["", "[]", r#"{"renditions":[{"src":1}]}"#, r#"{"renditions":[],"more":1}"#] {
            assert!(matches!(read("a.json", text), Err(ManifestError::Syntax { .. })), "{text}");
        }
    }

    fn limit<T>(result: &Result<T, ManifestError>) -> Option<&'static str> {
        if let Err(ManifestError::Limit { what, .. }) = result { Some(what) } else { None }
    }

    #[test]
    fn sizes_and_numbers_at_their_limits() {
        let video = |number| format!("<video src=\"{number}.mp4\"/>");
        let of = |count| smil(&(0..count).map(video).collect::<String>());
        assert_eq!(of(MAX_ASSETS).unwrap().renditions.len(), MAX_ASSETS);
        assert_eq!(limit(&of(MAX_ASSETS + 1)), Some("renditions"));
        let of = |count| smil(&(video(0) + &"<textstream src=\"a.vtt\"/>".repeat(count)));
        assert_eq!(of(MAX_CAPTIONS).unwrap().subtitles.len(), MAX_CAPTIONS);
        assert_eq!(limit(&of(MAX_CAPTIONS + 1)), Some("subtitles"));
        // Three are around them, and the rendition is one.
        let of = |count| smil(&("<par>".repeat(count) + &video(0) + &"</par>".repeat(count)));
        assert!(of(MAX_DEPTH - 4).is_ok());
        assert_eq!(limit(&of(MAX_DEPTH - 3)), Some("elements within each other"));
        let of = |count: usize| {
            let more: String = (1..count).map(|number| format!(" a{number}=\"\"")).collect();
            smil(&format!("<video src=\"a.mp4\"{more}/>"))
        };
        assert!(of(MAX_ATTRIBUTES).is_ok());
        assert_eq!(limit(&of(MAX_ATTRIBUTES + 1)), Some("attributes of one element"));
        let text = "<smil><video src=\"a.mp4\"/></smil>";
        let of = |count: usize| read("a.smil", &(text.to_owned() + &" ".repeat(count - text.len())));
        assert!(of(MAX_MANIFEST_BYTES).is_ok());
        assert_eq!(limit(&of(MAX_MANIFEST_BYTES + 1)), Some("bytes of a list"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), tags in "[<>/!&;\"= a-dsmilvo]{0,200}") {
            for name in ["a.smil", "a.json"] {
                let path = AssetPath::new(name).unwrap();
                let _ = Manifest::parse(&path, &bytes);
                let _ = Manifest::parse(&path, format!("<smil>{tags}").as_bytes());
            }
        }
    }
}
