//! A port on loopback and a publisher that feeds it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use streamer_core::codec::{AacConfig, AvcConfig, HevcConfig};
use streamer_core::hub::{AppOptions, Broadcast, PublisherInfo};
use streamer_core::{
    Authorizer, Codec, Frame, Gateway, Media, Publisher, Registry, StreamKey, Timescale, Timestamp, Track,
    TrackId, Tracks,
};
use streamer_http::{Hls, HttpError, HttpOptions, HttpStats, run};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const VIDEO: TrackId = TrackId::video(0);
pub const AUDIO: TrackId = TrackId::audio(0);

pub struct Server {
    pub address: SocketAddr,
    pub registry: Registry,
    pub stats: Arc<HttpStats>,
    pub hls: Hls,
    pub shutdown: CancellationToken,
    pub task: JoinHandle<Result<(), HttpError>>,
}

/// Streams that end when their publisher does, and viewers that do not wait for one.
pub fn impatient() -> AppOptions {
    AppOptions {
        wait_for_publisher: Duration::ZERO,
        write_window: Duration::from_millis(1),
        ..AppOptions::default()
    }
}

pub async fn start() -> Server {
    start_with(HttpOptions::default(), Gateway::open(Registry::new(impatient()))).await
}

pub async fn start_guarded(authorizer: Arc<dyn Authorizer>) -> Server {
    start_with(HttpOptions::default(), Gateway::guarded(Registry::new(impatient()), authorizer)).await
}

pub async fn start_with(options: HttpOptions, gateway: Gateway) -> Server {
    let listener = streamer_net::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (stats, registry) = (Arc::clone(&options.stats), gateway.registry.clone());
    let (shutdown, hls) = (CancellationToken::new(), options.hls.clone());
    let task = tokio::spawn(run(listener, options, gateway, shutdown.clone()));
    Server { address, registry, stats, hls, shutdown, task }
}

pub fn key() -> StreamKey {
    "live/test".parse().unwrap()
}

fn golden(name: &str) -> Bytes {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../streamer-core/testdata/codec/");
    std::fs::read(format!("{folder}{name}")).unwrap().into()
}

/// H.264 and AAC.
pub fn tracks() -> Tracks {
    let video = AvcConfig::parse(&golden("h264-baseline-240.record")).unwrap();
    let audio = AacConfig::parse(&golden("aac-lc-44100-stereo.record")).unwrap();
    of(vec![(VIDEO, Codec::H264(video)), (AUDIO, Codec::Aac(audio))])
}

/// HEVC alone.
pub fn hevc() -> Tracks {
    of(vec![(VIDEO, Codec::H265(HevcConfig::parse(&golden("h265-main-720.record")).unwrap()))])
}

/// H.264 alone.
pub fn silent() -> Tracks {
    of(tracks().list.into_iter().take(1).map(|track| (track.id, track.codec)).collect())
}

fn of(list: Vec<(TrackId, Codec)>) -> Tracks {
    let timescale = Timescale::MILLIS;
    Tracks {
        list: list.into_iter().map(|(id, codec)| Track { id, timescale, codec }).collect(),
        metadata: Vec::new(),
    }
}

/// One NAL unit, or AAC frame, of at least nine bytes that ends in its time.
pub fn frame(track: TrackId, ms: i64, sync: bool, padding: usize) -> Media {
    let mut data = Vec::new();
    if track == VIDEO {
        data.extend(u32::try_from(padding + 9).unwrap().to_be_bytes());
        data.push(if sync { 0x65 } else { 0x41 });
    }
    data.resize(data.len() + padding, 0);
    data.extend(ms.to_be_bytes());
    let at = Timestamp::from_millis(ms);
    Media::Frame(Arc::new(Frame { track, dts: at, pts: at, sync, data: data.into() }))
}

/// The time that [`frame`] put into a frame.
pub fn time_in(frame: &Frame) -> i64 {
    i64::from_be_bytes(frame.data.last_chunk().copied().unwrap())
}

impl Server {
    pub fn publish(&self, tracks: Tracks) -> Publisher {
        let mut publisher = self.registry.publish(&key(), PublisherInfo::default()).unwrap();
        publisher.push(Media::Tracks(Arc::new(tracks)));
        publisher
    }

    /// A publisher that has sent a GOP of pictures at 0, 40 and 80 ms, each with sound.
    pub fn publish_gop(&self) -> Publisher {
        let mut publisher = self.publish(tracks());
        for ms in [0, 40, 80] {
            publisher.push(frame(VIDEO, ms, ms == 0, 0));
            publisher.push(frame(AUDIO, ms, true, 0));
        }
        publisher
    }

    pub fn broadcast(&self) -> Broadcast {
        self.registry.get(&key()).unwrap()
    }

    /// Waits until the stream has `count` viewers.
    pub async fn viewers(&self, count: usize) {
        let mut events = self.registry.events();
        while self.broadcast().viewer_count() != count {
            events.next().await;
        }
    }
}
