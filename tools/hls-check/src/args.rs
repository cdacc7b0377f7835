//! The command line.

use std::time::Duration;

use clap::Parser;

use crate::options::{LowLatency, Options};

/// Follows an HLS or Low-Latency HLS playlist like a player and checks it against RFC 8216 and
/// draft-pantos-hls-rfc8216bis. Ends with 0 when no MUST was broken, with 1 when one was, with 2 when it could not run.
#[derive(Debug, Parser)]
#[command(name = "hls-check", version)]
pub struct Args {
    /// URL of a multivariant or media playlist
    pub url: String,
    /// How long to follow it
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// Whether low latency is used, and asked for
    #[arg(long, value_enum, default_value = "auto")]
    pub low_latency: LowLatency,
    /// Media playlists of a multivariant playlist that are followed
    #[arg(long, default_value_t = 8)]
    pub max_renditions: usize,
    /// Do not verify certificates
    #[arg(long)]
    pub insecure: bool,
    /// Header field to send with every request
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub headers: Vec<(String, String)>,
    /// Rule whose breaches are not reported
    #[arg(long, value_name = "RULE")]
    pub allow: Vec<String>,
    /// Report as JSON
    #[arg(long)]
    pub json: bool,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header field is NAME: VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

impl From<Args> for Options {
    fn from(args: Args) -> Self {
        Self {
            url: args.url,
            duration: Duration::from_secs(args.seconds),
            low_latency: args.low_latency,
            max_renditions: args.max_renditions,
            insecure: args.insecure,
            headers: args.headers,
            allow: args.allow,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_becomes_options() {
        let args = Args::try_parse_from([
            "hls-check",
            "https://h/p.m3u8",
            "--seconds",
            "5",
            "--low-latency",
            "require",
            "--header",
            "A: b:c",
            "--allow",
            "http-1",
            "--insecure",
        ]);
        let options = Options::from(args.unwrap());
        assert_eq!(options.duration, Duration::from_secs(5));
        assert_eq!(options.low_latency, LowLatency::Require);
        assert_eq!(options.headers, [("A".to_owned(), "b:c".to_owned())]);
        assert_eq!(options.allow, ["http-1"]);
        assert!(options.insecure);
        assert!(Args::try_parse_from(["hls-check", "u", "--header", "nothing"]).is_err());
        assert!(Args::try_parse_from(["hls-check", "u", "--seconds", "0"]).is_err());
    }
}
