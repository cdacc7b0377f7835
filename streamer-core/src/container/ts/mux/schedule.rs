//! When clock references and tables are due (ISO/IEC 13818-1 2.7.2, 2.4.4).

use super::super::timing::{PCR_INTERVAL_TICKS, PSI_INTERVAL_TICKS};

/// A step of the clock past this is no gap in the media but another timeline, and is told as a discontinuity:
/// one second, as far as a receiver is asked to follow without clock references.
const MAX_STEP_TICKS: i64 = 90_000;
/// Tables are written at points at most a clock reference apart, so this makes [`PSI_INTERVAL_TICKS`] at most.
const PSI_DUE_TICKS: i64 = PSI_INTERVAL_TICKS - PCR_INTERVAL_TICKS;

/// What is written in front of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The tables.
    Tables,
    /// A packet with a clock reference alone; whether it begins another timeline.
    Clock { pcr: i64, discontinuity: bool },
}

/// A clock reference within the first packet of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FrameClock {
    pub(super) pcr: Option<i64>,
    pub(super) discontinuity: bool,
}

/// What was written last. A copy is advanced for each frame and kept when the frame is written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Schedule {
    clock: Option<i64>,
    tables: Tables,
    /// Whether the next clock reference begins another timeline.
    discontinuity: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum Tables {
    /// Never written, or for another timeline.
    #[default]
    Due,
    /// Written since the last frame.
    Fresh,
    /// Written at this clock.
    At(i64),
}

impl Schedule {
    /// The tables were just written.
    pub(super) const fn tables_written(&mut self) {
        self.tables = Tables::Fresh;
    }

    /// Another timeline begins with the next frame.
    pub(super) const fn discontinuity(&mut self) {
        self.clock = None;
        self.discontinuity = true;
    }

    /// Appends what is due before a frame whose clock is `now`, and gives the clock reference in the frame.
    /// `clocked` says whether the frame is of the stream that carries clock references, `sync` whether a receiver
    /// may begin with it, `repeat` whether tables are repeated.
    pub(super) fn advance(
        &mut self,
        now: i64,
        clocked: bool,
        sync: bool,
        repeat: bool,
        steps: &mut Vec<Step>,
    ) -> FrameClock {
        let gap = self.clock.map(|clock| now.checked_sub(clock).unwrap_or(i64::MAX));
        let fits = |gap: &i64| (-MAX_STEP_TICKS..=MAX_STEP_TICKS).contains(gap);
        let Some(_) = gap.filter(fits) else {
            let discontinuity = self.discontinuity || gap.is_some();
            self.discontinuity = false;
            self.clock = Some(now);
            if gap.is_some() && !matches!(self.tables, Tables::Fresh) {
                self.tables = Tables::Due;
            }
            self.tables_if_due(now, repeat, sync, steps);
            if clocked {
                return FrameClock { pcr: Some(now), discontinuity };
            }
            steps.push(Step::Clock { pcr: now, discontinuity });
            return FrameClock::default();
        };
        let mut clock = self.clock.unwrap_or(now);
        while now - clock > PCR_INTERVAL_TICKS {
            clock += PCR_INTERVAL_TICKS;
            self.tables_if_due(clock, repeat, false, steps);
            steps.push(Step::Clock { pcr: clock, discontinuity: false });
        }
        self.clock = Some(clock);
        self.tables_if_due(now, repeat, sync, steps);
        if !clocked || now <= clock {
            return FrameClock::default();
        }
        self.clock = Some(now);
        FrameClock { pcr: Some(now), discontinuity: false }
    }

