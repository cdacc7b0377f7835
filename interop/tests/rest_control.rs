//! The example that drives a server over REST, against both daemons.

use std::process::Command;
use std::time::Duration;

use serde_json::json;
use streamer_interop::Outcome;
use streamer_interop::house::House;
use streamer_interop::process::Running;
use streamer_interop::publish;
use streamer_interop::tools::Tool::Ffmpeg;

const DAEMON: &str = env!("CARGO_BIN_EXE_daemon");
const EXAMPLE: &str = env!("CARGO_BIN_EXE_example_rest_control");
const CLIP: &str = "h264_small_aac.mp4";
/// Longest time for the example to see what it waits for and to end.
const PATIENCE: Duration = Duration::from_secs(30);

fn example(house: &House, arguments: &[&str]) -> Outcome<Running> {
    let mut command = Command::new(EXAMPLE);
    Running::start(command.env("NO_PROXY", "*").arg(house.rest("")).args(arguments))
}

#[test]
fn it_adds_an_application_sees_its_stream_and_takes_it_away() -> Outcome {
    let house = House::start(DAEMON)?;
    let folder = house.data_folder();
    let running = example(&house, &[folder.to_str().ok_or("path")?])?;
    house.told("kind=config_applied", 2)?;
    let _publisher = publish::ffmpeg(Ffmpeg, CLIP, &house.rtmp("rest-control/test"))?;
    let shown = running.wait(PATIENCE)?.success()?.stdout;
    for line in [
        "added application rest-control",
        "application \"live\" \"rtmp_push\"",
        "application \"rest-control\" \"rtmp_push\"",
        "push to rtmp://HOST/rest-control/NAME",
        "deleted application rest-control",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in:\n{shown}");
    }
    assert!(shown.contains("stream_published"), "{shown}");
    assert_eq!(house.call("GET", "/v1/app/rest-control", None)?.0, 404);
    Ok(())
}

#[test]
fn a_token_and_a_number_of_events_do_as_well() -> Outcome {
    let house = House::start(DAEMON)?;
    let (_, made) =
        house.call("POST", "/v1/token", Some(json!({ "name": "program", "role": "operator" })))?;
    let token = made["data"]["token"].as_str().ok_or("no token")?;
    let shown = example(&house, &[token, "1"])?.wait(PATIENCE)?.success()?.stdout;
    assert_eq!(shown.lines().filter(|line| line.starts_with("event ")).count(), 1, "{shown}");
    assert_eq!(house.call("GET", "/v1/app/rest-control", None)?.0, 404);
    Ok(())
}
