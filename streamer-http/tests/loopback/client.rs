//! A plain HTTP/1 client that shows what is on the wire.

use std::collections::VecDeque;
use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use streamer_core::container::flv::FlvFileDemuxer;
use streamer_core::{Frame, Media, Tracks};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server::time_in;

pub struct Response {
    pub status: u16,
    pub version: String,
    pub headers: HeaderMap,
    pub stream: TcpStream,
    /// Read behind the head.
    pub rest: VecDeque<u8>,
}

/// Sends `request` as it is.
pub async fn send(address: SocketAddr, request: &str) -> Response {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    Response::read(stream, VecDeque::new()).await
}

pub async fn request(address: SocketAddr, method: &str, target: &str, fields: &str) -> Response {
    send(address, &format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{fields}\r\n")).await
}

pub async fn get(address: SocketAddr, target: &str) -> Response {
    request(address, "GET", target, "").await
}

impl Response {
    /// Reads a head that begins with `rest`.
    pub async fn read(mut stream: TcpStream, mut rest: VecDeque<u8>) -> Self {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if rest.is_empty() {
                let mut chunk = [0; 4096];
                let count = stream.read(&mut chunk).await.unwrap();
                assert!(count > 0, "closed within the head: {:?}", String::from_utf8_lossy(&head));
                rest.extend(&chunk[..count]);
            }
            head.extend(rest.pop_front());
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let mut status_line = lines.next().unwrap().split(' ');
        let version = status_line.next().unwrap().to_owned();
        let status = status_line.next().unwrap().parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap());
        }
        Self { status, version, headers, stream, rest }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// One more byte, or `None` at the end of the connection.
    async fn byte(&mut self) -> Option<u8> {
        if self.rest.is_empty() {
            let mut chunk = [0; 4096];
            let count = self.stream.read(&mut chunk).await.unwrap_or(0);
            self.rest.extend(&chunk[..count]);
        }
        self.rest.pop_front()
    }

    /// The next piece of the body as its framing gives it; `None` at its end. Panics if a chunked body breaks
    /// off.
    pub async fn piece(&mut self) -> Option<Vec<u8>> {
        if self.header("transfer-encoding") != Some("chunked") {
            let first = self.byte().await?;
            let mut piece = vec![first];
            piece.extend(self.rest.drain(..));
            return Some(piece);
        }
        let mut size = String::new();
        while !size.ends_with("\r\n") {
            size.push(self.byte().await.expect("the body broke off").into());
        }
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let mut piece = Vec::with_capacity(size);
        while piece.len() < size {
            piece.push(self.byte().await.expect("the body broke off"));
            let ready = (size - piece.len()).min(self.rest.len());
            piece.extend(self.rest.drain(..ready));
        }
        assert_eq!([self.byte().await.unwrap(), self.byte().await.unwrap()], *b"\r\n");
        (size > 0).then_some(piece)
    }

    /// The body of an answer with a length.
    pub async fn text(&mut self) -> String {
        let length: usize = self.header("content-length").unwrap_or("0").parse().unwrap();
        let mut text = Vec::new();
        for _ in 0..length {
            text.push(self.byte().await.unwrap());
        }
        String::from_utf8(text).unwrap()
    }

    pub fn into_flv(self) -> Flv {
        assert_eq!((self.status, self.header("content-type")), (200, Some("video/x-flv")));
        Flv { response: self, media: FlvMedia::default() }
    }
}

/// FLV bytes read as media.
#[derive(Default)]
pub struct FlvMedia {
    demuxer: Option<FlvFileDemuxer>,
    pub bytes: Vec<u8>,
    pub tracks: Option<Tracks>,
    frames: VecDeque<Frame>,
}

impl FlvMedia {
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let demuxer = self.demuxer.get_or_insert_with(FlvFileDemuxer::new);
        demuxer.push(bytes);
        while let Some(media) = demuxer.pull().unwrap() {
            match media {
                Media::Tracks(tracks) => self.tracks = Some((*tracks).clone()),
                Media::Frame(frame) => self.frames.push_back((*frame).clone()),
            }
        }
    }

    pub fn pop(&mut self) -> Option<Frame> {
        self.frames.pop_front()
    }
}

/// A stream being watched.
pub struct Flv {
    pub response: Response,
    pub media: FlvMedia,
}

impl Flv {
    /// The next frame; `None` when the body has ended.
    pub async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.media.pop() {
                return Some(frame);
            }
            let piece = self.response.piece().await?;
            self.media.push(&piece);
        }
    }

    /// The times in the next `count` frames.
    pub async fn times(&mut self, count: usize) -> Vec<i64> {
        let mut times = Vec::new();
        for _ in 0..count {
            times.push(time_in(&self.frame().await.expect("the body ended")));
        }
        times
    }
}
