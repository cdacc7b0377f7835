//! Both daemons and FFmpeg: what is changed over REST holds in the engine, and media flow while one of them is away.

use std::time::Duration;

use serde_json::json;
use streamer_interop::Outcome;
use streamer_interop::house::House;
use streamer_interop::play::{Media, decode, expect_clip, expect_pictures};
use streamer_interop::publish;
use streamer_interop::tools::Tool::Ffmpeg;
use streamer_interop::tools::clip;

const DAEMON: &str = env!("CARGO_BIN_EXE_daemon");
const CLIP: &str = "h264_small_aac.mp4";
/// Two seconds of pictures.
const PICTURES: usize = 50;
/// Longest time for a publisher to notice that it was closed.
const GOODBYE: Duration = Duration::from_secs(30);

fn expect(answer: &(u16, serde_json::Value), code: u16, message: &str) -> Outcome {
    if answer.0 != code || answer.1["code"] != code || answer.1["message"] != message {
        return Err(format!("{code} {message} is expected, not {answer:?}").into());
    }
    Ok(())
}

#[test]
fn an_application_made_over_rest_takes_a_stream_that_can_be_watched_listed_and_kicked() -> Outcome {
    let house = House::start(DAEMON)?;
    let sport = json!({ "app_name": "sport", "source_type": "rtmp_push" });
    expect(&house.call("POST", "/v1/app", Some(sport.clone()))?, 200, "add application success")?;
    expect(&house.call("POST", "/v1/app", Some(sport))?, 409, "duplicated application name")?;
    house.applied(3)?;

    let publisher = publish::ffmpeg(Ffmpeg, CLIP, &house.rtmp("sport/one"))?;
    let stream = house.until("/v1/stream?app=sport", |answer| answer["list"][0]["state"] == "streaming")?;
    assert_eq!(stream["list"][0]["stream"], "one");
    expect_clip(Ffmpeg, &house.rtmp("sport/one"), CLIP, Media::Video, PICTURES)?;

    let (code, answer) = house.call("DELETE", "/v1/stream/sport/one/publisher", None)?;
    assert_eq!(code, 200, "{answer}");
    publisher.wait(GOODBYE)?;
    let told = |kind: &str| format!("/v1/event?app=sport&kind={kind}");
    house.until(&told("stream_published"), |answer| answer["list"][0]["stream"] == "one")?;
    house.until(&told("stream_unpublished"), |answer| answer["list"][0]["stream"] == "one")?;
    Ok(())
}

#[test]
fn what_is_rolled_back_is_gone_from_the_engine() -> Outcome {
    let house = House::start(DAEMON)?;
    let (_, before) = house.call("GET", "/v1/config", None)?;
    let version = before["data"]["version"].as_u64().ok_or("no version")?;
    let sport = json!({ "app_name": "sport", "source_type": "rtmp_push" });
    expect(&house.call("POST", "/v1/app", Some(sport))?, 200, "add application success")?;
    let (code, answer) = house.call("POST", "/v1/config/rollback", Some(json!({ "version": version })))?;
    assert_eq!(code, 200, "{answer}");
    house.applied(version + 2)?;
    let refused = publish::ffmpeg(Ffmpeg, CLIP, &house.rtmp("sport/one"))?.wait(GOODBYE)?;
    assert!(!refused.status.success());
    let (code, _) = house.call("GET", "/v1/app/sport", None)?;
    assert_eq!(code, 404);
    Ok(())
}

#[test]
fn media_flow_without_the_manager_and_the_engine_starts_again_from_its_last_word() -> Outcome {
    let mut house = House::start(DAEMON)?;
    let sport = json!({ "app_name": "sport", "source_type": "rtmp_push" });
    expect(&house.call("POST", "/v1/app", Some(sport))?, 200, "add application success")?;
    house.applied(3)?;
    let publisher = publish::ffmpeg(Ffmpeg, CLIP, &house.rtmp("sport/one"))?;
    house.until("/v1/stream?app=sport", |answer| answer["list"][0]["state"] == "streaming")?;
    house.kill_manager()?;
    expect_clip(Ffmpeg, &house.rtmp("sport/one"), CLIP, Media::Video, PICTURES)?;
    house.kill_engine()?;
    publisher.wait(GOODBYE)?;

    house.start_engine()?;
    let _publisher = publish::ffmpeg(Ffmpeg, CLIP, &house.rtmp("sport/two"))?;
    expect_clip(Ffmpeg, &house.http("sport/two/play.flv"), CLIP, Media::Video, PICTURES)
}

#[test]
fn a_file_in_the_folder_plays_through_the_port_of_the_engine() -> Outcome {
    let house = House::start(DAEMON)?;
    std::fs::copy(clip(CLIP)?, house.vod_folder().join("film.mp4"))?;
    let (code, answer) = house.call("GET", "/v1/vod", None)?;
    assert_eq!((code, &answer["list"][0]["path"]), (200, &json!("film.mp4")), "{answer}");
    for playlist in ["playlist.m3u8", "playlist_sfm4s.m3u8"] {
        let played = decode(Ffmpeg, &house.http(&format!("vod/film.mp4/{playlist}")), PICTURES)?;
        expect_pictures(&played, Ffmpeg, CLIP, PICTURES)?;
    }
    Ok(())
}
