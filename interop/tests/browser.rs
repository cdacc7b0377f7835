//! A page in headless Chromium plays from the engine with mpegts.js.

use streamer_interop::Outcome;
use streamer_interop::browser::{self, Player};
use streamer_interop::publish;
use streamer_interop::server::Server;
use streamer_interop::tools::Tool;

fn a_page_plays(url: impl Fn(&Server) -> Outcome<String>) -> Outcome {
    let server = Server::start("")?;
    let _publisher = publish::ffmpeg(Tool::Ffmpeg, "h264_small_aac.mp4", &server.rtmp("x")?)?;
    let report = browser::play(Player::Mpegts, &url(&server)?, 2)?;
    assert_eq!(report.error, None, "{report:?}");
    assert!(report.played_s >= 2.0 && report.frames >= 30, "{report:?}");
    assert_eq!((report.width, report.height), (320, 180));
    Ok(())
}

#[test]
fn http_flv_in_a_page() -> Outcome {
    a_page_plays(|server| server.http_flv("x"))
}

#[test]
fn websocket_flv_in_a_page() -> Outcome {
    a_page_plays(|server| server.ws_flv("x"))
}
