//! Pulls and forwards between servers of which one dies: REST tells how they go, and viewers stay.

use serde_json::json;
use streamer_interop::Outcome;
use streamer_interop::elsewhere::Elsewhere;
use streamer_interop::house::House;
use streamer_interop::play::{Media, expect_clip};
use streamer_interop::publish;
use streamer_interop::tools::Tool::Ffmpeg;
use streamer_interop::viewer::Viewer;

const DAEMON: &str = env!("CARGO_BIN_EXE_daemon");
/// What the first server has, 320 pixels wide.
const FIRST: &str = "h264_small_aac.mp4";
/// What the stand-in has.
const SECOND: &str = "h264_aac.mp4";
/// One second of pictures.
const PICTURES: usize = 30;

#[test]
fn a_pull_goes_over_to_its_stand_in_and_back_and_its_viewer_stays() -> Outcome {
    let house = House::start(DAEMON)?;
    let (mut first, second) = (Elsewhere::start(DAEMON)?, Elsewhere::start(DAEMON)?);
    let dying = publish::ffmpeg(Ffmpeg, FIRST, &first.rtmp("news"))?;
    let _stand_in = publish::ffmpeg(Ffmpeg, SECOND, &second.rtmp("news"))?;
    house.change("POST", "/v1/app", json!({ "app_name": "pulled", "source_type": "rtmp_pull" }))?;
    let urls = [first.rtmp("news"), second.rtmp("news")];
    let pull = json!({ "app": "pulled", "stream": "news", "urls": urls, "return_to_preferred_s": 1 });
    house.change("POST", "/v1/stream", pull)?;
    let shows = |width: u32| {
        house.until("/v1/stream/pulled/news", |answer| {
            answer["data"]["state"] == "streaming" && answer["data"]["tracks"][0]["width"] == width
        })
    };
    let told = |kind: &str, times| house.told(&format!("app=pulled&kind={kind}"), times);
    shows(320)?;
    told("pull_up", 1)?;
    let mut viewer = Viewer::start(&house.http("pulled/news/play.flv"))?;
    viewer.until_it_shows(FIRST, PICTURES)?;

    first.kill()?;
    viewer.until_it_shows(SECOND, PICTURES)?;
    let stream = shows(1280)?;
    assert!(stream["data"]["retries"].as_u64() >= Some(1) && stream["data"]["last_error"].is_string());
    let down = told("pull_down", 1)?;
    assert!(down[0]["error"].is_string(), "{down:?}");
    told("pull_up", 2)?;

    drop(dying);
    first.start_again()?;
    let _back = publish::ffmpeg(Ffmpeg, FIRST, &first.rtmp("news"))?;
    viewer.until_it_shows(FIRST, PICTURES)?;
    shows(320)?;
    viewer.expect(&[FIRST, SECOND, FIRST])?;
    // Going back is no failure, and one viewer it was all the time.
    told("pull_down", 1)?;
    let viewers = house.until("/v1/viewer?app=pulled", |answer| answer["total"] == 1)?;
    assert_eq!(viewers["list"][0]["protocol"], "http-flv");
    Ok(())
}

#[test]
fn a_forward_tells_how_it_goes_while_the_other_server_dies_and_comes_back() -> Outcome {
    let house = House::start(DAEMON)?;
    let mut other = Elsewhere::start(DAEMON)?;
    let _publisher = publish::ffmpeg(Ffmpeg, FIRST, &house.rtmp("live/hall"))?;
    let forward = json!({ "name": "copy", "app": "live", "stream": "hall", "url": other.rtmp("copy") });
    house.change("POST", "/v1/forward", forward)?;
    let is = |state: &str| house.until("/v1/forward/live/copy", |answer| answer["data"]["state"] == state);
    let told = |kind: &str, times| house.told(&format!("app=live&kind={kind}"), times);
    let up = is("streaming")?;
    assert!(up["data"]["bytes"].as_u64() > Some(0) && up["data"]["retries"] == 0, "{up}");
    told("forward_up", 1)?;
    expect_clip(Ffmpeg, &other.http_flv("copy"), FIRST, Media::Video, PICTURES)?;

    other.kill()?;
    let down = is("retrying")?;
    assert!(down["data"]["retries"].as_u64() >= Some(1), "{down}");
    assert!(down["data"]["last_error"].is_string(), "{down}");
    assert_eq!(down["data"]["reason"], down["data"]["last_error"]);
    let event = told("forward_down", 1)?;
    assert_eq!(event[0]["name"], "copy");

    other.start_again()?;
    let again = is("streaming")?;
    let sent = |answer: &serde_json::Value| answer["data"]["bytes"].as_u64();
    house.until("/v1/forward/live/copy", |answer| sent(answer) > sent(&again))?;
    told("forward_up", 2)?;
    expect_clip(Ffmpeg, &other.http_flv("copy"), FIRST, Media::Video, PICTURES)
}
