//! The least fragmented MP4 that says what a player needs: timescale, decode times, durations, sync flags.

use super::origin::Spec;

fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut out = u32::try_from(length).unwrap().to_be_bytes().to_vec();
    out.extend_from_slice(kind);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// `ftyp` and `moov` of one track with the id 1.
pub fn init(audio: bool, timescale: u32) -> Vec<u8> {
    let handler: &[u8; 4] = if audio { b"soun" } else { b"vide" };
    let tkhd = boxed(b"tkhd", &[&words(&[7, 0, 0, 1])]);
    let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, timescale, 0, 0])]);
    let hdlr = boxed(b"hdlr", &[&words(&[0, 0]), handler, &[0; 13]]);
    let mdia = boxed(b"mdia", &[&mdhd, &hdlr]);
    let trak = boxed(b"trak", &[&tkhd, &mdia]);
    let trex = boxed(b"trex", &[&words(&[0, 1, 1, 0, 0, 0])]);
    let moov = boxed(b"moov", &[&trak, &boxed(b"mvex", &[&trex])]);
    [boxed(b"ftyp", &[b"cmf2", &[0; 4]]), moov].concat()
}

/// One `moof` and its `mdat`.
pub fn fragment(spec: &Spec) -> Vec<u8> {
    const SAMPLE_BYTES: u32 = 40;
    let tfhd = boxed(b"tfhd", &[&words(&[0x0002_0000, spec.track])]);
    let tfdt = boxed(b"tfdt", &[&words(&[0x0100_0000]), &u64::try_from(spec.dts).unwrap().to_be_bytes()]);
    let mut trun = words(&[0x0000_0701, spec.frames, 0]);
    for frame in 0..spec.frames {
        let sync = spec.audio || (frame == 0 && spec.sync);
        let flags = if sync { 0x0200_0000 } else { 0x0101_0000 };
        trun.extend(words(&[spec.frame_ticks, SAMPLE_BYTES, flags]));
    }
    let trun = boxed(b"trun", &[&trun]);
    let traf =
        if spec.tfdt { boxed(b"traf", &[&tfhd, &tfdt, &trun]) } else { boxed(b"traf", &[&tfhd, &trun]) };
    let mfhd = boxed(b"mfhd", &[&words(&[0, u32::try_from(spec.segment * 100 + spec.part).unwrap()])]);
    let moof = boxed(b"moof", &[&mfhd, &traf]);
    let payload = vec![u8::try_from(spec.part).unwrap(); (SAMPLE_BYTES * spec.frames) as usize];
    [moof, boxed(b"mdat", &[&payload])].concat()
}
