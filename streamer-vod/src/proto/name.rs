//! Names of files below a root: decoded once, and refused when any part of one could lead elsewhere.

use std::fmt;

use percent_encoding::percent_decode_str;
use thiserror::Error;

/// Longest path, decoded: what a playlist line and a log line still hold.
pub const MAX_PATH_BYTES: usize = 1_024;
/// Longest component, which is what Linux' file systems hold.
pub const MAX_COMPONENT_BYTES: usize = 255;
/// Most components of a path: deeper libraries are mistakes, and each is a look-up.
pub const MAX_COMPONENTS: usize = 16;

/// What looks like a slash or backslash, and is taken for one by some file systems and some people.
const LOOKALIKE_SLASHES: [char; 11] = [
    '\u{2044}', '\u{2215}', '\u{2216}', '\u{29f5}', '\u{29f8}', '\u{29f9}', '\u{fe68}', '\u{ff0f}',
    '\u{ff3c}', '\u{1735}', '\u{2571}',
];

/// Why a text is no path below a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// Once decoded it is not UTF-8.
    #[error("the name is not UTF-8")]
    NotUtf8,
    /// A component is empty: the path begins or ends with a slash, or has two in a row.
    #[error("a part of the name is empty")]
    Empty,
    /// A component begins with a dot: `.`, `..` and hidden files.
    #[error("a part of the name begins with a dot")]
    Dot,
    /// It holds NUL, another control character, or one that reorders the text around it.
    #[error("the name holds a control character")]
    Control,
    /// It holds a backslash, an escaped slash, or a character that looks like one of them.
    #[error("the name holds a backslash or a disguised slash")]
    Slash,
    /// What is left after decoding once is escaped again.
    #[error("the name is escaped twice")]
    Escaped,
    /// Too long, or of too many components.
    #[error("the name has {value} {what}, the limit is {max}")]
    TooLong {
        /// `bytes`, `bytes in one part` or `parts`.
        what: &'static str,
        /// How many there are.
        value: usize,
        /// The bound.
        max: usize,
    },
}

/// A path below a root: components that are safe each by itself, with slashes between. The root is empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssetPath(String);

impl AssetPath {
    /// The root itself.
    #[must_use]
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// Reads a path as it stands, without escapes; empty for the root.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn new(path: &str) -> Result<Self, NameError> {
        if path.is_empty() {
            return Ok(Self::root());
        }
        within("bytes", path.len(), MAX_PATH_BYTES)?;
        within("parts", path.split('/').count(), MAX_COMPONENTS)?;
        path.split('/').try_for_each(check)?;
        Ok(Self(path.to_owned()))
    }

    /// Reads the path of a URL, without a slash in front. Each component is decoded once; an escaped slash does not
    /// divide components.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn from_url(path: &str) -> Result<Self, NameError> {
        // Three characters stand for one byte at most.
        within("bytes", path.len() / 3, MAX_PATH_BYTES)?;
        let mut decoded = String::with_capacity(path.len());
        for (index, component) in path.split('/').enumerate() {
            let component = percent_decode_str(component).decode_utf8().map_err(|_| NameError::NotUtf8)?;
            if component.contains('/') {
                return Err(NameError::Slash);
            }
            if index > 0 {
                decoded.push('/');
            }
            decoded.push_str(&component);
        }
        if decoded.is_empty() { Err(NameError::Empty) } else { Self::new(&decoded) }
    }

    /// The path, components with slashes between.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the root.
    #[must_use]
    pub const fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The components, none for the root.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|component| !component.is_empty())
    }

    /// The last component; empty for the root.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&*self.0, |(_, name)| name)
    }

    /// The folder that holds it; the root for the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned())
    }

    /// The file or folder called `name` in this folder.
    ///
    /// # Errors
    /// [`NameError`] when `name` is no component, or the path becomes too long.
    pub fn join(&self, name: &str) -> Result<Self, NameError> {
        check(name)?;
        Self::new(&if self.is_root() { name.to_owned() } else { format!("{}/{name}", self.0) })
    }

    /// The file name without its last extension.
    #[must_use]
    pub fn stem(&self) -> &str {
        self.file_name().rsplit_once('.').map_or(self.file_name(), |(stem, _)| stem)
    }

    /// The last extension in lower case; empty without one.
    #[must_use]
    pub fn extension(&self) -> String {
        self.file_name().rsplit_once('.').map_or_else(String::new, |(_, end)| end.to_ascii_lowercase())
    }
}

impl fmt::Display for AssetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const fn within(what: &'static str, value: usize, max: usize) -> Result<(), NameError> {
    if value > max { Err(NameError::TooLong { what, value, max }) } else { Ok(()) }
}

