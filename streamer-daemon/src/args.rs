//! What the command lines of the daemons have in common: the words for levels and forms of the log.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use streamer_control::config::{LogFormat, LogLevel};

/// Reads a level of the log.
#[must_use]
pub fn log_levels() -> impl TypedValueParser<Value = LogLevel> {
    PossibleValuesParser::new(LogLevel::ALL.map(LogLevel::as_str))
        .map(|name| LogLevel::from_name(&name).unwrap_or_default())
}

/// Reads a form of the log.
#[must_use]
pub fn log_formats() -> impl TypedValueParser<Value = LogFormat> {
    PossibleValuesParser::new(LogFormat::ALL.map(LogFormat::as_str))
        .map(|name| LogFormat::from_name(&name).unwrap_or_default())
}
