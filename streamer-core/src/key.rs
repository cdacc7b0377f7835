//! Names of applications and streams, valid by construction: safe in URLs, paths and logs.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// Longest application name in bytes: the documented system's own limit.
pub const MAX_APP_NAME_BYTES: usize = 40;
/// Shortest application name in bytes: the documented system's own limit.
pub const MIN_APP_NAME_BYTES: usize = 2;
/// Longest stream name in bytes: leaves room for suffixes within the 255 bytes of a file name.
pub const MAX_STREAM_NAME_BYTES: usize = 128;

/// Why a name is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// Shorter or longer than allowed.
    #[error("name of {len} bytes: {min} to {max} are allowed")]
    Length {
        /// Bytes of the name.
        len: usize,
        /// Fewest bytes allowed.
        min: usize,
        /// Most bytes allowed.
        max: usize,
    },
    /// A character outside the allowed set.
    #[error("character at byte {offset} is not allowed in a name")]
    Character {
        /// Where it stands.
        offset: usize,
    },
    /// A leading dot, which could name a hidden or a parent folder.
    #[error("a name must not begin with a dot")]
    LeadingDot,
    /// Not of the form `app/stream`.
    #[error("expected app/stream")]
    Form,
}

fn check(name: &str, min: usize, max: usize, allowed: fn(u8) -> bool) -> Result<(), NameError> {
    let len = name.len();
    if len < min || len > max {
        return Err(NameError::Length { len, min, max });
    }
    if name.starts_with('.') {
        return Err(NameError::LeadingDot);
    }
    match name.bytes().position(|byte| !allowed(byte)) {
        Some(offset) => Err(NameError::Character { offset }),
        None => Ok(()),
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $min:expr, $max:expr, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `name`.
            ///
            /// # Errors
            /// [`NameError`] when the length or a character is outside what the type allows.
            pub fn new(name: &str) -> Result<Self, NameError> {
                check(name, $min, $max, $allowed)?;
                Ok(Self(name.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type!(
    /// Name of an application: 2 to 40 of `A-Z a-z 0-9 - _`.
    AppName,
    MIN_APP_NAME_BYTES,
    MAX_APP_NAME_BYTES,
    |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
);

name_type!(
    /// Name of a stream within its application: 1 to 128 of `A-Z a-z 0-9 - _ . ~ @ + =`, no leading dot.
    StreamName,
    1,
    MAX_STREAM_NAME_BYTES,
    |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'@' | b'+' | b'=')
);

/// What names one live stream: its application and its name within it. Shown as `app/stream`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey {
    /// The application.
    pub app: AppName,
    /// The stream within the application.
    pub stream: StreamName,
}

impl StreamKey {
    /// Checks both names.
    ///
    /// # Errors
    /// [`NameError`] of the first name refused.
    pub fn new(app: &str, stream: &str) -> Result<Self, NameError> {
        Ok(Self { app: AppName::new(app)?, stream: StreamName::new(stream)? })
    }
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.app, self.stream)
    }
}

impl FromStr for StreamKey {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (app, stream) = text.split_once('/').ok_or(NameError::Form)?;
        Self::new(app, stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_at_their_limits() {
        assert!(AppName::new("ab").is_ok());
        assert!(AppName::new(&"a".repeat(MAX_APP_NAME_BYTES)).is_ok());
        assert!(matches!(AppName::new("a"), Err(NameError::Length { .. })));
        assert!(matches!(AppName::new(&"a".repeat(MAX_APP_NAME_BYTES + 1)), Err(NameError::Length { .. })));
        assert!(StreamName::new(&"s".repeat(MAX_STREAM_NAME_BYTES)).is_ok());
        assert!(matches!(
            StreamName::new(&"s".repeat(MAX_STREAM_NAME_BYTES + 1)),
            Err(NameError::Length { .. })
        ));
    }

    #[test]
    fn hostile_names_are_refused() {
        for name in ["..", ".hidden", "a/b", "a\\b", "a\0b", "<b>", "a b", "a\nb", "%2e", "ä", ""] {
            assert!(StreamName::new(name).is_err(), "{name:?}");
        }
        assert_eq!(AppName::new("li.ve"), Err(NameError::Character { offset: 2 }));
    }

    proptest! {
        #[test]
        fn a_key_reads_back_what_it_shows(app in "[A-Za-z0-9_-]{2,40}", stream in "[A-Za-z0-9_~@+=-][A-Za-z0-9_.~@+=-]{0,127}") {
            let key = StreamKey::new(&app, &stream).unwrap();
            prop_assert_eq!(key.to_string().parse::<StreamKey>().unwrap(), key);
        }

        #[test]
        fn any_accepted_name_is_safe_in_a_path_and_a_page(name in "\\PC{0,140}") {
            if let Ok(name) = StreamName::new(&name) {
                let forbidden = ['/', '\\', '<', '>', '&', '"', '\'', '\0', '%', '?', '#', ' '];
                prop_assert!(!name.as_str().contains(forbidden));
                prop_assert!(name.as_str() != ".." && name.as_str() != ".");
            }
        }
    }
}
