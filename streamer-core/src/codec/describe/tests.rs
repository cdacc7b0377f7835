//! Tests of descriptions: golden records told as ffprobe and players tell them.

use super::*;
use crate::codec::golden::{frame, golden};
use crate::codec::{
    AacConfig, Ac3Config, Av1Config, DataFormat, FlacConfig, G711Config, Mp3Config, OpusConfig, Vp9Config,
};

fn record(name: &str) -> bytes::Bytes {
    golden(&format!("{name}.record"))
}

fn avc(name: &str) -> Codec {
    Codec::H264(AvcConfig::parse(&record(name)).unwrap())
}

fn hevc(name: &str) -> Codec {
    Codec::H265(HevcConfig::parse(&record(name)).unwrap())
}

fn aac(record: &[u8]) -> Codec {
    Codec::Aac(AacConfig::parse(record).unwrap())
}

#[test]
fn profiles_levels_and_strings_of_video() {
    let av1 = |name| Codec::Av1(Av1Config::parse(&record(name)).unwrap());
    let vp9 = |name| Codec::Vp9(Vp9Config::parse(&record(name)).unwrap());
    for (codec, profile, level, string) in [
        (avc("h264-high-1080-ntsc"), "High", "4.0", "avc1.640028"),
        (avc("h264-baseline-240"), "Constrained Baseline", "1.3", "avc1.42c00d"),
        (avc("h264-interlaced-422-10"), "High 4:2:2", "3.0", "avc1.7a001e"),
        (avc("h264-cropped-444"), "High 4:4:4 Predictive", "2.1", "avc1.f40015"),
        (hevc("h265-main-720"), "Main", "4.0", "hvc1.1.6.L120.90"),
        (hevc("h265-main10-cropped"), "Main 10", "4.1", "hvc1.2.4.H123.90"),
        (av1("av1-main-360"), "Main", "2.1", "av01.0.01M.08"),
        (av1("av1-main10-180"), "Main", "2.0", "av01.0.00M.10"),
        (vp9("vp9-360"), "Profile 0", "2.1", "vp09.00.21.08"),
        (vp9("vp9-profile2-180"), "Profile 2", "1.1", "vp09.02.11.10"),
    ] {
        assert_eq!(codec.profile_name(), Some(profile), "{string}");
        assert_eq!(codec.level_text().as_deref(), Some(level), "{string}");
        assert_eq!(codec.rfc6381().as_deref(), Some(string));
        assert_eq!((codec.sample_rate_hz(), codec.channels(), codec.frame_samples()), (None, None, None));
    }
}

#[test]
fn profiles_rates_and_strings_of_audio() {
    let opus = Codec::Opus(OpusConfig::parse(&record("opus-51")).unwrap());
    let mp3 = Codec::Mp3(Mp3Config::parse(&frame("mp3-22050-mono", 0)).unwrap());
    let ac3 = Codec::Ac3(Ac3Config::parse(&frame("ac3-48000-51", 0)).unwrap());
    let eac3 = Codec::Eac3(Ac3Config::parse_enhanced(&frame("eac3-48000-51", 0)).unwrap());
    let flac = Codec::Flac(FlacConfig::parse(&record("flac-44100-stereo")).unwrap());
    let g711 = |law| Codec::G711(G711Config::new(law, 8_000, 1).unwrap());
    for (codec, profile, rate, channels, frame_samples, string) in [
        (aac(&record("aac-lc-44100-stereo")), Some("LC"), 44_100, 2, Some(1024), "mp4a.40.2"),
        (aac(&record("aac-lc-48000-51")), Some("LC"), 48_000, 6, Some(1024), "mp4a.40.2"),
        (aac(&[0x2b, 0x92, 0x08, 0x00]), Some("HE-AAC"), 44_100, 2, Some(2048), "mp4a.40.5"),
        (aac(&[0xeb, 0x8a, 0x08, 0x00]), Some("HE-AAC v2"), 44_100, 2, Some(2048), "mp4a.40.29"),
        (aac(&[0xb9, 0x90]), Some("LD"), 48_000, 2, Some(512), "mp4a.40.23"),
        (opus, None, 48_000, 6, None, "opus"),
        (mp3, None, 22_050, 1, Some(576), "mp4a.40.34"),
        (ac3, None, 48_000, 6, Some(1536), "ac-3"),
        (eac3, None, 48_000, 6, Some(1536), "ec-3"),
        (flac, None, 44_100, 2, Some(4608), "fLaC"),
        (g711(G711Law::A), None, 8_000, 1, None, "alaw"),
        (g711(G711Law::Mu), None, 8_000, 1, None, "ulaw"),
    ] {
        assert_eq!(codec.profile_name(), profile, "{string}");
        assert_eq!((codec.sample_rate_hz(), codec.channels()), (Some(rate), Some(channels)), "{string}");
        assert_eq!(codec.frame_samples(), frame_samples, "{string}");
        assert_eq!(codec.rfc6381().as_deref(), Some(string));
        assert_eq!((codec.level_text(), codec.resolution(), codec.frame_rate()), (None, None, None));
        assert!(codec.is_sync(&[]), "{string}");
    }
}

