//! Players, and the comparison of what they received with what was published.

use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::process::Running;
use crate::tools::{Tool, clip};

/// Longest a player may take; some wait for seconds of media before they begin.
pub const PLAY_LIMIT: Duration = Duration::from_secs(60);

/// Which track of a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// The first audio track.
    Audio,
    /// The first video track.
    Video,
}

/// Decodes `pictures` pictures, or as many thirtieths of a second of sound alone, with FFmpeg, which must find nothing wrong, and tells the
/// hashes of the pictures.
///
/// # Errors
/// When the program is missing, fails, or complains.
pub fn decode(tool: Tool, url: &str, pictures: usize) -> Outcome<Vec<String>> {
    decode_with(tool, &[], url, pictures)
}

/// The same with `options` of the input.
///
/// # Errors
/// As for [`decode`].
pub fn decode_with(tool: Tool, options: &[&str], url: &str, pictures: usize) -> Outcome<Vec<String>> {
    let mut command = Command::new(tool.path()?);
    command.args(["-nostdin", "-hide_banner", "-loglevel", "warning"]).args(options).args(["-i", url]);
    // The sound of the first variant: FFmpeg takes the variants for streams of one file.
    command.args(["-map", "0:v:0?", "-map", "0:a:0?", "-frames:v", &pictures.to_string()]);
    command.args(["-t", &(pictures / 30 + 1).to_string(), "-f", "framemd5", "-"]);
    let finished = Running::start(&mut command)?.wait(PLAY_LIMIT)?.success()?;
    let complaint = finished.stderr.lines().find(|line| !is_harmless(line));
    if let Some(line) = complaint {
        return Err(format!("{url}: {line}").into());
    }
    // Stream, DTS, PTS, duration, size, hash; video is the first stream here.
    let hash =
        |line: &str| line.strip_prefix("0,").and_then(|rest| Some(rest.split(',').nth(4)?.trim().to_owned()));
    Ok(finished.stdout.lines().filter_map(hash).collect())
}

/// What FFmpeg says of its own way to read live fMP4: it loads the initialization section anew with each playlist.
fn is_harmless(line: &str) -> bool {
    line.contains("Found duplicated MOOV Atom") || line.contains("Last message repeated")
}

/// More pictures than any clip has.
const MAX_PICTURES: usize = 100_000;

/// The hashes of all pictures of the clip `name`.
///
/// # Errors
/// As for [`decode`].
pub fn decode_clip(tool: Tool, name: &str) -> Outcome<Vec<String>> {
    decode(tool, &clip(name)?.to_string_lossy(), MAX_PICTURES)
}

/// Compares decoded pictures with those of the clip `name`: `pictures` of them, without a gap, from any place on.
///
/// # Errors
/// When they differ.
pub fn expect_pictures(played: &[String], tool: Tool, name: &str, pictures: usize) -> Outcome {
    let original = decode_clip(tool, name)?;
    let unbroken = longest_run(&original, played);
    if unbroken < pictures || unbroken < played.len() {
        return Err(format!("{name}: {unbroken} of {} pictures follow the clip", played.len()).into());
    }
    Ok(())
}

/// Starts FFmpeg on `url` to read `packets` packets of a track and tell their hashes.
///
/// # Errors
/// When the program is missing.
pub fn start_ffmpeg(tool: Tool, url: &str, media: Media, packets: usize) -> Outcome<Running> {
    let mut command = Command::new(tool.path()?);
    command.args(["-nostdin", "-hide_banner", "-loglevel", "error"]);
    if tool == Tool::FfmpegNewer && url.starts_with("rtmp") {
        // What a player of enhanced RTMP announces in `connect`.
        command.args(["-rtmp_enhanced_codecs", "hvc1,av01,vp09,Opus"]);
    }
    command.args(["-i", url]);
    let (map, count) = match media {
        Media::Audio => ("0:a:0", "-frames:a"),
        Media::Video => ("0:v:0", "-frames:v"),
    };
    command.args(["-map", map, "-c", "copy", count, &packets.to_string(), "-f", "framemd5", "-"]);
    Running::start(&mut command)
}

/// The hashes that [`start_ffmpeg`]'s player told.
///
/// # Errors
/// When it failed or took too long.
pub fn hashes(player: Running) -> Outcome<Vec<String>> {
    let finished = player.wait(PLAY_LIMIT)?.success()?;
    Ok(finished.stdout.lines().filter_map(hash_of_packet).collect())
}

/// The hash in a line of FFmpeg's `framemd5`, unless it is a comment.
pub(crate) fn hash_of_packet(line: &str) -> Option<String> {
    // Stream, DTS, PTS, duration, size, hash; side data may follow.
    let hash = line.split(',').nth(5).filter(|_| !line.starts_with('#'))?;
    Some(hash.trim().to_owned())
}

/// The hashes of the packets of the pictures of the clip `name`.
pub(crate) fn packets_of_clip(name: &str) -> Outcome<Vec<String>> {
    all_packets(name, Media::Video)
}

fn all_packets(name: &str, media: Media) -> Outcome<Vec<String>> {
    let path = clip(name)?;
    hashes(start_ffmpeg(Tool::FfmpegNewer, &path.to_string_lossy(), media, usize::MAX >> 33)?)
}

/// Plays `url` with FFmpeg and compares `packets` packets, bit by bit, with the clip that is published.
///
/// # Errors
/// When the player fails, or receives anything but an unbroken run of the clip.
pub fn expect_clip(tool: Tool, url: &str, name: &str, media: Media, packets: usize) -> Outcome {
    let played = hashes(start_ffmpeg(tool, url, media, packets)?)?;
    expect_run(&played, name, media, packets)
}

/// Compares `played` with the clip `name`: at least `packets` of it, without a gap, from any place on.
///
/// # Errors
/// When they differ.
pub fn expect_run(played: &[String], name: &str, media: Media, packets: usize) -> Outcome {
    let original = all_packets(name, media)?;
    if played.len() < packets {
        return Err(format!("{} of {packets} packets of {name}", played.len()).into());
    }
    // FFmpeg leaves out an encoder's priming frame when it begins a clip again.
    let again = if media == Media::Audio { original.get(1..).unwrap_or_default() } else { &original };
    let unbroken = longest_run(&original, played).max(longest_run(again, played));
    if unbroken < played.len() {
        return Err(
            format!("{name}: the clip is followed for {unbroken} of {} packets only", played.len()).into()
        );
    }
    Ok(())
}

/// How many items of `run` follow `whole` repeated without end, from the best place on.
pub(crate) fn longest_run(whole: &[String], run: &[String]) -> usize {
    let follows = |start: usize| {
        let mut repeated = whole.iter().cycle().skip(start);
        run.iter().take_while(|item| repeated.next() == Some(item)).count()
    };
    (0..whole.len()).map(follows).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_may_begin_anywhere_and_wrap_but_not_skip() {
        let [whole, wraps, skips, foreign] =
            ["abcd", "cdab", "bcab", "xab"].map(|text| text.chars().map(String::from).collect::<Vec<_>>());
        assert_eq!([&whole, &wraps, &skips, &foreign].map(|run| longest_run(&whole, run)), [4, 4, 2, 0]);
    }
}
