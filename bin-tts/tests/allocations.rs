//! What another viewer costs the allocator while a stream runs: nothing.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use allocation_counter::measure;
use streamer_core::hub::{AppOptions, PublisherInfo, ViewerView};
use streamer_core::testing::Synthetic;
use streamer_core::{Gateway, Media, Publisher, Registry, Source, StreamKey};
use streamer_http::HttpOptions;
use streamer_rtmp::{ClientOptions, RtmpOptions, RtmpPull};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Frames before counting begins: queues have the size that they keep by then.
const WARM_UP: usize = 50;
/// Frames counted over.
const FRAMES: usize = 100;
const FRAME_BYTES: usize = 500;
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug)]
enum Protocol {
    Rtmp,
    HttpFlv,
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A viewer in a thread of its own, whose allocations are not counted; it watches until it is cut off.
fn watch(protocol: Protocol, address: SocketAddr) -> JoinHandle<()> {
    thread::spawn(move || match protocol {
        Protocol::Rtmp => runtime().block_on(async {
            let url = format!("rtmp://{address}/live/test").parse().unwrap();
            let mut pull = RtmpPull::connect(&url, &ClientOptions::default()).await.unwrap();
            while let Ok(Some(_)) = pull.next().await {}
        }),
        Protocol::HttpFlv => {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"GET /live/test.flv HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
            let mut bytes = [0; 4_096];
            while stream.read(&mut bytes).is_ok_and(|count| count > 0) {}
        }
    })
}

/// Pushes `media` one by one, each when all `viewers` were given the one before.
async fn deliver(publisher: &mut Publisher, media: impl Iterator<Item = Media>, viewers: &[ViewerView]) {
    let given = |viewer: &ViewerView| viewer.stats().frames.get();
    for media in media {
        let before: u64 = viewers.iter().map(given).sum();
        publisher.push(media);
        while viewers.iter().map(given).sum::<u64>() < before + viewers.len() as u64 {
            yield_now().await;
        }
    }
}

/// Allocations of the server while [`FRAMES`] frames reach so many `viewers`.
fn allocations(protocol: Protocol, viewers: usize) -> u64 {
    let registry = Registry::new(AppOptions { write_window: Duration::ZERO, ..AppOptions::default() });
    let (runtime, stop) = (runtime(), CancellationToken::new());
    let address = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (gateway, stop) = (Gateway::open(registry.clone()), stop.clone());
        match protocol {
            Protocol::Rtmp => {
                drop(tokio::spawn(streamer_rtmp::run(listener, RtmpOptions::default(), gateway, stop)));
            }
            Protocol::HttpFlv => {
                drop(tokio::spawn(streamer_http::run(listener, HttpOptions::default(), gateway, stop)));
            }
        }
        address
    });
    let key: StreamKey = "live/test".parse().unwrap();
    let mut publisher = registry.publish(&key, PublisherInfo::default()).unwrap();
    let mut media: Vec<Media> =
        Synthetic::new(1_000, FRAME_BYTES).unwrap().take(WARM_UP + FRAMES + 2).collect();
    let counted = media.split_off(WARM_UP + 2);
    let mut warm_up = media.into_iter();
    // The tracks and the first frame, so that there is something to join at.
    warm_up.by_ref().take(2).for_each(|media| publisher.push(media));
    let broadcast = publisher.broadcast();
    let threads: Vec<_> = (0..viewers).map(|_| watch(protocol, address)).collect();
    let views = runtime.block_on(async {
        let everybody = async {
            while broadcast.viewers().iter().filter(|viewer| viewer.stats().frames.get() > 0).count()
                < viewers
            {
                yield_now().await;
            }
        };
        timeout(PATIENCE, everybody).await.unwrap();
        let views = broadcast.viewers();
        timeout(PATIENCE, deliver(&mut publisher, warm_up, &views)).await.unwrap();
        views
    });
    let info = measure(|| runtime.block_on(deliver(&mut publisher, counted.into_iter(), &views)));
    drop((publisher, runtime));
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    info.count_total
}

#[test]
fn another_viewer_of_rtmp_allocates_nothing() {
    assert_eq!(allocations(Protocol::Rtmp, 2), allocations(Protocol::Rtmp, 40));
}

#[test]
fn another_viewer_of_http_flv_allocates_nothing() {
    assert_eq!(allocations(Protocol::HttpFlv, 2), allocations(Protocol::HttpFlv, 40));
}
