//! TLS: HTTP/2 by ALPN, and HTTP/1.1 for those who do not know it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use streamer_core::hub::{AppOptions, RingLimits};
use streamer_core::{Gateway, Registry};
use streamer_http::{HttpOptions, MAX_STREAMS_PER_CONNECTION};
use streamer_net::ServerTls;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::client::FlvMedia;
use super::server::{Server, VIDEO, frame, impatient, start_with, time_in, tracks};

/// A self-signed certificate, and clients that trust it.
pub struct Certificate {
    folder: tempfile::TempDir,
}

impl Certificate {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["media.test".to_owned()]).unwrap();
        std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub async fn serve(&self, options: HttpOptions, app: AppOptions) -> Server {
        let tls = ServerTls::from_files(&self.path("cert.pem"), &self.path("key.pem")).unwrap();
        start_with(HttpOptions { tls: Some(tls), ..options }, Gateway::open(Registry::new(app))).await
    }

    async fn connect(&self, server: &Server, alpn: &[u8]) -> TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("cert.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        let tcp = TcpStream::connect(server.address).await.unwrap();
        let name = ServerName::try_from("media.test").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn));
        stream
    }

    pub async fn connect_http2(&self, server: &Server) -> http2::SendRequest<Empty<Bytes>> {
        let io = TokioIo::new(self.connect(server, b"h2").await);
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(64 << 20)
            .handshake(io)
            .await
            .unwrap();
        tokio::spawn(connection);
        sender
    }
}

pub fn request(method: &str, path: &str) -> Request<Empty<Bytes>> {
    let uri = format!("https://media.test{path}");
    Request::builder().method(method).uri(uri).body(Empty::new()).unwrap()
}

async fn play(sender: &mut http2::SendRequest<Empty<Bytes>>) -> Flv {
    let response = sender.send_request(request("GET", "/live/test/play.flv")).await.unwrap();
    Flv::new(response)
}

struct Flv {
    body: Incoming,
    media: FlvMedia,
}

impl Flv {
    fn new(response: Response<Incoming>) -> Self {
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"video/x-flv".parse().unwrap())
        );
        Self { body: response.into_body(), media: FlvMedia::default() }
    }

    /// The time in the next frame; `None` at the end of the body, which panics if it broke off.
    async fn time(&mut self) -> Option<i64> {
        loop {
            if let Some(frame) = self.media.pop() {
                return Some(time_in(&frame));
            }
            let bytes = self.body.frame().await?.unwrap().into_data().unwrap();
            self.media.push(&bytes);
        }
    }

    async fn times(&mut self, count: usize) -> Vec<i64> {
        let mut times = Vec::new();
        for _ in 0..count {
            times.push(self.time().await.unwrap());
        }
        times
    }
}

#[tokio::test]
async fn viewers_share_one_connection() {
    let certificate = Certificate::new();
    let server = certificate.serve(HttpOptions::default(), impatient()).await;
    let publisher = server.publish_gop();
    let mut sender = certificate.connect_http2(&server).await;
    let mut first = play(&mut sender).await;
    let mut second = play(&mut sender).await;
    assert_eq!(first.times(6).await, [0, 0, 40, 40, 80, 80]);
    assert_eq!(second.times(6).await, [0, 0, 40, 40, 80, 80]);
    assert_eq!(first.media.bytes[..5], *b"FLV\x01\x05");

    let head = sender.send_request(request("HEAD", "/live/test/play.flv")).await.unwrap();
    assert_eq!((head.status().as_u16(), head.version()), (200, Version::HTTP_2));
    let missing = sender.send_request(request("GET", "/live/other/play.flv")).await.unwrap();
    assert_eq!(missing.status(), 404);
    let sentence = missing.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(sentence, "There is no such stream now.\n");

    assert_eq!(server.broadcast().viewer_count(), 2);
    drop(second);
    server.viewers(1).await;
    drop(publisher);
    assert!(first.time().await.is_none());
    assert_eq!(server.stats.connections.open(), 1);
}

