//! The samples of one track, packed: some four bytes each, to be gone through from any one on.
//!
//! Each sample is told by what differs from what the one before lets expect: it lies behind it, lasts as long, and
//! has the same composition offset. Every so many samples a mark allows to begin.

use streamer_core::container::fmp4::FileSample;

/// Samples between two marks: at most so many are gone through to come to one.
const MARK_INTERVAL: u32 = 64;

/// Bytes that most samples take.
const USUAL_BYTES: usize = 4;

const SYNC: u8 = 1;
const DURATION: u8 = 2;
const COMPOSITION: u8 = 4;
const OFFSET: u8 = 8;

/// What is expected of a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Expected {
    offset: u64,
    dts: i64,
    duration: u32,
    composition: i64,
}

impl Expected {
    const fn behind(sample: &FileSample) -> Self {
        Self {
            offset: sample.offset.saturating_add(sample.size as u64),
            dts: sample.dts.saturating_add(sample.duration as i64),
            duration: sample.duration,
            composition: sample.pts.saturating_sub(sample.dts),
        }
    }
}

/// A place to begin at.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: usize,
    expected: Expected,
}

/// The samples of a track in decode order, without gaps in their decode times.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    packed: Vec<u8>,
    marks: Vec<Mark>,
    count: u32,
    bytes: u64,
    /// Length of the longest sample.
    largest: u32,
    /// First decode time, and the end of the last sample.
    first_dts: i64,
    end_dts: i64,
}

impl Samples {
    /// Number of samples.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of all samples together.
    #[must_use]
    pub const fn media_bytes(&self) -> u64 {
        self.bytes
    }

    /// Length of the longest sample, in bytes.
    #[must_use]
    pub const fn largest_bytes(&self) -> u32 {
        self.largest
    }

    /// Ticks from the first sample's decode time to the end of the last.
    #[must_use]
    pub const fn duration(&self) -> i64 {
        self.end_dts.saturating_sub(self.first_dts)
    }

    /// Bytes of memory that the list takes.
    #[must_use]
    pub const fn memory_bytes(&self) -> usize {
        self.packed.capacity() + self.marks.capacity() * size_of::<Mark>()
    }

    /// The samples from `number` (counted from 0) on.
    #[must_use]
    pub fn from(&self, number: u32) -> Iter<'_> {
        let mark = self.marks.get((number / MARK_INTERVAL) as usize);
        let Some(mark) = mark.filter(|_| number < self.count) else { return Iter::default() };
        let packed = self.packed.get(mark.at..).unwrap_or_default();
        let mut samples = Iter { packed, expected: mark.expected };
        for _ in 0..number % MARK_INTERVAL {
            samples.next();
        }
        samples
    }

    fn put(&mut self, sample: &FileSample, expected: Expected) {
        if self.count.is_multiple_of(MARK_INTERVAL) {
            self.marks.push(Mark { at: self.packed.len(), expected });
        }
        let composition = sample.pts.saturating_sub(sample.dts);
        let flag = |set: bool, flag| if set { flag } else { 0 };
        let flags = flag(sample.sync, SYNC)
            | flag(sample.duration != expected.duration, DURATION)
            | flag(composition != expected.composition, COMPOSITION)
            | flag(sample.offset != expected.offset, OFFSET);
        // The size has three of its bits beside the flags.
        self.number(u64::from(sample.size) << 4 | u64::from(flags));
        if flags & DURATION != 0 {
            self.number(sample.duration.into());
        }
        if flags & COMPOSITION != 0 {
            self.number(zigzag(composition));
        }
        if flags & OFFSET != 0 {
            self.number(sample.offset);
        }
        if self.count == 0 {
            self.first_dts = sample.dts;
        }
        self.count += 1;
        self.bytes = self.bytes.saturating_add(sample.size.into());
        self.largest = self.largest.max(sample.size);
        self.end_dts = sample.dts.saturating_add(sample.duration.into());
    }

    /// Seven bits a byte, the lowest first; all but the last marked.
    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.packed.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.packed.push((value & 0x7f) as u8);
    }
}

const fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// Goes through packed samples.
#[derive(Clone, Debug, Default)]
pub struct Iter<'a> {
    packed: &'a [u8],
    expected: Expected,
}

impl Iter<'_> {
    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.packed.split_first()?;
            self.packed = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        Some(value)
    }
}

impl Iterator for Iter<'_> {
    type Item = FileSample;

    fn next(&mut self) -> Option<FileSample> {
        let first = self.number()?;
        let flags = (first & 0xf) as u8;
        let size = (first >> 4) as u32;
        let Expected { mut offset, dts, mut duration, mut composition } = self.expected;
        if flags & DURATION != 0 {
            duration = self.number()? as u32;
        }
        if flags & COMPOSITION != 0 {
            composition = unzigzag(self.number()?);
        }
        if flags & OFFSET != 0 {
            offset = self.number()?;
        }
        let pts = dts.saturating_add(composition);
        let sample = FileSample { offset, size, dts, pts, duration, sync: flags & SYNC != 0 };
        self.expected = Expected::behind(&sample);
        Some(sample)
    }
}

