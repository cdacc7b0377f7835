//! Each daemon killed while viewers watch: media do not stop for want of a manager, and the view of the manager becomes
//! right again after either is back.

use std::time::Duration;

use serde_json::{Value, json};
use streamer_interop::Outcome;
use streamer_interop::house::House;
use streamer_interop::publish;
use streamer_interop::tools::Tool::Ffmpeg;
use streamer_interop::viewer::Viewer;

const DAEMON: &str = env!("CARGO_BIN_EXE_daemon");
const CLIP: &str = "h264_small_aac.mp4";
/// One second of pictures.
const PICTURES: usize = 30;
/// Longest time for a publisher or a player to notice that it was closed.
const GOODBYE: Duration = Duration::from_secs(30);

/// Adds the APP `name`; the version of the configuration that has it.
fn add_app(house: &House, name: &str) -> Outcome<u64> {
    house.change("POST", "/v1/app", json!({ "app_name": name, "source_type": "rtmp_push" }))
}

/// Waits until REST lists one stream, `sport/one`, and its two viewers.
fn is_listed(house: &House) -> Outcome<Value> {
    house.until("/v1/stream?state=streaming", |answer| {
        answer["total"] == 1 && answer["list"][0]["app"] == "sport" && answer["list"][0]["stream"] == "one"
    })?;
    house.until("/v1/viewer?app=sport&stream=one", |answer| answer["total"] == 2)
}

fn viewers(house: &House) -> Outcome<[Viewer; 2]> {
    let mut viewers =
        [Viewer::start(&house.http("sport/one/play.flv"))?, Viewer::start(&house.rtmp("sport/one"))?];
    for viewer in &mut viewers {
        viewer.watch(PICTURES)?;
    }
    Ok(viewers)
}

#[test]
fn viewers_miss_nothing_while_the_manager_is_killed_and_comes_back() -> Outcome {
    let mut house = House::start(DAEMON)?;
    house.applied(add_app(&house, "sport")?)?;
    let _publisher = publish::ffmpeg(Ffmpeg, CLIP, &house.rtmp("sport/one"))?;
    let mut viewers = viewers(&house)?;
    let before = is_listed(&house)?;

    house.kill_manager()?;
    for viewer in &mut viewers {
        viewer.watch(PICTURES)?;
    }
    house.start_manager()?;
    let after = is_listed(&house)?;
    let ids = |answer: &Value| [0, 1].map(|index| answer["list"][index]["id"].as_u64());
    assert_eq!(ids(&after), ids(&before), "they are the same viewers");
    house.applied(add_app(&house, "later")?)?;
    let _later = publish::ffmpeg(Ffmpeg, CLIP, &house.rtmp("later/two"))?;
    house.until("/v1/stream/later/two", |answer| answer["data"]["state"] == "streaming")?;
    for viewer in &mut viewers {
        viewer.watch(PICTURES)?;
        viewer.expect(&[CLIP])?;
    }
    Ok(())
}

#[test]
fn the_view_of_the_manager_is_right_after_the_engine_was_killed_and_came_back() -> Outcome {
    let mut house = House::start(DAEMON)?;
    let version = add_app(&house, "sport")?;
    house.applied(version)?;
    let publisher = publish::ffmpeg(Ffmpeg, CLIP, &house.rtmp("sport/one"))?;
    let watching = viewers(&house)?;
    is_listed(&house)?;

    house.kill_engine()?;
    // Not that it was not there yet when the manager came.
    let is_gone = |reason: &Value| reason.as_str().is_some_and(|reason| reason.contains("does not answer"));
    house.until("/v1/event?kind=engine_down", |answer| is_gone(&answer["list"][0]["reason"]))?;
    let (status, system) = house.call("GET", "/v1/system", None)?;
    assert_eq!((status, &system["data"]["engine"]["reachable"]), (200, &json!(false)), "{system}");
    publisher.wait(GOODBYE)?;
    drop(watching);
    // What is changed meanwhile holds as soon as it is back.
    let changed = add_app(&house, "later")?;
    assert_eq!(changed, version + 1);

    house.start_engine()?;
    house.applied(changed)?;
    house.told("kind=engine_up", 2)?;
    // Only now it is certain that nothing of before goes on.
    house.told("kind=stream_unpublished", 1)?;
    house.told("kind=viewer_left", 2)?;
    let _publisher = publish::ffmpeg(Ffmpeg, CLIP, &house.rtmp("sport/one"))?;
    let _later = publish::ffmpeg(Ffmpeg, CLIP, &house.rtmp("later/two"))?;
    house.until("/v1/stream/later/two", |answer| answer["data"]["state"] == "streaming")?;
    let again = viewers(&house)?;
    house.until("/v1/stream?state=streaming", |answer| answer["total"] == 2)?;
    house.until("/v1/viewer", |answer| answer["total"] == 2)?;
    again.iter().try_for_each(|viewer| viewer.expect(&[CLIP]))
}
