//! `streamer-load`: plays a stream of a streaming server many times over, and reports what that cost.
//!
//! One thread (of a soak two), so that it can be pinned to a core of its own while the server has another. Where it publishes the
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
mod plain;
mod procfs;
mod publish;
mod publisher;
mod reception;
mod rtmp;
mod soak;
mod source;
mod stamp;
mod turns;

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use hls::{first, parts, poll};
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
    /// Path of the HTTP-FLV stream [default: /{app}/{stream}/play.flv].
    #[arg(long)]
    flv_path: Option<String>,
    /// Bitrate of the published stream, in bit/s.
    #[arg(long, default_value_t = 2_500_000, value_parser = clap::value_parser!(u64).range(200_000..=100_000_000))]
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
        /// Viewers that join each second [default: as fast as they are let in].
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        join_rate: Option<u32>,
        /// Viewers besides that read nothing after their first picture.
        #[arg(long, default_value_t = 0)]
        stalled: usize,
        /// Viewers besides that read 1 Mbit/s.
        #[arg(long, default_value_t = 0)]
        slow: usize,
        /// Acknowledge received bytes at once (`TCP_QUICKACK`).
        #[arg(long)]
        quick_ack: bool,
        /// Length of the measurement, in seconds.
        #[arg(long, default_value_t = 15)]
        seconds: u64,
        /// Process ids of the server; without them there are no figures of CPU and memory.
        #[arg(long, value_delimiter = ',')]
        server_pids: Vec<u32>,
    },
    /// The plain program: no load, but what servers are compared with. Takes FLV where the others' RTMP would be, and
    /// passes its tags on to whoever connects where their HTTP would be.
    Plain {
        /// How long tags are gathered before they are written, in milliseconds; 0 writes each at once.
        #[arg(long, default_value_t = 0)]
        window_ms: u64,
    },
    /// Viewers one after another: time from connect to the first key frame.
    Join {
        #[arg(long)]
        protocol: Protocol,
        #[arg(long, default_value_t = 100)]
        joins: usize,
        /// Viewers that watch meanwhile.
        #[arg(long, default_value_t = 0)]
        watching: usize,
    },
    /// Many publishers whom nobody watches: CPU and memory of the server.
    Publish {
        #[arg(long)]
        publishers: usize,
        /// Length of the measurement, in seconds.
        #[arg(long, default_value_t = 15)]
        seconds: u64,
        /// Process ids of the server; without them there are no figures of CPU and memory.
        #[arg(long, value_delimiter = ',')]
        server_pids: Vec<u32>,
    },
    /// Pollers of HLS segments or of a playlist, which someone else publishes: CPU of the server, answers a second.
    Poll {
        /// Path of a media playlist.
        #[arg(long)]
        playlist: String,
        #[arg(long)]
        what: poll::What,
        /// How many of the newest segments are asked for in turn.
        #[arg(long, default_value_t = 4)]
        segments: usize,
        #[arg(long)]
        pollers: usize,
        /// Length of the measurement, in seconds.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Process ids of the server; without them there are no figures of CPU and memory.
        #[arg(long, value_delimiter = ',')]
        server_pids: Vec<u32>,
    },
    /// A player of HLS that begins at the first segment: how long until it has that.
    First {
        /// Path of a multivariant playlist, or of a media playlist.
        #[arg(long)]
        playlist: String,
    },
    /// Guests of all kinds, well and badly behaved, who come and go around a steady stream whose viewers lose nothing.
    Soak {
        /// How long guests come, in seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Publishers of a few frames that come each second.
        #[arg(long, default_value_t = 50.0, value_parser = per_second)]
        publishers_per_s: f64,
        /// Viewers of all protocols that come each second.
        #[arg(long, default_value_t = 300.0, value_parser = per_second)]
        viewers_per_s: f64,
        /// Folders of inputs that are sent as they are.
        #[arg(long, required = true, num_args = 1..)]
        inputs: Vec<PathBuf>,
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
        /// Process ids of the server; without them there are no figures of CPU and memory.
        #[arg(long, value_delimiter = ',')]
        server_pids: Vec<u32>,
    },
}

/// Something that happens at least now and then, and no more often than anybody can look at.
fn per_second(text: &str) -> Result<f64, String> {
    let rate = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.01..=10_000.0).contains(&rate) { Ok(rate) } else { Err("from 0.01 to 10000".to_owned()) }
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
    let TargetArgs { rtmp, http, app, stream, flv_path, bitrate } = cli.target;
    let flv_path = flv_path.unwrap_or_else(|| format!("/{app}/{stream}/play.flv"));
    let plain = matches!(
        cli.run,
        Run::Fanout { protocol: Protocol::Plain, .. } | Run::Join { protocol: Protocol::Plain, .. }
    );
    let target = Target { rtmp, http, app, stream, flv_path, bitrate, plain };
    let figures = match cli.run {
        Run::Fanout { protocol, viewers, join_rate, stalled, slow, quick_ack, seconds, server_pids } => {
            let duration = Duration::from_secs(seconds);
            let plan = fanout::Plan {
                protocol,
                viewers,
                join_rate,
                stalled,
                slow,
                quick_ack,
                duration,
                server_pids,
            };
            serde_json::to_string(&fanout::run(target, &plan)?)?
        }
        Run::Plain { window_ms } => {
            let window = Duration::from_millis(window_ms);
            return Ok(plain::run(&plain::Plan { publish: rtmp, play: http, window })?);
        }
        Run::Poll { playlist, what, segments, pollers, seconds, server_pids } => {
            let duration = Duration::from_secs(seconds);
            let plan = poll::Plan { http, playlist, what, segments, pollers, duration, server_pids };
            serde_json::to_string(&poll::run(&plan)?)?
        }
        Run::First { playlist } => serde_json::to_string(&first::run(http, &playlist)?)?,
        Run::Parts { playlist, waiters, seconds, server_pids } => {
            let duration = Duration::from_secs(seconds);
            let of_video = || format!("/{}/{}/media/video0/index.m3u8", target.app, target.stream);
            let plan =
                parts::Plan { playlist: playlist.unwrap_or_else(of_video), waiters, duration, server_pids };
            serde_json::to_string(&parts::run(&target, &plan)?)?
        }
        Run::Soak { seconds, publishers_per_s, viewers_per_s, inputs } => {
            let duration = Duration::from_secs(seconds);
            let plan = soak::Plan { duration, publishers_per_s, viewers_per_s, inputs };
            serde_json::to_string(&soak::run(&target, &plan)?)?
        }
        Run::Join { protocol, joins, watching } => {
            serde_json::to_string(&join::run(target, protocol, joins, watching)?)?
        }
        Run::Publish { publishers, seconds, server_pids } => {
            let duration = Duration::from_secs(seconds);
            serde_json::to_string(&publish::run(
                &target,
                &publish::Plan { publishers, duration, server_pids },
            )?)?
        }
    };
    writeln!(io::stdout(), "{figures}")?;
    Ok(())
}
