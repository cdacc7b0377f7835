//! The command line.

use std::path::PathBuf;

use clap::Parser;
use clap_complete::Shell;
use streamer_control::config::{LogFormat, LogLevel};
use streamer_daemon::args::{log_formats, log_levels};

const AFTER_HELP: &str = "\
Where the configuration comes from, the first that applies:
  --config FILE, TTSM_CONFIG, /usr/local/TiTopStreamer/conf/server.json, or the one embedded in
  the program. The ports of video on demand and of event messages stand in the engine's file:
  --engine-config FILE, TTS_CONFIG, engine.json beside the manager's, or the embedded one.

What it keeps: applications, source streams, forwards, users and tokens, in a database in the data
folder. Engine and manager share that folder: the secret by which each knows the other lies there.

Try it:
  ttsm &                          start the manager; the first start prints an administrator and a token
  tts                             start the engine, in any order: it finds the manager by itself

The first administrator has the password in TTSM_ADMIN_PASSWORD, or else a random one, which is printed
once and kept in the file initial-credentials of the data folder until the first login.

Signals: SIGHUP reads the configuration again; SIGTERM and SIGINT end connections and then the
process, a second one ends it at once. The engine goes on without the manager.

Exit codes: 0 clean end; 1 failure (a port or the data folder is taken, the database cannot be
used); 2 bad configuration.";

/// The manager: owns all configuration and policy, and tells the streaming engine.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "ttsm", version, after_help = AFTER_HELP)]
pub struct Args {
    /// Configuration file (server.json) [env: `TTSM_CONFIG`]
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The engine's configuration file (engine.json), for the ports of video on demand and events [env: `TTS_CONFIG`]
    #[arg(short, long, value_name = "FILE")]
    pub engine_config: Option<PathBuf>,
    /// Folder for state, the same as the engine's [env: `TTS_DATA_DIR`] [default: `data` beside `conf`, else under the
    /// XDG state folder]
    #[arg(short, long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Read and check the configuration, then exit
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
        let args = Args::try_parse_from(["ttsm", "-c", "s.json", "-e", "e.json", "--log-level", "debug"]);
        let args = args.unwrap();
        assert_eq!((args.config, args.engine_config), (Some("s.json".into()), Some("e.json".into())));
        assert_eq!(args.log_level, Some(LogLevel::Debug));
        assert!(Args::try_parse_from(["ttsm", "--completions", "abacus"]).is_err());
    }
}
