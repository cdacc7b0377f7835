//! The fan-out run: N viewers of one stream; what they cost the server and how late they receive.

use std::io;
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;

use crate::figures::{Generator, Quantiles};
use crate::load::{Load, LoadError, Protocol};
use crate::procfs::{Usage, own_cpu_s, usage_of_tree};
use crate::publisher::Target;
use crate::source::FRAME_RATE;
use crate::turns::Turns;

/// Viewers that may be on their way in at the same time: below any server's listen backlog.
const MAX_JOINING: usize = 64;
/// Before the idle server is looked at, so that whatever it keeps of a stream for later viewers is there.
const SETTLE_PUBLISHER: Duration = Duration::from_secs(3);
/// Between the last viewer's first frame and the measurement.
const SETTLE_VIEWERS: Duration = Duration::from_secs(2);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const JOIN_LIMIT: Duration = Duration::from_secs(30);
/// A viewer whose last picture is older than this at the end was cut off, even if nothing was skipped.
const MAX_BEHIND_PICTURES: u64 = FRAME_RATE;

/// What is to be run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) protocol: Protocol,
    pub(crate) viewers: usize,
    pub(crate) duration: Duration,
    /// The server's process, when it runs on this machine.
    pub(crate) server_pid: Option<u32>,
}

/// Why a run has no figures.
#[derive(Debug, Error)]
pub(crate) enum FanoutError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("the server's usage cannot be read: {0}")]
    Usage(#[from] io::Error),
    #[error("no figures: {lost} frames lost and {damaged} damaged or out of order, {behind} viewers cut off")]
    DataLost { lost: u64, damaged: u64, behind: usize },
}

/// The figures of a run in which no viewer missed anything.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    protocol: Protocol,
    viewers: usize,
    seconds: f64,
    /// Bytes of media messages received by all viewers in that time, without the protocol around them.
    media_bytes: u64,
    server: Option<ServerFigures>,
    /// From the publisher's send to the viewer's receive of each picture.
    delay_us: Quantiles,
    generator: Generator,
}

#[derive(Debug, Serialize)]
struct ServerFigures {
    cpu_s: f64,
    cpu_s_per_gb: f64,
    rss_idle_bytes: u64,
    rss_bytes: u64,
    rss_per_viewer_bytes: i64,
}

/// Runs the plan.
pub(crate) fn run(target: Target, plan: &Plan) -> Result<Figures, FanoutError> {
    let look = || plan.server_pid.map(usage_of_tree).transpose();
    let mut load = Load::new(target)?;
    load.run_until("publishing", CONNECT_LIMIT, Load::is_publishing)?;
    load.run_for(SETTLE_PUBLISHER)?;
    let idle = look()?;

    for joined in 1..=plan.viewers {
        load.add_viewer(plan.protocol)?;
        load.run_until("viewers joining", JOIN_LIMIT, |load| joined - load.receiving() < MAX_JOINING)?;
    }
    load.run_until("all viewers joined", JOIN_LIMIT, |load| load.receiving() == plan.viewers)?;
    load.run_for(SETTLE_VIEWERS)?;

    load.reset_delays();
    let (before, own_before, bytes_before) = (look()?, own_cpu_s()?, media_bytes(&load));
    load.run_for(plan.duration)?;
    let (after, own_after) = (look()?, own_cpu_s()?);
    let media_bytes = media_bytes(&load) - bytes_before;

    let lost = load.receptions().map(|reception| reception.lost).sum();
    let damaged = load.receptions().map(|reception| reception.damaged).sum();
    let newest = load.pictures();
    let behind =
        load.receptions().filter(|reception| reception.next_picture() + MAX_BEHIND_PICTURES < newest).count();
    if lost + damaged > 0 || behind > 0 {
        return Err(FanoutError::DataLost { lost, damaged, behind });
    }

    let server = match (idle, before, after) {
        (Some(idle), Some(before), Some(after)) => {
            Some(server_figures(idle, before, after, media_bytes, plan.viewers))
        }
        _ => None,
    };
    let seconds = plan.duration.as_secs_f64();
    Ok(Figures {
        protocol: plan.protocol,
        viewers: plan.viewers,
        seconds,
        media_bytes,
        server,
        delay_us: load.delay_us().into(),
        generator: Generator::between(own_before, own_after, seconds, load.latest_publish()),
    })
}

fn server_figures(
    idle: Usage,
    before: Usage,
    after: Usage,
    media_bytes: u64,
    viewers: usize,
) -> ServerFigures {
    let cpu_s = after.cpu_s - before.cpu_s;
    let grown = after.rss_bytes as i64 - idle.rss_bytes as i64;
    ServerFigures {
        cpu_s,
        cpu_s_per_gb: cpu_s * 1e9 / media_bytes as f64,
        rss_idle_bytes: idle.rss_bytes,
        rss_bytes: after.rss_bytes,
        rss_per_viewer_bytes: grown / viewers.max(1) as i64,
    }
}

fn media_bytes(load: &Load) -> u64 {
    load.receptions().map(|reception| reception.body_bytes).sum()
}
