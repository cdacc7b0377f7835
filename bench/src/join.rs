//! The join run: viewers come to a running stream one after another; how long until each has its first key frame.

use std::time::Duration;

use serde::Serialize;

use crate::figures::{Quantiles, microseconds};
use crate::load::{Load, LoadError, Protocol};
use crate::publisher::Target;
use crate::source::GOP_FRAMES;
use crate::turns::Turns;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const JOIN_LIMIT: Duration = Duration::from_secs(30);
/// Viewers that may be on their way in at the same time: below any server's listen backlog.
const MAX_JOINING: usize = 64;
const KEY_FRAME_LIMIT: Duration = Duration::from_secs(10);
/// Long enough for the server to hold a whole GOP.
const SETTLE_PUBLISHER: Duration = Duration::from_secs(3);
/// Each viewer comes this many pictures later in the GOP than the one before. Prime to the length of the GOP, so
/// that viewers come at every phase of it, whether the server makes them wait for a key frame or not.
const PHASE_STEP_PICTURES: u64 = 7;

/// From the beginning of the TCP connect to the end of the first key frame, handshake and commands included.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    protocol: Protocol,
    joins: usize,
    /// Viewers that watched meanwhile.
    watching: usize,
    first_key_frame_us: Quantiles,
}

/// Lets `joins` viewers come and go.
pub(crate) fn run(
    target: Target,
    protocol: Protocol,
    joins: usize,
    watching: usize,
) -> Result<Figures, LoadError> {
    let mut load = Load::new(target)?;
    load.run_until("publishing", CONNECT_LIMIT, Load::is_publishing)?;
    load.run_for(SETTLE_PUBLISHER)?;
    for joined in 1..=watching {
        load.add_viewer(protocol)?;
        load.run_until("viewers joining", JOIN_LIMIT, |load| joined - load.receiving() < MAX_JOINING)?;
    }
    load.run_until("all viewers joined", JOIN_LIMIT, |load| load.receiving() == watching)?;
    let mut times_us = microseconds()?;
    for join in 0..joins {
        let phase = join as u64 * PHASE_STEP_PICTURES % GOP_FRAMES;
        load.run_until("next phase", KEY_FRAME_LIMIT, |load| load.pictures() % GOP_FRAMES == phase)?;
        let index = load.add_viewer(protocol)?;
        load.run_until("first key frame", KEY_FRAME_LIMIT, |load| load.join_time(index).is_some())?;
        let time = load.join_time(index).unwrap_or(KEY_FRAME_LIMIT);
        times_us.saturating_record(time.as_micros() as u64);
        load.remove_viewer(index);
    }
    Ok(Figures { protocol, joins, watching, first_key_frame_us: (&times_us).into() })
}
