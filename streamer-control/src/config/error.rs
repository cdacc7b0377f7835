//! Why a configuration file is refused.

use std::io;

use thiserror::Error;

/// Why a configuration file is refused. Shown, it is one sentence that begins with the file and the place.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{origin}: cannot be read: {source}")]
    Read {
        /// The file.
        origin: String,
        /// Why.
        source: io::Error,
    },
    /// The file is larger than any configuration.
    #[error("{origin}: {len} bytes: at most {max} are read")]
    TooLarge {
        /// The file.
        origin: String,
        /// Its bytes.
        len: u64,
        /// Most bytes read.
        max: u64,
    },
    /// It is no JSON, or a value is not what it should be.
    #[error("{origin}:{line}:{column}: {}{message}", prefix(.path))]
    Invalid {
        /// The file.
        origin: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The field, as `apps[0].app_name`; empty where the text is no JSON at all.
        path: String,
        /// What is wrong.
        message: String,
    },
}

fn prefix(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}