#[test]
fn sizes_and_rates_come_from_the_configuration() {
    let codec = avc("h264-high-1080-ntsc");
    assert_eq!(codec.resolution(), Some(Resolution { width: 1920, height: 1080 }));
    assert_eq!(codec.frame_rate(), Some(FrameRate { numerator: 30_000, denominator: 1001 }));
    assert_eq!(hevc("h265-main-720").frame_rate().map(FrameRate::per_second), Some(60.0));
    let data = Codec::Data(DataFormat::Amf0);
    assert_eq!((data.rfc6381(), data.resolution(), data.sample_rate_hz()), (None, None, None));
}

#[test]
fn sync_is_asked_of_the_codec() {
    let hevc = hevc("h265-main-720");
    assert!(hevc.is_sync(&frame("h265-main-720", 0)) && !hevc.is_sync(&frame("h265-main-720", 1)));
    let avc = avc("h264-baseline-240");
    assert!(avc.is_sync(&frame("h264-baseline-240", 0)) && !avc.is_sync(&frame("h265-main-720", 0)));
}

#[test]
fn level_1b_in_both_spellings() {
    let Codec::H264(config) = avc("h264-baseline-240") else { panic!("H.264") };
    let level = |profile, constraints, level| {
        Codec::H264(AvcConfig { profile, constraints, level, ..config.clone() }).level_text().unwrap()
    };
    assert_eq!(level(66, 0x10, 11), "1b");
    assert_eq!(level(66, 0, 11), "1.1");
    assert_eq!(level(100, 0x10, 11), "1.1");
    assert_eq!(level(100, 0, 9), "1b");
}

/// The example of ISO/IEC 14496-15 annex E, and one with a profile space and no constraint.
#[test]
fn hevc_strings() {
    let Codec::H265(config) = hevc("h265-main-720") else { panic!("H.265") };
    let config =
        HevcConfig { compatibility: 0x6000_0000, constraints: 0xb0_00_00_00_00_00, level: 93, ..config };
    assert_eq!(hevc_string(&config), "hvc1.1.6.L93.B0");
    let other = HevcConfig { profile_space: 1, constraints: 0, high_tier: true, ..config.clone() };
    assert_eq!(hevc_string(&other), "hvc1.A1.6.H93");
    let inner = HevcConfig { constraints: 0xb0_00_01_00_00_00, ..config };
    assert_eq!(hevc_string(&inner), "hvc1.1.6.L93.B0.0.1");
}

#[test]
fn frame_rates_are_reduced() {
    assert_eq!(FrameRate::reduced(50, 2), Some(FrameRate { numerator: 25, denominator: 1 }));
    assert_eq!(FrameRate::reduced(0, 1), None);
    assert_eq!(FrameRate::reduced(1, 0), None);
    assert_eq!(FrameRate::reduced(0, 0), None);
    assert_eq!(FrameRate::reduced(1 << 33, 3), None);
}
