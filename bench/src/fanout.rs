//! The fan-out run: N viewers of one stream; what they cost the server and how late they receive.

use std::io;
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;

use crate::figures::{Generator, Quantiles};
use crate::load::{Load, LoadError, Protocol, Taking};
use crate::procfs::{Usage, own_cpu_s, usage_of_trees};
use crate::publisher::Target;
use crate::turns::Turns;

/// Viewers that may be on their way in at the same time: below any server's listen backlog.
const MAX_JOINING: usize = 64;
/// Before the idle server is looked at, so that whatever it keeps of a stream for later viewers is there.
const SETTLE_PUBLISHER: Duration = Duration::from_secs(3);
/// Between the last viewer's first frame and the measurement.
const SETTLE_VIEWERS: Duration = Duration::from_secs(2);
/// In company of those that take nothing or little, until their buffers are full: over loopback both ends of these are memory of
/// the same machine, and a machine that has yet to be given that memory has other things to do than to send.
const SETTLE_BUFFERS: Duration = Duration::from_secs(6);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const JOIN_LIMIT: Duration = Duration::from_secs(30);
/// What a slow viewer takes: a link of 1 Mbit/s.
const SLOW_BYTES_PER_S: u64 = 125_000;

/// What is to be run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) protocol: Protocol,
    pub(crate) viewers: usize,
    /// Viewers that join each second; as fast as they are let in unless it is given.
    pub(crate) join_rate: Option<u32>,
    /// Viewers besides that take nothing after their first picture.
    pub(crate) stalled: usize,
    /// Viewers besides that take [`SLOW_BYTES_PER_S`].
    pub(crate) slow: usize,
    /// Whether viewers acknowledge what they receive at once.
    pub(crate) quick_ack: bool,
    pub(crate) duration: Duration,
    /// The server's processes, when it runs on this machine.
    pub(crate) server_pids: Vec<u32>,
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
    /// From the publisher's send to the viewer's receive of each picture, of those that take all.
    delay_us: Quantiles,
    /// From the first viewer's connect until all had their first picture.
    joining_s: f64,
    /// Of the stalled and the slow ones: those that the server has closed.
    closed: usize,
    generator: Generator,
}

#[derive(Debug, Serialize)]
struct ServerFigures {
    cpu_s: f64,
    /// Share of one core it used.
    cpu: f64,
    cpu_s_per_gb: f64,
    rss_idle_bytes: u64,
    rss_bytes: u64,
    rss_per_viewer_bytes: i64,
}

/// Runs the plan.
pub(crate) fn run(target: Target, plan: &Plan) -> Result<Figures, FanoutError> {
    let look = || usage_of_trees(&plan.server_pids);
    let mut load = Load::new(target)?;
    load.run_until("publishing", CONNECT_LIMIT, Load::is_publishing)?;
    load.run_for(SETTLE_PUBLISHER)?;
    let idle = look()?;

    if plan.quick_ack {
        load.acknowledge_at_once();
    }
    let joining = join_all(&mut load, plan)?;
    load.run_for(if plan.stalled + plan.slow > 0 { SETTLE_BUFFERS } else { SETTLE_VIEWERS })?;

    load.reset_delays();
    let (before, own_before, bytes_before) = (look()?, own_cpu_s()?, media_bytes(&load));
    load.run_for(plan.duration)?;
    let (after, own_after) = (look()?, own_cpu_s()?);
    let media_bytes = media_bytes(&load) - bytes_before;

    let lost = load.receptions().map(|reception| reception.lost).sum();
    let damaged = load.receptions().map(|reception| reception.damaged).sum();
    let behind = load.behind();
    if lost + damaged > 0 || behind > 0 {
        return Err(FanoutError::DataLost { lost, damaged, behind });
    }

    let seconds = plan.duration.as_secs_f64();
    let server = match (idle, before, after) {
        (Some(idle), Some(before), Some(after)) => {
            Some(server_figures(seconds, idle, before, after, media_bytes, load.present()))
        }
        _ => None,
    };
    Ok(Figures {
        protocol: plan.protocol,
        viewers: plan.viewers,
        seconds,
        media_bytes,
        server,
        delay_us: load.delay_us().into(),
        joining_s: joining.as_secs_f64(),
        closed: plan.viewers + plan.stalled + plan.slow - load.present(),
        generator: Generator::between(own_before, own_after, seconds, load.latest_publish()),
    })
}

/// Lets all viewers join; the time until each had its first picture.
fn join_all(load: &mut Load, plan: &Plan) -> Result<Duration, LoadError> {
    let began = load.clock().elapsed();
    let all = plan.viewers + plan.stalled + plan.slow;
    for joined in 0..all {
        // The stalled and the slow ones come among the others.
        let odd = joined * (plan.stalled + plan.slow) / all;
        let taking = if odd == (joined + 1) * (plan.stalled + plan.slow) / all {
            Taking::All
        } else if odd < plan.stalled {
            Taking::Nothing
        } else {
            Taking::Slowly(SLOW_BYTES_PER_S)
        };
        load.add_viewer_taking(plan.protocol, taking)?;
        match plan.join_rate {
            Some(rate) => {
                let next = began + Duration::from_secs(1) * (joined as u32 + 1) / rate;
                load.run_for(next.saturating_sub(load.clock().elapsed()))?;
            }
            None => {
                let joining = |load: &Load| joined + 1 - load.receiving() < MAX_JOINING;
                load.run_until("viewers joining", JOIN_LIMIT, joining)?;
            }
        }
    }
    load.run_until("all viewers joined", JOIN_LIMIT, |load| load.receiving() == all)?;
    Ok(load.clock().elapsed() - began)
}

fn server_figures(
    seconds: f64,
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
        cpu: cpu_s / seconds,
        cpu_s_per_gb: cpu_s * 1e9 / media_bytes as f64,
        rss_idle_bytes: idle.rss_bytes,
        rss_bytes: after.rss_bytes,
        rss_per_viewer_bytes: grown / viewers.max(1) as i64,
    }
}

fn media_bytes(load: &Load) -> u64 {
    load.receptions().map(|reception| reception.body_bytes).sum()
}
