//! A publisher of synthetic media and a client that reads playlists.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use streamer_core::hub::{AppOptions, PublisherInfo};
use streamer_core::testing::Synthetic;
use streamer_core::{Authorizer, Gateway, Media, Publisher, Registry, StreamKey};
use streamer_http::proto::hls::PackagerOptions;
use streamer_http::{Hls, HlsAppOptions, HttpOptions};
use tokio::io::AsyncReadExt;

use super::super::client::request;
use super::super::server::{Server, impatient, key, start_with};

pub const TS: &str = "/live/test/playlist.m3u8";
pub const FMP4: &str = "/live/test/playlist_sfm4s.m3u8";
pub const MANIFEST: &str = "/live/test/manifest.mpd";

/// Pictures between key frames: a second.
const GOP: u64 = 25;
const PICTURE_BYTES: usize = 1_000;

pub fn packager() -> PackagerOptions {
    PackagerOptions { target_duration: Duration::from_secs(1), ..PackagerOptions::default() }
}

pub fn options() -> HlsAppOptions {
    HlsAppOptions { packager: packager(), ..HlsAppOptions::default() }
}

pub async fn start(options: HlsAppOptions) -> Server {
    start_for(options, impatient()).await
}

pub async fn start_for(options: HlsAppOptions, app: AppOptions) -> Server {
    let http = HttpOptions { hls: Hls::new(options), ..HttpOptions::default() };
    start_with(http, Gateway::open(Registry::new(app))).await
}

pub async fn start_guarded(options: HlsAppOptions, authorizer: Arc<dyn Authorizer>) -> Server {
    let http = HttpOptions { hls: Hls::new(options), ..HttpOptions::default() };
    start_with(http, Gateway::guarded(Registry::new(impatient()), authorizer)).await
}

/// A publisher of synthetic media.
pub struct Feed {
    pub publisher: Option<Publisher>,
    media: Synthetic,
}

impl Feed {
    pub fn new(server: &Server) -> Self {
        Self::of(server, &key())
    }

    pub fn of(server: &Server, key: &StreamKey) -> Self {
        let publisher = server.registry.publish(key, PublisherInfo::default()).unwrap();
        Self { publisher: Some(publisher), media: Synthetic::new(GOP, PICTURE_BYTES).unwrap() }
    }

    /// Pushes until `count` more pictures are there.
    pub fn pictures(&mut self, count: usize) {
        let publisher = self.publisher.as_mut().unwrap();
        let mut left = count;
        while left > 0 {
            let media = self.media.next().unwrap();
            left -= usize::from(
                matches!(&media, Media::Frame(frame) if frame.track == super::super::server::VIDEO),
            );
            publisher.push(media);
        }
    }

    pub fn seconds(&mut self, count: usize) {
        self.pictures(25 * count);
    }

    /// The stream is over.
    pub fn end(&mut self) {
        self.publisher = None;
    }
}

/// An answer with its whole body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn text(&self) -> &str {
        assert_eq!(self.status, 200, "{self:?}");
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The URIs of a playlist that stand on lines of their own.
    pub fn uris(&self) -> Vec<&str> {
        self.text().lines().filter(|line| !line.starts_with('#')).collect()
    }

    /// The values of a tag, one for each time it is there.
    pub fn tags(&self, tag: &str) -> Vec<&str> {
        self.text().lines().filter_map(|line| line.strip_prefix(tag)).collect()
    }

    /// The attribute `name` of each tag `tag`.
    pub fn attributes(&self, tag: &str, name: &str) -> Vec<&str> {
        let values = self.tags(tag).into_iter().filter_map(|line| {
            let value = line.split_once(&format!("{name}="))?.1;
            Some(match value.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next().unwrap(),
                None => value.split(',').next().unwrap(),
            })
        });
        values.collect()
    }

    pub fn media_sequence(&self) -> u64 {
        self.tags("#EXT-X-MEDIA-SEQUENCE:")[0].parse().unwrap()
    }

    /// Media sequence number of the segment that comes after those listed.
    pub fn next_msn(&self) -> u64 {
        self.media_sequence() + self.uris().len() as u64
    }
}

pub async fn fetch_with(address: SocketAddr, method: &str, target: &str, fields: &str) -> Answer {
    let mut response = request(address, method, target, fields).await;
    let bodiless = method == "HEAD" || matches!(response.status, 204 | 304);
    let length = response.header("content-length").unwrap_or("0").parse().unwrap();
    let mut body: Vec<u8> = response.rest.drain(..).collect();
    if !bodiless {
        let received = body.len();
        body.resize(length, 0);
        response.stream.read_exact(&mut body[received..]).await.unwrap();
    }
    Answer { status: response.status, headers: response.headers, body }
}

impl Server {
    pub async fn fetch(&self, target: &str) -> Answer {
        fetch_with(self.address, "GET", target, "").await
    }

    pub async fn fetch_with(&self, target: &str, fields: &str) -> Answer {
        fetch_with(self.address, "GET", target, fields).await
    }

    /// Lets `feed` go on for `count` segments of the playlist at `index`.
    pub async fn segments(&self, feed: &mut Feed, index: &str, count: usize) {
        let mut next = self.fetch(index).await.next_msn();
        for _ in 0..count {
            feed.seconds(1);
            next = self.fetch(&format!("{index}?_HLS_msn={next}")).await.next_msn();
        }
    }

    /// Waits until so many requests are held open.
    pub async fn held(&self, count: usize) {
        while self.hls.levels().blocked_requests < count {
            tokio::task::yield_now().await;
        }
    }
}

/// What `uri` in the playlist at `base` refers to.
pub fn resolve(base: &str, uri: &str) -> String {
    let folder = base.split('?').next().unwrap().rsplit_once('/').unwrap().0;
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in uri.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}
