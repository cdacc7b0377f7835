//! The soak run: a crowd that does what it likes, and a steady stream whose viewers must notice nothing of it.

mod crowd;
mod dice;
mod guest;
mod kind;
mod malformed;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;

use crate::figures::{Generator, Quantiles};
use crate::load::{Load, LoadError, Protocol};
use crate::procfs::own_cpu_s;
use crate::publisher::Target;
use crate::turns::Turns;
use crowd::{Crowd, CrowdError, Tally};
use kind::Kind;
use malformed::{InputsError, Malformed};

/// Steady viewers of each protocol.
const STEADY_VIEWERS: usize = 4;
const JOIN_LIMIT: Duration = Duration::from_secs(10);
/// What the crowd may take past its time to leave.
const LEAVE_LIMIT: Duration = Duration::from_secs(10);
/// Between the crowd's leave and the last look at the steady viewers: more than the widest write window.
const LAST_FRAMES: Duration = Duration::from_secs(1);
/// Longest delay of a picture: the widest write window (350 ms), and what server and generator may be kept waiting for a
/// processor that they share with the crowd.
const MAX_DELAY: Duration = Duration::from_secs(2);

/// What is to be run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) duration: Duration,
    pub(crate) publishers_per_s: f64,
    pub(crate) viewers_per_s: f64,
    /// Folders of inputs to send as they are.
    pub(crate) inputs: Vec<PathBuf>,
}

/// Why the soak has failed.
#[derive(Debug, Error)]
pub(crate) enum SoakError {
    #[error(transparent)]
    Inputs(#[from] InputsError),
    #[error(transparent)]
    Crowd(#[from] CrowdError),
    #[error("the crowd: {0}")]
    Thread(io::Error),
    #[error("the crowd came to a bad end")]
    CrowdPanicked,
    #[error("steady {0}")]
    Steady(#[from] LoadError),
    #[error("the usage of the generator cannot be read: {0}")]
    Usage(io::Error),
    #[error(
        "steady viewers lost {lost} frames, had {damaged} damaged or out of order, and {behind} were cut off"
    )]
    DataLost { lost: u64, damaged: u64, behind: usize },
    #[error("a picture came {delay_ms} ms late to a steady viewer, the limit is {} ms", MAX_DELAY.as_millis())]
    Delayed { delay_ms: u64 },
}

/// What came of a soak in which nobody who was steady noticed anything.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    seconds: f64,
    steady_viewers: usize,
    /// Pictures that each of them had.
    pictures: u64,
    /// From the publisher's send to the steady viewer's receive of each picture.
    delay_us: Quantiles,
    guests: BTreeMap<Kind, Tally>,
    generator: Generator,
}

/// Runs the plan around the stream of `target`.
pub(crate) fn run(target: &Target, plan: &Plan) -> Result<Figures, SoakError> {
    let malformed = Malformed::read(&plan.inputs)?;
    let visits = kind::visits(plan.publishers_per_s, plan.viewers_per_s);
    let crowd = Crowd::new(target.clone(), malformed, visits)?;

    let mut steady = Load::new(target.clone())?;
    steady.run_until("the steady publisher", JOIN_LIMIT, Load::is_publishing)?;
    let protocols = [Protocol::Rtmp, Protocol::HttpFlv, Protocol::WsFlv];
    for protocol in protocols {
        for _ in 0..STEADY_VIEWERS {
            steady.add_viewer(protocol)?;
        }
    }
    let steady_viewers = protocols.len() * STEADY_VIEWERS;
    steady.run_until("the steady viewers", JOIN_LIMIT, |load| load.receiving() == steady_viewers)?;

    steady.reset_delays();
    let (began, own_before) = (steady.clock().elapsed(), own_cpu_s().map_err(SoakError::Usage)?);
    let duration = plan.duration;
    let crowd = thread::Builder::new()
        .name("crowd".to_owned())
        .spawn(move || crowd.run(duration))
        .map_err(SoakError::Thread)?;
    steady.run_until("the end of the crowd", duration + LEAVE_LIMIT, |_| crowd.is_finished())?;
    let guests = crowd.join().map_err(|_| SoakError::CrowdPanicked)??;
    steady.run_for(LAST_FRAMES)?;

    let seconds = (steady.clock().elapsed() - began).as_secs_f64();
    let lost = steady.receptions().map(|reception| reception.lost).sum();
    let damaged = steady.receptions().map(|reception| reception.damaged).sum();
    let behind = steady.behind();
    if lost + damaged > 0 || behind > 0 {
        return Err(SoakError::DataLost { lost, damaged, behind });
    }
    let delay_ms = steady.delay_us().max() / 1_000;
    if u128::from(delay_ms) > MAX_DELAY.as_millis() {
        return Err(SoakError::Delayed { delay_ms });
    }
    let own_after = own_cpu_s().map_err(SoakError::Usage)?;
    Ok(Figures {
        seconds,
        steady_viewers,
        pictures: steady.pictures(),
        delay_us: steady.delay_us().into(),
        guests,
        generator: Generator::between(own_before, own_after, seconds, steady.latest_publish()),
    })
}
