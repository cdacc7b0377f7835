//! Media taken out: the first stream called `live/test` is written to an FLV file until it ends.
//!
//! `cargo run -p examples --bin custom_sink [RTMP-ADDRESS] [FILE]`

use std::env::args;
use std::error::Error;

use async_trait::async_trait;
use bytes::Bytes;
use streamer_core::container::flv::{Dialect, FlvMuxer, MuxOptions, flv_header};
use streamer_core::hub::{SubscribeOptions, ViewerInfo};
use streamer_core::{Gateway, Media, MediaKind, Muxer, Registry, Sink, SinkError, egress};
use streamer_rtmp::RtmpOptions;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

/// Writes what it is sent to a file.
struct FlvFile {
    file: File,
    muxer: FlvMuxer,
    parts: Vec<Bytes>,
    began: bool,
}

#[async_trait]
impl Sink for FlvFile {
    async fn send(&mut self, media: Media) -> Result<(), SinkError> {
        if let (Media::Tracks(tracks), false) = (&media, self.began) {
            self.began = true;
            let has = |kind| tracks.first(kind).is_some();
            let header = flv_header(has(MediaKind::Audio), has(MediaKind::Video));
            self.file.write_all(&header).await.map_err(SinkError::failed)?;
        }
        self.muxer.mux(&media, &mut self.parts).map_err(SinkError::failed)?;
        for part in self.parts.drain(..) {
            self.file.write_all(&part).await.map_err(SinkError::failed)?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), SinkError> {
        self.file.sync_all().await.map_err(SinkError::failed)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = streamer_net::bind(args().nth(1).as_deref().unwrap_or("[::]:1935").parse()?)?;
    let path = args().nth(2).unwrap_or_else(|| "test.flv".to_owned());
    println!("push to  rtmp://{}/live/test", listener.local_addr()?);
    let registry = Registry::default();
    let gateway = Gateway::open(registry.clone());
    tokio::spawn(streamer_rtmp::run(listener, RtmpOptions::default(), gateway, CancellationToken::new()));

    let broadcast = registry.wait(&"live/test".parse()?).await?;
    let mut subscriber = broadcast.subscribe(&SubscribeOptions::new(ViewerInfo::internal("flv-file")))?;
    println!("writing {path}");
    let options = MuxOptions { dialect: Dialect::Enhanced, ..MuxOptions::default() };
    let muxer = FlvMuxer::new(options);
    let mut sink = FlvFile { file: File::create(&path).await?, muxer, parts: Vec::new(), began: false };
    egress(&mut subscriber, &mut sink).await?;
    println!("wrote {path}");
    Ok(())
}
