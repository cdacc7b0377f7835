//! Each example runs, as its own process, to its first frame.

use std::error::Error;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use streamer_core::testing::Synthetic;
use streamer_core::{Media, TrackId};
use streamer_rtmp::{ClientOptions, RtmpError, RtmpForward, RtmpPull};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A running example and what it prints.
struct Example {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Example {
    fn start(program: &str, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        Ok(Self { child, lines: BufReader::new(stdout).lines() })
    }

    /// The next line it prints.
    async fn line(&mut self) -> Result<String> {
        Ok(soon(self.lines.next_line()).await??.ok_or("the example ended")?)
    }

    /// The address in the next line, which names a URL of `scheme`.
    async fn address(&mut self, scheme: &str) -> Result<SocketAddr> {
        let line = self.line().await?;
        let (_, url) = line.split_once(scheme).ok_or(format!("no {scheme} in {line:?}"))?;
        Ok(url.split('/').next().unwrap_or_default().parse()?)
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> Result<T> {
    Ok(timeout(Duration::from_secs(30), future).await?)
}

async fn publish(address: SocketAddr, path: &str) -> std::result::Result<RtmpForward, RtmpError> {
    let url = format!("rtmp://{address}/{path}").parse()?;
    RtmpForward::connect(&url, &ClientOptions::default()).await
}

async fn send(forward: &mut RtmpForward, media: &mut Synthetic, count: usize) -> Result<()> {
    for media in media.take(count) {
        forward.send_media(&media).await?;
    }
    Ok(())
}

async fn first_frame(address: SocketAddr, path: &str) -> Result<TrackId> {
    let url = format!("rtmp://{address}/{path}").parse()?;
    let mut pull = soon(RtmpPull::connect(&url, &ClientOptions::default())).await??;
    loop {
        match soon(pull.next_media()).await?? {
            Some(Media::Frame(frame)) => return Ok(frame.track),
            Some(Media::Tracks(_)) => {}
            None => return Err("the stream ended".into()),
        }
    }
}

#[tokio::test]
async fn embedded_server() -> Result<()> {
    let mut example = Example::start(env!("CARGO_BIN_EXE_embedded_server"), &["127.0.0.1:0", "127.0.0.1:0"])?;
    let rtmp = example.address("rtmp://").await?;
    let http = example.address("http://").await?;
    let mut forward = publish(rtmp, "live/test").await?;
    send(&mut forward, &mut Synthetic::new(10, 200)?, 10).await?;
    assert_eq!(first_frame(rtmp, "live/test").await?, TrackId::video(0));
    let mut viewer = TcpStream::connect(http).await?;
    viewer.write_all(b"GET /live/test/play.flv HTTP/1.0\r\n\r\n").await?;
    let mut answer = Vec::new();
    while !answer.windows(4).any(|window| window == b"FLV\x01") {
        assert!(soon(viewer.read_buf(&mut answer)).await?? > 0, "{answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn custom_ingest() -> Result<()> {
    let mut example = Example::start(env!("CARGO_BIN_EXE_custom_ingest"), &["127.0.0.1:0"])?;
    let rtmp = example.address("rtmp://").await?;
    assert_eq!(first_frame(rtmp, "live/tone").await?, TrackId::audio(0));
    Ok(())
}

#[tokio::test]
async fn custom_sink() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("out.flv");
    let path_text = path.to_str().ok_or("path")?;
    let mut example = Example::start(env!("CARGO_BIN_EXE_custom_sink"), &["127.0.0.1:0", path_text])?;
    let rtmp = example.address("rtmp://").await?;
    let mut forward = publish(rtmp, "live/test").await?;
    assert!(example.line().await?.starts_with("writing"));
    send(&mut forward, &mut Synthetic::new(10, 200)?, 50).await?;
    forward.close().await?;
    assert!(example.line().await?.starts_with("wrote"));
    assert!(soon(example.child.wait()).await??.success());
    let written = std::fs::read(&path)?;
    assert!(written.starts_with(b"FLV\x01\x05") && written.len() > 1_000, "{} bytes", written.len());
    Ok(())
}

#[tokio::test]
async fn own_auth() -> Result<()> {
    let mut example = Example::start(env!("CARGO_BIN_EXE_own_auth"), &["127.0.0.1:0"])?;
    let rtmp = example.address("rtmp://").await?;
    let refused = publish(rtmp, "live/test").await.err();
    assert!(matches!(refused, Some(RtmpError::Rejected { .. })), "{refused:?}");
    assert_eq!(example.line().await?, "publish live/test: refused");
    let mut forward = publish(rtmp, "live/test?ticket=42").await?;
    assert_eq!(example.line().await?, "publish live/test: granted");
    send(&mut forward, &mut Synthetic::new(10, 200)?, 5).await?;
    assert_eq!(first_frame(rtmp, "live/test").await?, TrackId::video(0));
    Ok(())
}