#[tokio::test]
async fn older_clients_get_http_1_over_tls() {
    let certificate = Certificate::new();
    let server = certificate.serve(HttpOptions::default(), impatient()).await;
    let publisher = server.publish_gop();
    let io = TokioIo::new(certificate.connect(&server, b"http/1.1").await);
    let (mut sender, connection) = http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let mut asked = request("GET", "/live/test/play.flv");
    asked.headers_mut().insert("host", "media.test".parse().unwrap());
    let mut flv = Flv::new(sender.send_request(asked).await.unwrap());
    assert_eq!(flv.times(6).await, [0, 0, 40, 40, 80, 80]);
    drop(publisher);
    assert!(flv.time().await.is_none());
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_reset_and_its_neighbours_go_on() {
    let certificate = Certificate::new();
    let options = HttpOptions { write_stall_timeout: Duration::from_millis(300), ..HttpOptions::default() };
    let ring = RingLimits { max_bytes: 4 << 20, ..RingLimits::default() };
    let server = certificate.serve(options, AppOptions { ring, ..impatient() }).await;
    let mut publisher = server.publish(tracks());
    publisher.push(frame(VIDEO, 0, true, 0));
    let mut sender = certificate.connect_http2(&server).await;
    let mut stalled = play(&mut sender).await;
    assert_eq!(stalled.times(1).await, [0]);
    let mut other = play(&mut sender).await;
    assert_eq!(other.times(1).await, [0]);
    let mut ms = 0;
    while server.stats.write_stalls.get() == 0 {
        ms += 40;
        publisher.push(frame(VIDEO, ms, ms % 400 == 0, 100_000));
        assert_eq!(other.times(1).await, [ms]);
    }
    server.viewers(1).await;
    publisher.push(frame(VIDEO, ms + 40, true, 0));
    assert_eq!(other.times(1).await, [ms + 40]);
}

#[tokio::test]
async fn streams_of_a_connection_at_their_limit() {
    let certificate = Certificate::new();
    let server = certificate.serve(HttpOptions::default(), impatient()).await;
    let _publisher = server.publish_gop();
    let mut sender = certificate.connect_http2(&server).await;
    let mut held = Vec::new();
    for _ in 0..MAX_STREAMS_PER_CONNECTION {
        held.push(play(&mut sender).await);
    }
    let mut more = Box::pin(sender.send_request(request("GET", "/live/test/play.flv")));
    // Each viewer there is has read its GOP, so the server has had every chance to answer one more.
    for flv in &mut held {
        tokio::select! {
            biased;
            _ = &mut more => panic!("one more was let in"),
            times = flv.times(6) => assert_eq!(times.len(), 6),
        }
    }
    held.pop();
    assert_eq!(more.await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_connection_on_which_nothing_happens_is_closed() {
    let certificate = Certificate::new();
    let options = HttpOptions { header_read_timeout: Duration::from_millis(50), ..HttpOptions::default() };
    let server = certificate.serve(options, impatient()).await;
    let publisher = server.publish_gop();
    let mut sender = certificate.connect_http2(&server).await;
    let mut flv = play(&mut sender).await;
    flv.times(6).await;
    drop(publisher);
    assert!(flv.time().await.is_none());
    while !sender.is_closed() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn shutdown_ends_the_viewers_of_a_shared_connection() {
    let certificate = Certificate::new();
    let server = certificate.serve(HttpOptions::default(), impatient()).await;
    let _publisher = server.publish_gop();
    let mut sender = certificate.connect_http2(&server).await;
    let mut flv = play(&mut sender).await;
    flv.times(6).await;
    server.shutdown.cancel();
    assert!(flv.time().await.is_none());
    server.task.await.unwrap().unwrap();
    assert_eq!(server.stats.connections.open(), 0);
}