/// Packs samples as they come. A sample lasts up to the next one; decode times that step back stand still.
#[derive(Debug, Default)]
pub struct Packer {
    samples: Samples,
    expected: Expected,
    waiting: Option<FileSample>,
}

impl Packer {
    /// Makes room for so many samples, if they take no more than most do.
    pub fn expect(&mut self, samples: usize) {
        self.samples.packed.reserve(samples * USUAL_BYTES);
        self.samples.marks.reserve(samples.div_ceil(MARK_INTERVAL as usize));
    }

    /// Takes the next sample. Gives it as it was packed, with the number it has.
    pub fn push(&mut self, mut sample: FileSample) -> (u32, FileSample) {
        if let Some(mut before) = self.waiting.take() {
            sample.dts = sample.dts.max(before.dts);
            let duration = u32::try_from(sample.dts.saturating_sub(before.dts)).unwrap_or(u32::MAX);
            before.duration = duration;
            // Past 32 bits the time is held up: what comes is as much earlier as a sample cannot last.
            sample.dts = before.dts.saturating_add(duration.into());
            self.put(&before);
        } else {
            self.expected.dts = sample.dts;
        }
        self.waiting = Some(sample);
        (self.samples.count, sample)
    }

    /// Bytes of memory taken so far.
    #[must_use]
    pub const fn memory_bytes(&self) -> usize {
        self.samples.memory_bytes()
    }

    /// The samples, the last of which lasts as it says itself.
    #[must_use]
    pub fn finish(mut self) -> Samples {
        if let Some(last) = self.waiting.take() {
            self.put(&last);
        }
        self.samples.packed.shrink_to_fit();
        self.samples.marks.shrink_to_fit();
        self.samples
    }

    fn put(&mut self, sample: &FileSample) {
        self.samples.put(sample, self.expected);
        self.expected = Expected::behind(sample);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(samples: &[FileSample]) -> Samples {
        let mut packer = Packer::default();
        for sample in samples {
            packer.push(*sample);
        }
        packer.finish()
    }

    fn regular(count: u32) -> Vec<FileSample> {
        let sample = |number: u32| FileSample {
            offset: 48 + u64::from(number) * 1_000,
            size: 900,
            dts: i64::from(number) * 512,
            pts: i64::from(number) * 512 + 1_024,
            duration: 512,
            sync: number.is_multiple_of(30),
        };
        (0..count).map(sample).collect()
    }

    #[test]
    fn samples_come_back_from_any_one_on() {
        let samples = regular(1_000);
        let held = packed(&samples);
        for number in [0, 1, 63, 64, 65, 998, 999] {
            assert!(held.from(number).eq(samples[number as usize..].iter().copied()), "{number}");
        }
        assert_eq!(held.from(1_000).next(), None);
        assert_eq!(held.from(u32::MAX).next(), None);
        assert_eq!(Samples::default().from(0).next(), None);
        assert_eq!((held.count(), held.media_bytes(), held.duration()), (1_000, 900_000, 512_000));
    }

    #[test]
    fn a_sample_takes_few_bytes() {
        let mut samples = regular(10_000);
        for (number, sample) in samples.iter_mut().enumerate() {
            sample.offset = 48 + number as u64 * 900;
        }
        assert!(packed(&samples).memory_bytes() < 30_000);
    }

    #[test]
    fn times_that_step_back_or_far_ahead_stay_in_order() {
        let mut samples = regular(4);
        (samples[1].dts, samples[2].dts) = (-5, i64::MAX);
        let held: Vec<FileSample> = packed(&samples).from(0).collect();
        assert!(held.windows(2).all(|pair| pair[1].dts == pair[0].dts + i64::from(pair[0].duration)));
        assert_eq!((held[0].duration, held[1].duration), (0, u32::MAX));
    }

    prop_compose! {
        fn any_sample()(offset in any::<u64>(), size in any::<u32>(), step in 0i64..100_000, shift in -90_000i64..90_000, sync in any::<bool>())
            -> (i64, FileSample) {
            (step, FileSample { offset, size, dts: 0, pts: shift, duration: 7, sync })
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(parts in proptest::collection::vec(any_sample(), 1..300), from in 0u32..300) {
            let mut dts = -50_000;
            let mut samples: Vec<FileSample> = Vec::new();
            for (step, sample) in parts {
                if let Some(before) = samples.last_mut() {
                    before.duration = u32::try_from(step).unwrap();
                    dts += step;
                }
                samples.push(FileSample { dts, pts: dts + sample.pts, ..sample });
            }
            let held = packed(&samples);
            let expected = samples.get(from as usize..).unwrap_or_default();
            prop_assert!(held.from(from).eq(expected.iter().copied()));
            prop_assert_eq!(held.media_bytes(), samples.iter().map(|sample| u64::from(sample.size)).sum::<u64>());
        }
    }
}
