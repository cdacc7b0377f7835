//! What the engine says when it has started: what to do next.

use std::path::Path;

use streamer_control::config::{AppConfig, EngineConfig, SourceType, ports};
use streamer_daemon::say::{line, listens, url};

use crate::listeners::Addresses;

/// The text, several lines.
#[must_use]
pub fn banner(config: &EngineConfig, origin: &str, addresses: &Addresses, token_file: &Path) -> String {
    let mut text = format!("tts {} is ready (configuration: {origin})\n\n", env!("CARGO_PKG_VERSION"));
    let push = config.apps.iter().find(|app| app.source_type == SourceType::RtmpPush);
    if let Some(app) = push {
        if let Some(url) = url("rtmp", &addresses.rtmp, ports::RTMP) {
            line(
                &mut text,
                "push",
                &format!("{url}/{}/test", app.app_name),
                signed(app.publish_auth.is_some()),
            );
            let rtmp = format!("{url}/{}/test", app.app_name);
            let command = format!("ffmpeg -re -i in.mp4 -c copy -f flv {rtmp}");
            line(&mut text, "", &command, "");
        }
        play(&mut text, app, addresses);
    }
    if let Some(url) = url("http", &addresses.api, 80) {
        line(&mut text, "API", &format!("{url}/v1/streams"), "");
        let command =
            format!("curl -H \"Authorization: Bearer $(cat {})\" {url}/v1/streams", token_file.display());
        line(&mut text, "", &command, "");
    }
    for (name, list) in [
        ("rtmp", &addresses.rtmp),
        ("rtmps", &addresses.rtmps),
        ("http", &addresses.http),
        ("https", &addresses.https),
        ("api", &addresses.api),
    ] {
        listens(&mut text, name, list);
    }
    text.push_str("\nCtrl-C stops it.\n");
    text
}

fn play(text: &mut String, app: &AppConfig, addresses: &Addresses) {
    let note = signed(app.play_auth.is_some());
    for (label, scheme, list, default_port, file) in [
        ("play: RTMP", "rtmp", &addresses.rtmp, ports::RTMP, ""),
        ("play: HTTP-FLV", "http", &addresses.http, 80, "/play.flv"),
        ("play: WebSocket-FLV", "ws", &addresses.http, 80, "/play.flv"),
        ("play: HLS", "http", &addresses.http, 80, "/playlist.m3u8"),
        ("play: LL-HLS, fMP4", "http", &addresses.http, 80, "/playlist_sfm4s.m3u8"),
    ] {
        if let Some(url) = url(scheme, list, default_port) {
            line(text, label, &format!("{url}/{}/test{file}", app.app_name), note);
        }
    }
}

const fn signed(needed: bool) -> &'static str {
    if needed { "   (a signed query string is needed)" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_start_says_what_to_do_next() {
        let addresses = Addresses {
            rtmp: vec!["[::]:1935".parse().unwrap()],
            http: vec!["[::]:8080".parse().unwrap()],
            api: vec!["127.0.0.1:8087".parse().unwrap(), "[::1]:8087".parse().unwrap()],
            ..Addresses::default()
        };
        let text = banner(&EngineConfig::default(), "embedded", &addresses, Path::new("/data/engine-token"));
        for words in [
            "push                 rtmp://127.0.0.1/live/test\n",
            "rtmp://127.0.0.1/live/test",
            "http://127.0.0.1:8080/live/test/play.flv",
            "ws://127.0.0.1:8080/live/test/play.flv",
            "http://127.0.0.1:8080/live/test/playlist.m3u8",
            "http://127.0.0.1:8080/live/test/playlist_sfm4s.m3u8",
            "http://127.0.0.1:8087/v1/streams",
            "$(cat /data/engine-token)",
            "127.0.0.1:8087, [::1]:8087",
        ] {
            assert!(text.contains(words), "{words}\n{text}");
        }
    }
}
