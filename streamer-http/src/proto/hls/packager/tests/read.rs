//! Reads fragments back, box by box, knowing nothing of what wrote them.

use bytes::Bytes;

use crate::proto::hls::segment::{Segment, SegmentBody};

/// A sample as a player sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) decode_time: i64,
    pub(super) presentation_time: i64,
    pub(super) duration: i64,
    pub(super) sync: bool,
    pub(super) data: Bytes,
}

/// What a fragment holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Fragment {
    pub(super) sequence_number: u32,
    pub(super) base_decode_time: i64,
    pub(super) samples: Vec<Sample>,
    pub(super) has_styp: bool,
    pub(super) events: usize,
}

impl Fragment {
    pub(super) fn duration(&self) -> i64 {
        self.samples.iter().map(|sample| sample.duration).sum()
    }
}

/// Ticks per second of the track that an init segment declares.
pub(super) fn timescale(init: &[u8]) -> i64 {
    let media = inside(inside(inside(init, b"moov"), b"trak"), b"mdia");
    let header = inside(media, b"mdhd");
    u32_at(header, if header[0] == 1 { 20 } else { 12 }).into()
}

/// The fragments that `segment` holds; a gap holds none.
pub(super) fn fragments_of(segment: &Segment) -> Vec<Fragment> {
    match &segment.body {
        SegmentBody::Memory(pieces) => pieces.iter().flat_map(|piece| fragments(piece)).collect(),
        SegmentBody::Stored | SegmentBody::Missing => Vec::new(),
    }
}

/// The fragments of `body`, in order.
pub(super) fn fragments(body: &[u8]) -> Vec<Fragment> {
    let mut fragments = Vec::new();
    let mut fragment = Fragment::default();
    let mut sizes = Vec::new();
    for (name, content) in boxes(body) {
        match &name {
            b"styp" => fragment.has_styp = true,
            b"emsg" => fragment.events += 1,
            b"moof" => sizes = read_moof(content, &mut fragment),
            b"mdat" => {
                let mut at = 0;
                for (sample, size) in fragment.samples.iter_mut().zip(&sizes) {
                    sample.data = Bytes::copy_from_slice(&content[at..at + size]);
                    at += size;
                }
                assert_eq!(at, content.len(), "the samples are all of the data");
                fragments.push(std::mem::take(&mut fragment));
            }
            _ => {}
        }
    }
    fragments
}

fn read_moof(moof: &[u8], fragment: &mut Fragment) -> Vec<usize> {
    fragment.sequence_number = u32_at(inside(moof, b"mfhd"), 4);
    let traf = inside(moof, b"traf");
    let tfhd = inside(traf, b"tfhd");
    let mut at = 8;
    let mut default = |flag: u32| {
        (u32_at(tfhd, 0) & flag != 0).then(|| {
            at += 4;
            u32_at(tfhd, at - 4)
        })
    };
    let (duration, size, flags) = (default(8), default(0x10), default(0x20));
    let tfdt = inside(traf, b"tfdt");
    fragment.base_decode_time = i64::from(u32_at(tfdt, 4)) << 32 | i64::from(u32_at(tfdt, 8));
    let trun = inside(traf, b"trun");
    let run_flags = u32_at(trun, 0) & 0xff_ffff;
    let mut at = 12;
    let mut field = |flag: u32| {
        (run_flags & flag != 0).then(|| {
            at += 4;
            u32_at(trun, at - 4)
        })
    };
    let first_flags = field(4);
    let mut sizes = Vec::new();
    let mut decode_time = fragment.base_decode_time;
    for index in 0..u32_at(trun, 4) {
        let duration = i64::from(field(0x100).or(duration).unwrap());
        sizes.push(field(0x200).or(size).unwrap() as usize);
        let first = first_flags.filter(|_| index == 0);
        let flags = field(0x400).or(first).or(flags).unwrap();
        let offset = i64::from(field(0x800).unwrap_or(0).cast_signed());
        fragment.samples.push(Sample {
            decode_time,
            presentation_time: decode_time + offset,
            duration,
            sync: flags & 0x1_0000 == 0,
            data: Bytes::new(),
        });
        decode_time += duration;
    }
    sizes
}

fn boxes(mut data: &[u8]) -> Vec<([u8; 4], &[u8])> {
    let mut boxes = Vec::new();
    while !data.is_empty() {
        let (content, rest) = data.split_at(u32_at(data, 0) as usize);
        boxes.push((content[4..8].try_into().unwrap(), &content[8..]));
        data = rest;
    }
    boxes
}

fn inside<'a>(data: &'a [u8], name: &[u8; 4]) -> &'a [u8] {
    boxes(data).into_iter().find(|(found, _)| found == name).expect("the box is there").1
}

fn u32_at(data: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(data[at..at + 4].try_into().unwrap())
}
