//! When and with what a blocked request is answered (clause 6.2.5.2).

use super::Faults;
use crate::m3u8::{MediaPlaylist, Micros, SECOND, seconds};
use crate::observation::{Asked, Response};
use crate::rule;

/// Time for the network, the server's timers and the encoder's, past the moment at which a part is due.
pub(super) const LATENCY_ALLOWANCE: Micros = SECOND / 2;

/// What was known when the request was made.
pub(super) struct Before {
    /// The end of the playlist, as (segment, parts).
    pub(super) edge: (u64, u64),
    /// When it had grown to that.
    pub(super) grew: Micros,
}

/// Checks the answer to `asked`; `playlist` is what it brought.
pub(super) fn check(
    playlist: &MediaPlaylist,
    asked: Asked,
    response: &Response,
    before: Option<&Before>,
    faults: &mut Faults,
) {
    let Some(sequence) = asked.sequence else { return };
    let (edge, parts) = playlist.edge();
    let there = match asked.part {
        // A part past the last one of its segment is the first one of the next.
        Some(part) => edge > sequence || (edge == sequence && parts > part),
        None => edge > sequence,
    };
    if !there && playlist.live() {
        let part = asked.part.map(|part| format!(", part {part},")).unwrap_or_default();
        faults.push((
            rule::BLOCKING_RELOAD_EARLY,
            format!(
                "segment {sequence}{part} was asked for, the answer ends at segment {edge} with {parts} parts"
            ),
        ));
        return;
    }
    let (sent, done) = (super::micros(response.sent), super::micros(response.done));
    let target = playlist.target();
    if done - sent > 3 * target + LATENCY_ALLOWANCE {
        faults.push((
            rule::BLOCKING_RELOAD_LATE,
            format!(
                "a request was held for {}, three target durations are {}",
                seconds(done - sent),
                seconds(3 * target)
            ),
        ));
        return;
    }
    let Some(before) = before else { return };
    let next = (sequence, asked.part.unwrap_or(0)) == before.edge;
    let due = match asked.part {
        Some(_) => playlist.part_target.unwrap_or(target),
        None => target,
    } + LATENCY_ALLOWANCE;
    let waited = done - before.grew;
    // Past one and a half target durations it is another rule's affair.
    if next && waited > due && waited <= target + target / 2 + LATENCY_ALLOWANCE {
        faults.push((
            rule::BLOCKING_RELOAD_SLOW,
            format!(
                "what came next took {} from what came before, {} with the allowance were due",
                seconds(waited),
                seconds(due)
            ),
        ));
    }
}
