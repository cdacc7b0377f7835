//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use clap_complete::Shell;
use streamer_control::config::{LogFormat, LogLevel};
use streamer_daemon::args::{log_formats, log_levels};

const AFTER_HELP: &str = "\
Where the configuration comes from, the first that applies:
  --config FILE, TTS_CONFIG, /usr/local/TiTopStreamer/conf/engine.json, or the one embedded in
  the program: an application `live` for RTMP pushes on the documented ports.

Try it:
  tts                                                             start; the output says what to do next
  ffmpeg -re -i in.mp4 -c copy -f flv rtmp://127.0.0.1/live/test  publish
  ffplay http://127.0.0.1:8080/live/test/play.flv                 play

Signals: SIGHUP reads the configuration and certificates again; SIGTERM and SIGINT end connections and
then the process, a second one ends it at once.

Exit codes: 0 clean end; 1 failure (a port or the data folder is taken, a path cannot
be written); 2 bad configuration.";

/// The streaming engine: RTMP in; RTMP, HTTP-FLV and WebSocket-FLV out.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "tts", version, after_help = AFTER_HELP)]
pub struct Args {
    /// Configuration file (engine.json) [env: `TTS_CONFIG`]
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder for state (API token, bound addresses) [env: `TTS_DATA_DIR`] [default: `data` beside `conf`, else
    /// under the XDG state folder]
    #[arg(short, long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Address of the manager's Config Server, over the configuration
    #[arg(long, value_name = "ADDRESS:PORT", env = "TTS_MANAGER")]
    pub manager: Option<SocketAddr>,
    /// Read and check the configuration and the certificates it names, then exit
    #[arg(long)]
    pub check: bool,
    /// Least urgent level to log, over the configuration
    #[arg(long, value_name = "LEVEL", value_parser = log_levels())]
    pub log_level: Option<LogLevel>,
    /// Form of the log, over the configuration: lines for people, or one JSON object a line
    #[arg(long, value_name = "FORMAT", value_parser = log_formats())]
    pub log_format: Option<LogFormat>,
    /// Write completions for a shell to standard output, then exit
    #[arg(long, value_name = "SHELL")]
    pub completions: Option<Shell>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound_and_read() {
        Args::command().debug_assert();
        let args = Args::try_parse_from([
            "tts",
            "-c",
            "x.json",
            "--manager",
            "[::1]:9",
            "--log-level",
            "debug",
            "--log-format",
            "json",
        ]);
        let args = args.unwrap();
        assert_eq!((args.config, args.manager), (Some("x.json".into()), "[::1]:9".parse().ok()));
        assert_eq!((args.log_level, args.log_format), (Some(LogLevel::Debug), Some(LogFormat::Json)));
        assert!(Args::try_parse_from(["tts", "--log-level", "loud"]).is_err());
    }
}
