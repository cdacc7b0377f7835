//! A server on a port of its own, and peers that speak to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use streamer_core::testing::Synthetic;
use streamer_core::{Frame, Gateway, Media, MediaKind, Registry};
use streamer_net::bind;
use streamer_rtmp::{ClientOptions, RtmpError, RtmpForward, RtmpOptions, RtmpPull, RtmpUrl, run};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) registry: Registry,
    pub(crate) shutdown: CancellationToken,
    pub(crate) task: JoinHandle<Result<(), RtmpError>>,
    scheme: &'static str,
}

impl Server {
    pub(crate) fn start(options: RtmpOptions, gateway: Gateway) -> Self {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let scheme = if options.accept.tls.is_some() { "rtmps" } else { "rtmp" };
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let registry = gateway.registry.clone();
        let task = tokio::spawn(run(listener, options, gateway, shutdown.clone()));
        Self { address, registry, shutdown, task, scheme }
    }

    pub(crate) fn open(registry: Registry) -> Self {
        Self::start(RtmpOptions::default(), Gateway::open(registry))
    }

    pub(crate) fn url(&self, path: &str) -> RtmpUrl {
        let port = self.address.port();
        let host = if self.scheme == "rtmps" { "localhost" } else { "127.0.0.1" };
        format!("{}://{host}:{port}/{path}", self.scheme).parse().unwrap()
    }

    pub(crate) async fn publish(&self, path: &str) -> Result<RtmpForward, RtmpError> {
        RtmpForward::connect(&self.url(path), &ClientOptions::default()).await
    }

    pub(crate) async fn play(&self, path: &str) -> Result<RtmpPull, RtmpError> {
        RtmpPull::connect(&self.url(path), &ClientOptions::default()).await
    }
}

/// Publishes a synthetic stream frame by frame, as fast as the server takes it.
pub(crate) struct Encoder {
    pub(crate) forward: RtmpForward,
    pub(crate) media: Synthetic,
}

impl Encoder {
    pub(crate) async fn start(server: &Server, path: &str) -> Self {
        Self { forward: server.publish(path).await.unwrap(), media: Synthetic::new(10, 200).unwrap() }
    }

    /// Sends until `pictures` more pictures are out.
    pub(crate) async fn send(&mut self, pictures: usize) -> Result<(), RtmpError> {
        let mut sent = 0;
        while sent < pictures {
            let media = self.media.next().unwrap();
            self.forward.send_media(&media).await?;
            sent += usize::from(picture_of(&media).is_some());
        }
        Ok(())
    }
}

pub(crate) fn picture_of(media: &Media) -> Option<&Arc<Frame>> {
    match media {
        Media::Frame(frame) if frame.track == streamer_core::TrackId::video(0) => Some(frame),
        _ => None,
    }
}

/// The next picture of a pull: its number, and whether it is a key frame.
pub(crate) async fn next_picture(pull: &mut RtmpPull) -> Option<(u64, bool)> {
    loop {
        let media = pull.next_media().await.unwrap()?;
        if let Media::Tracks(tracks) = &media {
            assert!(tracks.first(MediaKind::Video).is_some() || tracks.first(MediaKind::Audio).is_some());
        }
        if let Some(frame) = picture_of(&media) {
            return Some((Synthetic::number_of(&frame.data).unwrap(), frame.sync));
        }
    }
}

/// Ends a test that would hang.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("this should not take 30 s")
}
