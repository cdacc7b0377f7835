//! The program under thousands of connections that want nothing good.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test says what it expects by failing"
)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use streamer_core::testing::Synthetic;
use streamer_rtmp::{ClientOptions, RtmpForward};

const HALF_OPEN: usize = 5_000;

/// Ends the program with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn thousands_of_half_open_handshakes_hinder_no_publisher() {
    streamer_daemon::descriptors::raise_limit();
    let folder = tempfile::tempdir().unwrap();
    let loopback = json!({ "bind": ["127.0.0.1"], "port": 0 });
    let config = json!({ "listeners": { "rtmp": loopback, "http": loopback, "api": loopback }, "manager": null, "vod": null });
    std::fs::write(folder.path().join("engine.json"), config.to_string()).unwrap();
    let data = folder.path().join("data");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tts"));
    command.arg("--config").arg(folder.path().join("engine.json")).arg("--data-dir").arg(&data);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut banner = BufReader::new(child.stdout.take().unwrap()).lines();
    let _program = Program(child);
    assert!(banner.any(|line| line.unwrap().contains("Ctrl-C")), "the program is not ready");
    let addresses = std::fs::read_to_string(data.join("engine-addresses.json")).unwrap();
    let addresses: Value = serde_json::from_str(&addresses).unwrap();
    let rtmp = addresses["rtmp"][0].as_str().unwrap().to_owned();

    let mut half_open = Vec::new();
    for _ in 0..HALF_OPEN {
        let mut stream = TcpStream::connect(&rtmp).unwrap();
        stream.write_all(&[3; 700]).unwrap();
        half_open.push(stream);
    }
    let began = Instant::now();
    let url = format!("rtmp://{rtmp}/live/test").parse().unwrap();
    let options = ClientOptions::default();
    let publishing = RtmpForward::connect(&url, &options);
    let mut forward = tokio::time::timeout(Duration::from_secs(20), publishing).await.unwrap().unwrap();
    println!("a publisher beside {HALF_OPEN} half-open handshakes connected in {:?}", began.elapsed());
    for media in Synthetic::new(10, 500).unwrap().take(10) {
        forward.send_media(&media).await.unwrap();
    }
}
