//! Boxes taken apart again, and codecs to put in, for the tests of this module.

use std::path::Path;

use bytes::Bytes;

use crate::codec::golden::{frame, golden};
use crate::codec::{
    AacConfig, Ac3Config, Av1Config, AvcConfig, Codec, FlacConfig, HevcConfig, Mp3Config, OpusConfig,
    Resolution, Vp9Config,
};

/// A file of `testdata/fmp4`.
pub(super) fn golden_file(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/fmp4").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The boxes side by side in `data`: names and bodies.
pub(super) fn boxes(mut data: &[u8]) -> Vec<(String, &[u8])> {
    let mut found = Vec::new();
    while !data.is_empty() {
        let size = u32::from_be_bytes(data[..4].try_into().unwrap()) as usize;
        found.push((String::from_utf8_lossy(&data[4..8]).into_owned(), &data[8..size]));
        data = &data[size..];
    }
    found
}

/// The names of the boxes side by side in `data`.
pub(super) fn names(data: &[u8]) -> Vec<String> {
    boxes(data).into_iter().map(|(name, _)| name).collect()
}

/// The body of the first box at `path`, names with slashes between; sample entries and the like are passed over
/// by `+N`, which skips N bytes of a body.
pub(super) fn at<'a>(data: &'a [u8], path: &str) -> &'a [u8] {
    path.split('/').fold(data, |data, step| match step.strip_prefix('+') {
        Some(skip) => &data[skip.parse().unwrap()..],
        None => {
            boxes(data).into_iter().find(|(name, _)| name == step).unwrap_or_else(|| panic!("no {step}")).1
        }
    })
}

/// Every codec that MP4 carries, as ffmpeg made it, with the four characters of its entry and its configuration.
pub(super) fn codecs() -> Vec<(&'static str, &'static str, Codec)> {
    let mut vp9 = Vp9Config::parse(&golden("vp9-360.record")).unwrap();
    vp9.resolution = Some(Resolution { width: 640, height: 360 });
    vec![
        ("avc1", "avcC", avc()),
        ("hvc1", "hvcC", Codec::H265(HevcConfig::parse(&golden("h265-main-720.record")).unwrap())),
        ("av01", "av1C", Codec::Av1(Av1Config::parse(&golden("av1-main-360.record")).unwrap())),
        ("vp09", "vpcC", Codec::Vp9(vp9)),
        ("mp4a", "esds", aac()),
        ("mp4a", "esds", Codec::Mp3(Mp3Config::parse(&frame("mp3-44100-stereo", 0)).unwrap())),
        ("mp4a", "esds", Codec::Mp3(Mp3Config::parse(&frame("mp3-22050-mono", 0)).unwrap())),
        ("Opus", "dOps", Codec::Opus(OpusConfig::parse(&golden("opus-stereo.record")).unwrap())),
        ("Opus", "dOps", Codec::Opus(OpusConfig::parse(&golden("opus-51.record")).unwrap())),
        ("fLaC", "dfLa", Codec::Flac(FlacConfig::parse(&golden("flac-44100-stereo.record")).unwrap())),
        ("ac-3", "dac3", Codec::Ac3(Ac3Config::parse(&frame("ac3-48000-51", 0)).unwrap())),
        ("ec-3", "dec3", Codec::Eac3(Ac3Config::parse_enhanced(&frame("eac3-48000-51", 0)).unwrap())),
    ]
}

/// H.264 of 320 x 240.
pub(super) fn avc() -> Codec {
    Codec::H264(AvcConfig::parse(&golden("h264-baseline-240.record")).unwrap())
}

/// AAC of 44.1 kHz, stereo.
pub(super) fn aac() -> Codec {
    Codec::Aac(AacConfig::parse(&golden("aac-lc-44100-stereo.record")).unwrap())
}

/// `len` bytes that differ.
pub(super) fn payload(len: usize) -> Bytes {
    (0..len).map(|at| (at * 7 % 251) as u8).collect()
}