    fn tables_if_due(&mut self, now: i64, repeat: bool, sync: bool, steps: &mut Vec<Step>) {
        let due = match self.tables {
            Tables::Fresh => {
                self.tables = Tables::At(now);
                false
            }
            Tables::Due => true,
            Tables::At(at) => now.wrapping_sub(at) >= PSI_DUE_TICKS || (sync && now > at),
        };
        if due && repeat {
            self.tables = Tables::At(now);
            steps.push(Step::Tables);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONE: FrameClock = FrameClock { pcr: None, discontinuity: false };

    fn started() -> Schedule {
        let mut schedule = Schedule::default();
        schedule.tables_written();
        let first = schedule.advance(0, true, true, true, &mut Vec::new());
        assert_eq!(first, FrameClock { pcr: Some(0), discontinuity: false });
        schedule
    }

    #[test]
    fn frames_far_apart_get_clock_references_between_them() {
        let mut schedule = started();
        let mut steps = Vec::new();
        assert_eq!(schedule.advance(9_000, true, false, true, &mut steps).pcr, Some(9_000));
        let clock = |pcr| Step::Clock { pcr, discontinuity: false };
        assert_eq!(steps, [clock(3_600), Step::Tables, clock(7_200)]);
        // Sound keeps the clock going while there are no pictures, and never steps it back.
        steps.clear();
        assert_eq!(schedule.advance(12_600, false, false, true, &mut steps), NONE);
        assert_eq!(steps, [Step::Tables]);
        steps.clear();
        assert_eq!(schedule.advance(12_601, false, false, true, &mut steps), NONE);
        assert_eq!(steps, [clock(12_600)]);
        assert_eq!(schedule.advance(12_000, true, false, true, &mut steps), NONE);
    }

    #[test]
    fn another_timeline_is_told() {
        let mut schedule = started();
        let mut steps = Vec::new();
        let jump = FrameClock { pcr: Some(MAX_STEP_TICKS + 1), discontinuity: true };
        assert_eq!(schedule.advance(MAX_STEP_TICKS + 1, true, false, true, &mut steps), jump);
        assert_eq!(steps, [Step::Tables]);
        steps.clear();
        assert_eq!(schedule.advance(i64::MIN, false, false, true, &mut steps), NONE);
        assert_eq!(steps, [Step::Tables, Step::Clock { pcr: i64::MIN, discontinuity: true }]);
        steps.clear();
        schedule.discontinuity();
        schedule.tables_written();
        let told = FrameClock { pcr: Some(5), discontinuity: true };
        assert_eq!(schedule.advance(5, true, true, true, &mut steps), told);
        assert!(!schedule.advance(6, true, true, true, &mut steps).discontinuity);
    }

    #[test]
    fn a_random_access_point_gets_tables_unless_they_are_not_repeated() {
        let mut schedule = started();
        let mut steps = Vec::new();
        let mut other = schedule;
        schedule.advance(1, true, true, true, &mut steps);
        assert_eq!(steps, [Step::Tables]);
        steps.clear();
        other.advance(80_000, true, true, false, &mut steps);
        assert!(steps.iter().all(|step| matches!(step, Step::Clock { .. })));
    }

    proptest! {
        #[test]
        fn intervals_hold(frames in proptest::collection::vec((0i64..80_000, any::<bool>()), 1..60)) {
            let mut schedule = started();
            let (mut clock, mut tables, mut now) = (0, 0, 0);
            for (gap, clocked) in frames {
                now += gap;
                let mut steps = Vec::new();
                let own = schedule.advance(now, clocked, false, true, &mut steps);
                prop_assert!(!own.discontinuity);
                for step in steps {
                    match step {
                        Step::Tables => tables = clock,
                        Step::Clock { pcr, discontinuity } => {
                            prop_assert!(!discontinuity && pcr > clock && pcr - clock <= PCR_INTERVAL_TICKS && pcr <= now);
                            clock = pcr;
                        }
                    }
                    prop_assert!(clock - tables <= PSI_INTERVAL_TICKS);
                }
                if let Some(pcr) = own.pcr {
                    prop_assert!(pcr > clock && pcr - clock <= PCR_INTERVAL_TICKS);
                    clock = pcr;
                }
                prop_assert!(now - clock <= PCR_INTERVAL_TICKS && now - tables <= PSI_INTERVAL_TICKS);
            }
        }
    }
}