fn check(component: &str) -> Result<(), NameError> {
    if component.is_empty() {
        return Err(NameError::Empty);
    }
    within("bytes in one part", component.len(), MAX_COMPONENT_BYTES)?;
    if component.chars().any(is_control) {
        return Err(NameError::Control);
    }
    if component.contains(['/', '\\']) || component.contains(LOOKALIKE_SLASHES) {
        return Err(NameError::Slash);
    }
    if component.starts_with('.') {
        return Err(NameError::Dot);
    }
    let is_escape =
        |triple: &[u8]| matches!(triple, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    if component.as_bytes().windows(3).any(is_escape) {
        return Err(NameError::Escaped);
    }
    Ok(())
}

/// Control characters, line separators, and what is not seen but reorders or joins what is.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_leads_elsewhere_is_refused() {
        use NameError::{Control, Dot, Empty, Escaped, NotUtf8, Slash};
        for (path, why) in [
            ("", Empty),
            ("/a.mp4", Empty),
            ("a//b.mp4", Empty),
            ("a/", Empty),
            ("..", Dot),
            ("../a.mp4", Dot),
            ("a/../../b.mp4", Dot),
            ("a/./b.mp4", Dot),
            ("%2e%2e/a.mp4", Dot),
            (".hidden/a.mp4", Dot),
            (".uploads/1.part", Dot),
            ("%252e%252e%252fa.mp4", Escaped),
            ("%252e%252e/a.mp4", Escaped),
            ("a%255c..%255cb", Escaped),
            ("..%2fa.mp4", Slash),
            ("a%2Fb.mp4", Slash),
            ("%2Fetc%2Fpasswd", Slash),
            ("..%5c..%5cboot.ini", Slash),
            ("a\\b.mp4", Slash),
            ("a%e2%88%95b.mp4", Slash),
            ("a%ef%bc%8fb.mp4", Slash),
            ("a%e2%81%84b.mp4", Slash),
            ("a%ef%bc%bcb.mp4", Slash),
            ("a%00.mp4", Control),
            ("a.mp4%00.txt", Control),
            ("a%0d%0aX: y.mp4", Control),
            ("a%7f.mp4", Control),
            ("a%c2%85.mp4", Control),
            ("%e2%80%ae4pm.exe", Control),
            ("%c0%af..%c0%afa", NotUtf8),
            ("%ff.mp4", NotUtf8),
        ] {
            assert_eq!(AssetPath::from_url(path), Err(why), "{path}");
        }
    }

    #[test]
    fn names_that_people_give_are_taken() {
        for (url, path) in [
            ("a.mp4", "a.mp4"),
            ("movies/My%20film%20(1).MP4", "movies/My film (1).MP4"),
            ("%e7%94%b5%e5%bd%b1/%e4%b8%80.mp4", "电影/一.mp4"),
            ("100%25.mp4", "100%.mp4"),
            ("a..b/c...mp4", "a..b/c...mp4"),
            ("a+b&c;d=e~@'.mp4", "a+b&c;d=e~@'.mp4"),
        ] {
            assert_eq!(AssetPath::from_url(url).unwrap().as_str(), path);
        }
        let path = AssetPath::from_url("movies/My%20film%20(1).MP4").unwrap();
        assert_eq!(
            (path.file_name(), path.stem(), &*path.extension()),
            ("My film (1).MP4", "My film (1)", "mp4")
        );
        assert_eq!(path.parent().as_str(), "movies");
        assert_eq!(path.parent().parent(), AssetPath::root());
        assert_eq!(AssetPath::root().join("a").unwrap().join("b").unwrap().as_str(), "a/b");
        assert_eq!(AssetPath::root().join("a/b"), Err(NameError::Slash));
        assert_eq!(AssetPath::root().join(".."), Err(NameError::Dot));
    }

    #[test]
    fn lengths_at_their_limits() {
        let of = |len: usize| AssetPath::new(&"a".repeat(len));
        assert!(of(MAX_COMPONENT_BYTES).is_ok());
        assert!(matches!(
            of(MAX_COMPONENT_BYTES + 1),
            Err(NameError::TooLong { max: MAX_COMPONENT_BYTES, .. })
        ));
        let parts = |count: usize| AssetPath::new(&vec!["a"; count].join("/"));
        assert!(parts(MAX_COMPONENTS).is_ok());
        assert!(matches!(parts(MAX_COMPONENTS + 1), Err(NameError::TooLong { max: MAX_COMPONENTS, .. })));
        let long = |len: usize| AssetPath::new(&["a".repeat(200).as_str(); 10].join("/")[..len]);
        assert!(long(MAX_PATH_BYTES).is_ok());
        assert!(matches!(long(MAX_PATH_BYTES + 1), Err(NameError::TooLong { max: MAX_PATH_BYTES, .. })));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_taken_is_safe(text in "(/|%2[eEfF]|%5c|%25|%00|\\.|a|\\PC){0,12}") {
            for path in [AssetPath::new(&text), AssetPath::from_url(&text)].into_iter().flatten() {
                prop_assert!(!path.as_str().starts_with('/') && !path.as_str().contains(['\\', '\0']));
                prop_assert!(path.components().all(|part| !part.starts_with('.') && !part.contains('/')));
            }
        }
    }
}
