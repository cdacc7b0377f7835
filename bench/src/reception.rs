//! What one viewer received: every frame after its first, in order and whole, or not.

use crate::source::{Arrived, FRAME_RATE, Kind, SOUND_RATE, Shape, is_key, stamp_of};
use crate::stamp::Stamp;

/// Counts what arrives and what is missing.
#[derive(Debug, Default)]
pub(crate) struct Reception {
    next: [Option<u64>; 2],
    /// Frames that were skipped.
    pub(crate) lost: u64,
    /// Frames that came again, late, or with a wrong length.
    pub(crate) damaged: u64,
    /// Bytes of media messages, without the protocol around them.
    pub(crate) body_bytes: u64,
    /// When the first key frame was complete, in nanoseconds since the start of the process.
    pub(crate) first_key_ns: Option<u64>,
}

impl Reception {
    /// Takes note of a complete message and returns the stamp when it is a picture.
    pub(crate) fn on_media(
        &mut self,
        shape: Shape,
        Arrived { kind, len, head }: Arrived<'_>,
        now_ns: u64,
    ) -> Option<Stamp> {
        self.body_bytes += len as u64;
        let stamp = stamp_of(kind, head)?;
        let next = &mut self.next[usize::from(kind == Kind::Video)];
        let expected = next.unwrap_or(stamp.sequence);
        if stamp.sequence < expected || len != shape.body_bytes(kind, stamp.sequence) {
            self.damaged += 1;
            return None;
        }
        self.lost += stamp.sequence - expected;
        *next = Some(stamp.sequence + 1);
        if kind == Kind::Audio {
            return None;
        }
        if is_key(stamp.sequence) && self.first_key_ns.is_none() {
            self.first_key_ns = Some(now_ns);
        }
        Some(stamp)
    }

    /// Number of the next picture expected; 0 before the first.
    pub(crate) fn next_picture(&self) -> u64 {
        self.next[1].unwrap_or(0)
    }

    /// Whether pictures or sound end more than a second before what was published, so many frames of each.
    pub(crate) fn is_behind(&self, pictures: u64, sounds: u64) -> bool {
        let [next_sound, next_picture] = self.next.map(Option::unwrap_or_default);
        next_picture + FRAME_RATE < pictures || next_sound + SOUND_RATE < sounds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    const BITRATE: u64 = 2_500_000;

    /// Feeds the first 200 frames, each changed by `change`, which may also drop it.
    fn receive(mut change: impl FnMut(usize, &mut Vec<u8>) -> usize) -> Reception {
        let mut source = Source::new(BITRATE, 0);
        let mut reception = Reception::default();
        for index in 0..200 {
            let message = source.next(index as u64);
            let (kind, mut body) = (message.kind, message.body.to_vec());
            for _ in 0..change(index, &mut body) {
                reception.on_media(Shape::new(BITRATE), Arrived { kind, len: body.len(), head: &body }, 7);
            }
        }
        reception
    }

    #[test]
    fn a_perfect_reception_has_no_fault() {
        let reception = receive(|_, _| 1);
        assert_eq!((reception.lost, reception.damaged, reception.first_key_ns), (0, 0, Some(7)));
    }

    #[test]
    fn sound_that_ends_early_is_behind_though_pictures_go_on() {
        let mut sounds = 0;
        let reception = receive(|_, body| {
            sounds += u64::from(body[0] == 0xaf);
            usize::from(body[0] != 0xaf || sounds < 10)
        });
        let pictures = 200 - sounds;
        assert!(reception.is_behind(pictures, sounds) && !reception.is_behind(pictures, 9 + SOUND_RATE));
        assert!(reception.is_behind(pictures + FRAME_RATE + 1, 9) && reception.lost == 0);
    }

    #[test]
    fn joining_late_is_no_loss() {
        let reception = receive(|index, _| usize::from(index > 50));
        assert_eq!((reception.lost, reception.damaged), (0, 0));
    }

    #[test]
    fn gaps_repeats_and_short_frames_are_counted() {
        let reception = receive(|index, _| usize::from(!(20..30).contains(&index)));
        assert_eq!((reception.lost, reception.damaged), (10, 0));
        let reception = receive(|index, _| if index == 60 { 2 } else { 1 });
        assert_eq!((reception.lost, reception.damaged), (0, 1));
        let reception = receive(|index, body| {
            body.truncate(body.len() - usize::from(index == 60));
            1
        });
        assert_eq!(reception.damaged, 1);
    }
}
