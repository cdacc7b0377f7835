//! Encrypted streams: what a client fetches, decrypts and finds.

use std::sync::Arc;
use std::time::Duration;

use aes::Aes128;
use aes::cipher::{BlockDecryptMut, KeyIvInit};
use async_trait::async_trait;
use cbc::Decryptor;
use streamer_core::{AccessRequest, Authorizer, Denied, DeniedKind};
use streamer_http::HlsAppOptions;
use streamer_http::HlsStore;
use streamer_http::object_store::ObjectStore;
use streamer_http::object_store::memory::InMemory;
use streamer_http::proto::hls::{Encryption, EncryptionMethod, ListOptions, PackagerOptions};

use super::super::server::Server;
use super::player::{Answer, FMP4, Feed, TS, options, packager, resolve, start, start_guarded};

const TS_INDEX: &str = "/live/test/media/ts/index.m3u8";
const VIDEO_INDEX: &str = "/live/test/media/video0/index.m3u8";

fn encrypted(method: EncryptionMethod, rotate_s: u64) -> HlsAppOptions {
    let encryption = Some(Encryption { method, rotate: Duration::from_secs(rotate_s) });
    HlsAppOptions { packager: PackagerOptions { encryption, ..packager() }, ..options() }
}

/// A segment as it is in the clear.
fn decrypt(key: &[u8], msn: u64, mut data: Vec<u8>) -> Vec<u8> {
    let iv = u128::from(msn).to_be_bytes();
    let mut decryptor = Decryptor::<Aes128>::new(key.into(), &iv.into());
    for block in data.chunks_exact_mut(16) {
        decryptor.decrypt_block_mut(block.into());
    }
    let padding = usize::from(*data.last().unwrap());
    data.truncate(data.len() - padding);
    data
}

/// Each segment of `playlist` in the clear, fetched with its key, and the address of that.
async fn segments(server: &Server, index: &str, playlist: &Answer) -> Vec<(String, Vec<u8>)> {
    let mut key = String::new();
    let mut msn = playlist.media_sequence();
    let mut segments = Vec::new();
    for line in playlist.text().lines() {
        if let Some(attributes) = line.strip_prefix("#EXT-X-KEY:METHOD=AES-128,URI=\"") {
            key = resolve(index, attributes.strip_suffix('"').unwrap());
        } else if !line.starts_with('#') {
            let (bytes, segment) = (server.fetch(&key).await, server.fetch(&resolve(index, line)).await);
            assert_eq!((bytes.status, bytes.body.len(), segment.status), (200, 16, 200), "{key} {line}");
            segments.push((key.clone(), decrypt(&bytes.body, msn, segment.body)));
            msn += 1;
        }
    }
    segments
}

fn is_media(index: &str, data: &[u8]) -> bool {
    if index == TS_INDEX { data.len().is_multiple_of(188) && data[0] == 0x47 } else { &data[4..8] == b"styp" }
}

