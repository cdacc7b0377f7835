//! Video on demand: what players of others find in files that are served as HLS.

use std::process::Command;
use std::time::Duration;

use hls_check::Options;
use streamer_interop::Outcome;
use streamer_interop::browser::{self, Player};
use streamer_interop::house::House;
use streamer_interop::play::{self, PLAY_LIMIT};
use streamer_interop::process::Running;
use streamer_interop::server::Container::{self, Fmp4, Ts};
use streamer_interop::tools::Tool::{self, Ffmpeg, FfmpegNewer};
use streamer_interop::tools::clip;
use streamer_interop::vod::VodServer;

/// More pictures than a clip has: all are decoded.
const ALL: usize = 100_000;

/// In a transport stream nothing says how long the last picture of a segment lasts: where pictures come at no fixed rate
/// it cannot be read from the others.
const LAST_PICTURE: &str = "segment-duration-wrong";

/// Decodes all of `name` from its playlist, and compares the pictures with the file's.
fn all_is_decoded(tool: Tool, name: &str, container: Container) -> Outcome {
    let server = VodServer::start()?;
    server.add(name, name)?;
    let played = play::decode(tool, &server.hls(name, container), ALL)?;
    let original = play::decode_clip(tool, name)?;
    assert_eq!(played.len(), original.len(), "{name} {container:?}");
    assert_eq!(played, original, "{name} {container:?}");
    Ok(())
}

#[test]
fn ffmpeg_decodes_every_picture_of_mp4() -> Outcome {
    for name in
        ["h264_small_aac.mp4", "h264_bframes_aac.mp4", "h264_video_only.mp4", "h264_all_intra_aac.mp4"]
    {
        all_is_decoded(Ffmpeg, name, Ts)?;
        all_is_decoded(Ffmpeg, name, Fmp4)?;
    }
    Ok(())
}

#[test]
fn ffmpeg_decodes_every_picture_of_other_codecs() -> Outcome {
    all_is_decoded(FfmpegNewer, "hevc_aac.mp4", Ts)?;
    for name in ["hevc_aac.mp4", "av1_opus.mp4", "av1_aac.mp4", "vp9_aac.mp4"] {
        all_is_decoded(FfmpegNewer, name, Fmp4)?;
    }
    Ok(())
}

/// Puts the clip `name` into another container, by `path`'s extension, and compares the pictures.
fn all_is_decoded_as(path: &str) -> Outcome {
    for name in ["h264_bframes_aac.mp4", "h264_video_only.mp4"] {
        let server = VodServer::start()?;
        let mut command = Command::new(Ffmpeg.path()?);
        command.args(["-nostdin", "-v", "error", "-y", "-i"]).arg(clip(name)?).args(["-c", "copy"]);
        command.arg(server.folder().join(path));
        Running::start(&mut command)?.wait(PLAY_LIMIT)?.success()?;
        let original = play::decode_clip(Ffmpeg, name)?;
        for container in [Ts, Fmp4] {
            let played = play::decode(Ffmpeg, &server.hls(path, container), ALL)?;
            assert_eq!(played, original, "{name} {container:?}");
            let found = findings(&server.hls(path, container))?;
            assert!(found.is_empty(), "{name} {container:?}: {found:?}");
        }
    }
    Ok(())
}

#[test]
fn ffmpeg_decodes_every_picture_of_flv() -> Outcome {
    all_is_decoded_as("a.flv")
}

#[test]
fn ffmpeg_decodes_every_picture_of_transport_streams() -> Outcome {
    all_is_decoded_as("a.ts")
}

/// Times, lengths and hashes of the packets of a stream, times from the first one.
fn packets(input: &str, stream: &str) -> Outcome<Vec<String>> {
    let mut command = Command::new(Ffmpeg.path()?);
    command.args([
        "-nostdin",
        "-v",
        "error",
        "-i",
        input,
        "-map",
        stream,
        "-c",
        "copy",
        "-copyts",
        "-f",
        "framehash",
        "-hash",
        "md5",
        "-",
    ]);
    let finished = Running::start(&mut command)?.wait(PLAY_LIMIT)?.success()?;
    assert_eq!(finished.stderr, "", "{input}");
    // Stream, DTS, PTS, duration, size, hash.
    let hash = |line: &str| {
        let mut fields = line.strip_prefix("0,")?.split(',').map(str::trim);
        Some(format!("{} {}", fields.nth(3)?, fields.next()?))
    };
    Ok(finished.stdout.lines().filter_map(hash).collect())
}

