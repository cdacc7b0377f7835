//! `streamer-load`: plays a stream of a streaming server many times over, and reports what that cost.
//!
//! One thread, so that it can be pinned to a core of its own while the server has another. Where it publishes the
//! stream itself, every frame carries a sequence number and its time of sending; a run in which any viewer missed
//! a frame, or any answer was wrong, prints no figures. Figures go to standard output as one line of JSON.
//! `scripts/bench` runs it against this server and its peers.

mod connection;
mod fanout;
mod figures;
mod hls;
mod http;
mod join;
mod load;
mod procfs;
mod publisher;
mod reception;
mod rtmp;
mod source;
mod stamp;
mod turns;

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use hls::{parts, poll};
use load::Protocol;
use publisher::Target;

/// Load generator for streaming servers: an RTMP publisher, many viewers, many pollers.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    target: TargetArgs,
    #[command(subcommand)]
    run: Run,
}

#[derive(Debug, Args)]
struct TargetArgs {
    /// Where the server takes and serves RTMP.
    #[arg(long, default_value = "127.0.0.1:1935")]
    rtmp: SocketAddr,
    /// Where the server serves HTTP-FLV, WebSocket-FLV and HLS.
    #[arg(long, default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    #[arg(long, default_value = "live")]
    app: String,
    #[arg(long, default_value = "fanout")]
    stream: String,
    /// Bitrate of the published stream, in bit/s.
    #[arg(long, default_value_t = 2_500_000, value_parser = clap::value_parser!(u64).range(500_000..=100_000_000))]
    bitrate: u64,
}

#[derive(Debug, Subcommand)]
enum Run {
    /// Many viewers at once: CPU and memory of the server, delay at the viewers.
    Fanout {
        #[arg(long)]
        protocol: Protocol,
        #[arg(long)]
        viewers: usize,
        /// Length of the measurement, in seconds.
        #[arg(long, default_value_t = 15)]
        seconds: u64,
        /// Process id of the server; without it there are no figures of CPU and memory.
        #[arg(long)]
        server_pid: Option<u32>,
    },
    /// Viewers one after another: time from connect to the first key frame.
    Join {
        #[arg(long)]
        protocol: Protocol,
        #[arg(long, default_value_t = 100)]
        joins: usize,
    },
    /// Pollers of HLS segments or of a playlist, which someone else publishes: CPU of the server, answers a second.
    Poll {
        /// Path of a media playlist.
        #[arg(long)]
        playlist: String,
        #[arg(long)]
        what: poll::What,
        #[arg(long)]
        pollers: usize,
        /// Length of the measurement, in seconds.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Process id of the server; without it there are no figures of CPU and memory.
        #[arg(long)]
        server_pid: Option<u32>,
    },
    /// Low-Latency HLS players with blocking reloads: from the send of a part's last frame to the answer.
    Parts {
        /// Path of the media playlist of video [default: /{app}/{stream}/media/video0/index.m3u8].
        #[arg(long)]
        playlist: Option<String>,
        #[arg(long)]
        waiters: usize,
        /// Length of the measurement, in seconds.
        #[arg(long, default_value_t = 15)]
        seconds: u64,
        /// Process id of the server; without it there are no figures of CPU and memory.
        #[arg(long)]
        server_pid: Option<u32>,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "streamer-load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), Box<dyn Error>> {
    let TargetArgs { rtmp, http, app, stream, bitrate } = cli.target;
    let target = Target { rtmp, http, app, stream, bitrate };
    let figures = match cli.run {
        Run::Fanout { protocol, viewers, seconds, server_pid } => {
            let duration = Duration::from_secs(seconds);
            let plan = fanout::Plan { protocol, viewers, duration, server_pid };
            serde_json::to_string(&fanout::run(target, &plan)?)?
        }
        Run::Poll { playlist, what, pollers, seconds, server_pid } => {
            let duration = Duration::from_secs(seconds);
            let plan = poll::Plan { http, playlist, what, pollers, duration, server_pid };
            serde_json::to_string(&poll::run(&plan)?)?
        }
        Run::Parts { playlist, waiters, seconds, server_pid } => {
            let duration = Duration::from_secs(seconds);
            let of_video = || format!("/{}/{}/media/video0/index.m3u8", target.app, target.stream);
            let plan =
                parts::Plan { playlist: playlist.unwrap_or_else(of_video), waiters, duration, server_pid };
            serde_json::to_string(&parts::run(&target, &plan)?)?
        }
        Run::Join { protocol, joins } => serde_json::to_string(&join::run(target, protocol, joins)?)?,
    };
    writeln!(io::stdout(), "{figures}")?;
    Ok(())
}