#[tokio::test]
async fn there_is_no_manifest_of_what_is_encrypted() {
    for method in [EncryptionMethod::Aes128, EncryptionMethod::SampleAes] {
        let server = start(encrypted(method, 2)).await;
        let mut feed = Feed::new(&server);
        feed.seconds(4);
        assert_eq!(server.fetch(FMP4).await.status, 200);
        let answer = server.fetch("/live/test/manifest.mpd").await;
        assert_eq!(answer.status, 404);
        assert!(String::from_utf8_lossy(&answer.body).contains("encrypted"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_client_decrypts_what_it_fetched_with_the_key() {
    let server = start(encrypted(EncryptionMethod::Aes128, 2)).await;
    let mut feed = Feed::new(&server);
    feed.seconds(4);
    for (multivariant, index) in [(TS, TS_INDEX), (FMP4, VIDEO_INDEX)] {
        assert_eq!(server.fetch(multivariant).await.status, 200);
        server.segments(&mut feed, index, 4).await;
        let playlist = server.fetch(index).await;
        for tag in ["EXT-X-PART", "PRELOAD-HINT", "SERVER-CONTROL"] {
            assert!(!playlist.text().contains(tag), "{tag}");
        }
        let segments = segments(&server, index, &playlist).await;
        assert!(segments.len() >= 5 && segments.iter().all(|(_, data)| is_media(index, data)));
        let mut keys: Vec<_> = segments.iter().map(|(key, _)| key).collect();
        keys.dedup();
        assert!(keys.len() >= 3, "{keys:?}");
        let key = server.fetch(keys[0]).await;
        assert_eq!(key.header("content-type"), Some("application/octet-stream"));
        assert_eq!(key.header("cache-control"), Some("private, no-store"));
        let wrong = keys[0].replace("-0.key", "-99.key");
        assert_eq!(server.fetch(&wrong).await.status, 404);
    }
    // Initialization sections are clear.
    let map = server.fetch(VIDEO_INDEX).await.attributes("#EXT-X-MAP:", "URI")[0].to_owned();
    assert_eq!(&server.fetch(&resolve(VIDEO_INDEX, &map)).await.body[4..8], b"ftyp");
}

#[tokio::test]
async fn samples_are_encrypted_in_low_latency() {
    let server = start(encrypted(EncryptionMethod::SampleAes, 2)).await;
    let mut feed = Feed::new(&server);
    feed.seconds(4);
    server.segments(&mut feed, VIDEO_INDEX, 4).await;
    let playlist = server.fetch(VIDEO_INDEX).await;
    assert!(playlist.text().contains("#EXT-X-PART:") && !playlist.text().contains("AES-128"));
    let (keys, maps) = (playlist.attributes("#EXT-X-KEY:", "URI"), playlist.attributes("#EXT-X-MAP:", "URI"));
    assert!(keys.len() >= 3 && keys.len() == maps.len(), "{keys:?} {maps:?}");
    let ivs = playlist.attributes("#EXT-X-KEY:", "IV");
    for ((key, map), iv) in keys.iter().zip(maps).zip(ivs) {
        assert_eq!(server.fetch(&resolve(VIDEO_INDEX, key)).await.body.len(), 16);
        let iv = u128::from_str_radix(iv.strip_prefix("0x").unwrap(), 16).unwrap().to_be_bytes();
        let map = server.fetch(&resolve(VIDEO_INDEX, map)).await.body;
        for wanted in [&b"encv"[..], b"cbcs", &iv] {
            assert!(map.windows(wanted.len()).any(|bytes| bytes == wanted));
        }
    }
    // Transport streams are encrypted whole.
    assert!(server.fetch(TS_INDEX).await.text().contains("#EXT-X-KEY:METHOD=AES-128,"));
}

#[tokio::test]
async fn what_is_stored_is_encrypted_and_its_key_is_held() {
    let list = ListOptions { length: Duration::from_secs(4) };
    let mut options = encrypted(EncryptionMethod::Aes128, 2);
    options.packager =
        PackagerOptions { list, history: Duration::from_secs(3_600), max_bytes: 400_000, ..options.packager };
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    options.store = Some(HlsStore { store, max_bytes: u64::MAX });
    let server = start(options).await;
    let mut feed = Feed::new(&server);
    feed.seconds(3);
    let first = server.fetch(TS_INDEX).await;
    let held = segments(&server, TS_INDEX, &first).await;
    while server.hls.levels().stored_bytes < 500_000 {
        server.segments(&mut feed, TS_INDEX, 1).await;
    }
    assert_eq!(segments(&server, TS_INDEX, &first).await, held, "the same from the store");
}

/// Lets in who brings the token.
struct Token;

#[async_trait]
impl Authorizer for Token {
    async fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), Denied> {
        let right = request.parameter("token") == Some("secret");
        if right { Ok(()) } else { Err(Denied::new(DeniedKind::BadToken, "No.")) }
    }
}

#[tokio::test]
async fn who_gets_no_segment_gets_no_key() {
    let server = start_guarded(encrypted(EncryptionMethod::Aes128, 0), Arc::new(Token)).await;
    let mut feed = Feed::new(&server);
    feed.seconds(4);
    let playlist = server.fetch(&format!("{TS_INDEX}?token=secret")).await;
    let key = playlist.attributes("#EXT-X-KEY:", "URI")[0];
    assert!(key.contains("?pass="), "{key}");
    let key = resolve(TS_INDEX, key);
    assert_eq!(server.fetch(&key).await.status, 200);
    assert_eq!(server.fetch(key.split('?').next().unwrap()).await.status, 403);
}