#[test]
fn packets_of_fmp4_are_those_of_the_file() -> Outcome {
    let server = VodServer::start()?;
    for name in ["h264_bframes_aac.mp4", "audio_aac.mp4"] {
        server.add(name, name)?;
        let file = clip(name)?;
        for stream in ["0:v:0?", "0:a:0?"] {
            let Ok(original) = packets(&file.to_string_lossy(), stream) else { continue };
            assert_eq!(packets(&server.hls(name, Fmp4), stream)?, original, "{name} {stream}");
        }
    }
    Ok(())
}

#[test]
fn ffprobe_finds_what_the_playlist_says() -> Outcome {
    let server = VodServer::start()?;
    server.add("h264_aac.mp4", "a.mp4")?;
    for container in [Ts, Fmp4] {
        let url = server.hls("a.mp4", container);
        let mut command = Command::new(Tool::Ffprobe.path()?);
        command.args(["-v", "warning", "-show_entries", "format=duration", "-of", "csv=p=0", &url]);
        let finished = Running::start(&mut command)?.wait(PLAY_LIMIT)?.success()?;
        assert_eq!(finished.stderr, "", "{container:?}");
        let duration: f64 = finished.stdout.trim().parse()?;
        assert!((9.9..10.1).contains(&duration), "{duration}");
    }
    Ok(())
}

/// What the validator finds wrong with a playlist.
fn findings(url: &str) -> Outcome<Vec<String>> {
    findings_but(url, &[])
}

/// The same, but for rules that the file is known to break.
fn findings_but(url: &str, allow: &[&str]) -> Outcome<Vec<String>> {
    let mut options = Options::new(url);
    options.allow = allow.iter().map(ToString::to_string).collect();
    options.duration = Duration::from_secs(2);
    let runtime = tokio::runtime::Runtime::new()?;
    let report = runtime.block_on(hls_check::run(options))?;
    assert!(report.checked.segments > 0, "{url}: {report:?}");
    Ok(report.findings.iter().map(|finding| format!("{url}: {finding:?}")).collect())
}

#[test]
fn the_validator_finds_nothing_wrong() -> Outcome {
    let server = VodServer::start()?;
    let mut found = Vec::new();
    for name in ["h264_aac.mp4", "h264_bframes_aac.mp4", "h264_long_gop_aac.mp4", "audio_aac.mp4"] {
        server.add(name, name)?;
        for container in [Ts, Fmp4] {
            found.extend(findings(&server.hls(name, container))?);
        }
    }
    server.add("h264_vfr_aac.mp4", "vfr.mp4")?;
    found.extend(findings(&server.hls("vfr.mp4", Fmp4))?);
    found.extend(findings_but(&server.hls("vfr.mp4", Ts), &[LAST_PICTURE])?);
    server.add("h264_small_aac.mp4", "ladder/low.mp4")?;
    server.add("h264_aac.mp4", "ladder/high.mp4")?;
    let list = r#"{"renditions": [{"src": "ladder/low.mp4"}, {"src": "ladder/high.mp4"}]}"#;
    std::fs::write(server.folder().join("list.json"), list)?;
    for container in [Ts, Fmp4] {
        found.extend(findings(&server.hls("ladder", container))?);
        found.extend(findings(&server.hls("list.json", container))?);
    }
    if found.is_empty() { Ok(()) } else { Err(found.join("\n").into()) }
}

#[test]
fn a_page_seeks_with_hls_js_and_plays_on() -> Outcome {
    let server = VodServer::start()?;
    server.add("h264_aac.mp4", "a.mp4")?;
    for container in [Ts, Fmp4] {
        let report = browser::play_from(Player::Hls, &server.hls("a.mp4", container), 6, 2)?;
        assert_eq!(report.error, None, "{report:?}");
        assert!(report.began_s >= 6.0, "{report:?}");
        assert!(report.played_s >= 2.0 && report.frames >= 30, "{report:?}");
    }
    Ok(())
}

#[test]
fn a_page_plays_both_through_the_port_of_the_engine_with_hls_js() -> Outcome {
    let house = House::start(env!("CARGO_BIN_EXE_daemon"))?;
    std::fs::copy(clip("h264_aac.mp4")?, house.vod_folder().join("a.mp4"))?;
    for playlist in ["playlist.m3u8", "playlist_sfm4s.m3u8"] {
        let report = browser::play(Player::Hls, &house.http(&format!("vod/a.mp4/{playlist}")), 8)?;
        assert_eq!(report.error, None, "{report:?}");
        assert!(report.played_s >= 8.0 && report.frames >= 30, "{report:?}");
        assert_eq!((report.width, report.height), (1280, 720));
    }
    Ok(())
}
