//! The least MPEG-TS that says what a player needs: one program, one video stream, one packet for each frame.

use super::origin::Spec;

const PMT: u16 = 0x1000;
const VIDEO: u16 = 0x100;

fn packet(pid: u16, start: bool, counter: u64, random_access: bool, payload: &[u8]) -> Vec<u8> {
    let [high, low] = pid.to_be_bytes();
    let counter = u8::try_from(counter % 16).unwrap();
    let mut out = vec![0x47, high | if start { 0x40 } else { 0 }, low];
    let room = 184 - payload.len();
    if room == 0 && !random_access {
        out.push(0x10 | counter);
    } else {
        // One byte says how long the field is, one holds the flags, the rest is stuffing.
        out.push(0x30 | counter);
        out.push(u8::try_from(room - 1).unwrap());
        out.push(if random_access { 0x40 } else { 0 });
        out.resize(188 - payload.len(), 0xff);
    }
    out.extend_from_slice(payload);
    out
}

fn section(table: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 9).unwrap().to_be_bytes();
    let mut out = vec![0, table, 0xb0 | length[0], length[1], 0, 1, 0xc1, 0, 0];
    out.extend_from_slice(body);
    // The check looks at no CRC.
    out.extend_from_slice(&[0; 4]);
    out.resize(184, 0xff);
    out
}

/// PAT and PMT.
pub fn tables(counter: u64) -> Vec<u8> {
    let [pmt_high, pmt_low] = (PMT | 0xe000).to_be_bytes();
    let [high, low] = (VIDEO | 0xe000).to_be_bytes();
    let pat = section(0, &[0, 1, pmt_high, pmt_low]);
    let pmt = section(2, &[high, low, 0xf0, 0, 0x1b, high, low, 0xf0, 0]);
    [packet(0, true, counter, false, &pat), packet(PMT, true, counter, false, &pmt)].concat()
}

fn timestamp(mark: u8, ticks: i64) -> [u8; 5] {
    let ticks = u64::try_from(ticks.rem_euclid(1 << 33)).unwrap();
    let byte = |shift: u32| u8::try_from(ticks >> shift & 0xff).unwrap();
    [
        mark << 4 | (byte(30) & 7) << 1 | 1,
        byte(22),
        (byte(15) & 0x7f) << 1 | 1,
        byte(7),
        (byte(0) & 0x7f) << 1 | 1,
    ]
}

/// The frames of one part; those of the first part of a segment follow PAT and PMT.
pub fn fragment(spec: &Spec) -> Vec<u8> {
    let mut out = if spec.part == 0 { tables(spec.segment) } else { Vec::new() };
    for frame in 0..i64::from(spec.frames) {
        let dts = spec.dts + frame * i64::from(spec.frame_ticks);
        let sync = frame == 0 && spec.sync;
        let mut pes = vec![0, 0, 1, 0xe0, 0, 0, 0x80, 0xc0, 10];
        pes.extend(timestamp(3, dts));
        pes.extend(timestamp(1, dts));
        pes.extend([0, 0, 0, 1, 9, 0xf0, 0, 0, 1, if sync { 0x65 } else { 0x41 }, 0x88]);
        let counter = spec.first_frame + u64::try_from(frame).unwrap() + spec.counter_skew;
        out.extend(packet(VIDEO, true, counter, false, &pes));
    }
    out
}
