//! The publish run: many publishers whom nobody watches; what they cost the server.

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;
use thiserror::Error;

use crate::figures::{Generator, ServerCost};
use crate::procfs::{own_cpu_s, usage_of_trees};
use crate::publisher::{Publisher, Target};
use crate::turns::{EventLoop, TurnError, Turns};

/// Publishers that may be on their way in at the same time: below any server's listen backlog.
const MAX_JOINING: usize = 64;
const JOIN_LIMIT: Duration = Duration::from_secs(30);
/// Long enough for the server to hold what it keeps of each stream.
const SETTLE: Duration = Duration::from_secs(5);

/// What is to be run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) publishers: usize,
    pub(crate) duration: Duration,
    /// The server's processes, when it runs on this machine.
    pub(crate) server_pids: Vec<u32>,
}

/// Why a run has no figures.
#[derive(Debug, Error)]
pub(crate) enum PublishRunError {
    #[error(transparent)]
    Turn(#[from] TurnError),
    #[error("the usage of the processes cannot be read: {0}")]
    Usage(#[from] io::Error),
}

/// The figures of a run in which every publisher got rid of what it had.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    publishers: usize,
    seconds: f64,
    server: Option<ServerCost>,
    /// CPU time of the server for each publisher and second.
    cpu_ms_per_s: Option<f64>,
    /// What the server's resident memory grew by for each publisher, what it holds for viewers included.
    rss_per_publisher_bytes: Option<i64>,
    generator: Generator,
}

#[derive(Debug)]
struct Publishers(EventLoop);

impl Turns for Publishers {
    type Error = TurnError;

    fn clock(&self) -> Instant {
        self.0.clock()
    }

    fn turn(&mut self, end: Duration) -> Result<(), TurnError> {
        self.0.turn(end, |_| Ok(()))
    }
}

/// Runs the plan: the streams are called as the target's, with a number behind.
pub(crate) fn run(target: &Target, plan: &Plan) -> Result<Figures, PublishRunError> {
    let look = || usage_of_trees(&plan.server_pids);
    let mut load = Publishers(EventLoop::new()?);
    let idle = look()?;
    let publishing = |load: &Publishers| {
        load.0.publishers.iter().filter(|publisher| Publisher::is_publishing(publisher)).count()
    };
    for number in 0..plan.publishers {
        let stream = format!("{}-{number}", target.stream);
        load.0.add_publisher(&Target { stream, ..target.clone() })?;
        load.run_until("publishers joining", JOIN_LIMIT, |load| number + 1 - publishing(load) < MAX_JOINING)?;
    }
    load.run_until("all publish", JOIN_LIMIT, |load| publishing(load) == plan.publishers)?;
    load.run_for(SETTLE)?;

    load.0.reset_latest();
    let (before, own_before) = (look()?, own_cpu_s()?);
    load.run_for(plan.duration)?;
    let (after, own_after) = (look()?, own_cpu_s()?);

    let seconds = plan.duration.as_secs_f64();
    let publishers = plan.publishers.max(1);
    let server = before.zip(after).map(|(before, after)| ServerCost::between(before, after, seconds));
    let grown = idle.zip(after).map(|(idle, after)| after.rss_bytes as i64 - idle.rss_bytes as i64);
    Ok(Figures {
        publishers: plan.publishers,
        seconds,
        cpu_ms_per_s: server.as_ref().map(|cost| cost.cpu_s * 1000.0 / seconds / publishers as f64),
        rss_per_publisher_bytes: grown.map(|grown| grown / publishers as i64),
        server,
        generator: Generator::between(own_before, own_after, seconds, load.0.latest_publish()),
    })
}
