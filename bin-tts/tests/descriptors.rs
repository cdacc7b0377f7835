//! The program with few descriptors: who is in goes on, the rest is refused, and there is room again when somebody leaves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test says what it expects by failing"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::{Value, json};
use streamer_core::testing::Synthetic;
use streamer_core::{Media, TrackId};
use streamer_daemon::testing::{PATIENCE, RunningDaemon};
use streamer_rtmp::{ClientOptions, RtmpForward};

/// What `ulimit -n` is told.
const DESCRIPTORS: usize = 256;
/// A quarter stays reserved; the engine itself has some twenty.
const EXPECTED_VIEWERS: std::ops::RangeInclusive<usize> = 140..=DESCRIPTORS - DESCRIPTORS / 4;
const REFUSALS: usize = 5;
const GOP: u64 = 10;
const PICTURE_BYTES: usize = 500;
/// GOPs that each viewer must have, one after another: more than what it found there.
const GOPS: usize = 10;

/// A viewer of the stream, if it is let in.
fn viewer(http: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(http).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /live/test/play.flv HTTP/1.1\r\nHost: x\r\n\r\n").ok()?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).ok()?;
    assert_eq!(status, *b"HTTP/1.1 200");
    Some(stream)
}

async fn send(forward: &mut RtmpForward, media: &mut Synthetic, pictures: usize) {
    let mut sent = 0;
    while sent < pictures {
        let media = media.next().unwrap();
        sent += usize::from(matches!(&media, Media::Frame(frame) if frame.track == TrackId::video(0)));
        forward.send_media(&media).await.unwrap();
    }
}

/// Lets a few GOPs be published, and each of them reach all viewers.
async fn all_receive(viewers: &mut [TcpStream], forward: &mut RtmpForward, media: &mut Synthetic) {
    let mut gop = [0; GOP as usize * PICTURE_BYTES];
    for _ in 0..GOPS {
        send(forward, media, GOP as usize).await;
        for viewer in viewers.iter_mut() {
            viewer.read_exact(&mut gop).unwrap();
        }
    }
}

#[tokio::test]
async fn few_descriptors_keep_who_is_in_and_refuse_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let loopback = json!({ "bind": ["127.0.0.1"], "port": 0 });
    let config = json!({ "listeners": { "rtmp": loopback, "http": loopback, "api": loopback }, "manager": null, "vod": null });
    std::fs::write(folder.path().join("engine.json"), config.to_string()).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {DESCRIPTORS}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_tts")]);
    command.args(["--config", "engine.json", "--data-dir", "data"]).current_dir(folder.path());
    let daemon = RunningDaemon::start(&mut command).unwrap();
    let addresses = std::fs::read_to_string(folder.path().join("data/engine-addresses.json")).unwrap();
    let addresses: Value = serde_json::from_str(&addresses).unwrap();
    let [rtmp, http, api] = ["rtmp", "http", "api"].map(|name| addresses[name][0].as_str().unwrap());

    let url = format!("rtmp://{rtmp}/live/test").parse().unwrap();
    let mut forward = RtmpForward::connect(&url, &ClientOptions::default()).await.unwrap();
    let mut media = Synthetic::new(GOP, PICTURE_BYTES).unwrap();
    send(&mut forward, &mut media, GOP as usize).await;

    let (mut viewers, mut refused) = (Vec::new(), 0);
    while refused < REFUSALS {
        match viewer(http) {
            Some(viewer) => viewers.push(viewer),
            None => refused += 1,
        }
        assert!(viewers.len() < DESCRIPTORS, "nobody is refused");
    }
    println!("{} viewers of {DESCRIPTORS} descriptors", viewers.len());
    assert!(EXPECTED_VIEWERS.contains(&viewers.len()), "{} viewers", viewers.len());
    daemon.logged("no file descriptor left: connections are refused").unwrap();

    all_receive(&mut viewers, &mut forward, &mut media).await;
    let mut looking = TcpStream::connect(api).unwrap();
    looking.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    looking.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "who looks why nobody gets in gets in: {answer}");

    let left = viewers.len() / 2;
    drop(viewers.drain(..left));
    let end = Instant::now() + PATIENCE;
    let mut back = 0;
    while back < left {
        // The place is free as soon as the server has seen the close: until then it keeps refusing.
        match viewer(http) {
            Some(viewer) => {
                viewers.push(viewer);
                back += 1;
            }
            None => assert!(Instant::now() < end, "{back} of {left} places are free again"),
        }
    }
    all_receive(&mut viewers, &mut forward, &mut media).await;
    daemon.signal(Signal::TERM).unwrap();
    drop((viewers, forward));
    assert_eq!(daemon.end().unwrap().code, Some(0));
}
