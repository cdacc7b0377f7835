//! WebSocket-FLV with a client that is not ours.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use streamer_core::hub::CloseReason;
use streamer_core::{Gateway, Registry};
use streamer_http::{AllowedOrigins, HttpOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::client::{FlvMedia, request};
use super::server::{Server, VIDEO, frame, impatient, start, start_with, time_in};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const PLAY: &str = "/live/test/play.flv";
const ASK: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

async fn connect(server: &Server) -> Socket {
    connect_async(format!("ws://{}{PLAY}", server.address)).await.unwrap().0
}

/// Reads until `count` frames have come; other messages are left out.
async fn times(socket: &mut Socket, media: &mut FlvMedia, count: usize) -> Vec<i64> {
    let mut times = Vec::new();
    while times.len() < count {
        if let Some(frame) = media.pop() {
            times.push(time_in(&frame));
            continue;
        }
        if let Message::Binary(bytes) = socket.next().await.unwrap().unwrap() {
            media.push(&bytes);
        }
    }
    times
}

/// The code of the close frame that comes next, media aside.
async fn closed(socket: &mut Socket) -> Option<CloseCode> {
    loop {
        match socket.next().await? {
            Ok(Message::Close(frame)) => return frame.map(|frame| frame.code),
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn the_same_bytes_come_as_binary_messages() {
    let server = start().await;
    let mut publisher = server.publish_gop();
    let (mut socket, mut media) = (connect(&server).await, FlvMedia::default());
    assert_eq!(times(&mut socket, &mut media, 6).await, [0, 0, 40, 40, 80, 80]);
    assert_eq!(media.bytes[..5], *b"FLV\x01\x05");
    // Longer than each length form can say in fewer bytes.
    for (ms, padding) in [(120, 200), (160, 70_000)] {
        publisher.push(frame(VIDEO, ms, false, padding));
    }
    assert_eq!(times(&mut socket, &mut media, 2).await, [120, 160]);
    let viewers = server.broadcast().viewers();
    assert_eq!(viewers[0].info().protocol, "ws-flv");
    assert_eq!(server.stats.websocket_viewers.get(), 1);
    drop(publisher);
    assert_eq!(closed(&mut socket).await, Some(CloseCode::Normal));
}

#[tokio::test]
async fn a_ping_is_answered_between_the_media() {
    let server = start().await;
    let _publisher = server.publish_gop();
    let mut socket = connect(&server).await;
    socket.send(Message::Ping("here?".into())).await.unwrap();
    loop {
        if let Message::Pong(payload) = socket.next().await.unwrap().unwrap() {
            assert_eq!(payload, "here?".as_bytes());
            return;
        }
    }
}

#[tokio::test]
async fn a_viewer_that_closes_is_answered_and_gone() {
    let server = start().await;
    let _publisher = server.publish_gop();
    let mut socket = connect(&server).await;
    socket.send(Message::Text("hello".into())).await.unwrap();
    socket.close(None).await.unwrap();
    while let Some(message) = socket.next().await {
        assert!(!matches!(message, Err(Error::Protocol(_))));
    }
    server.viewers(0).await;
}

#[tokio::test]
async fn who_is_put_out_is_told_why() {
    let server = start().await;
    let _publisher = server.publish_gop();
    let (mut kicked, mut media) = (connect(&server).await, FlvMedia::default());
    times(&mut kicked, &mut media, 6).await;
    server.broadcast().viewers()[0].close(CloseReason::Kicked);
    assert_eq!(closed(&mut kicked).await, Some(CloseCode::Policy));

    let (mut stays, mut media) = (connect(&server).await, FlvMedia::default());
    times(&mut stays, &mut media, 6).await;
    server.shutdown.cancel();
    assert_eq!(closed(&mut stays).await, Some(CloseCode::Away));
    server.task.await.unwrap().unwrap();
}

/// Sends the handshake and then `bytes`; answers all that came back behind the head.
async fn violate(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let asked = format!("GET {PLAY} HTTP/1.1\r\nHost: t\r\n{ASK}\r\n");
    stream.write_all(&[asked.as_bytes(), bytes].concat()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_viewer_that_breaks_the_protocol_is_told_the_code() {
    let server = start().await;
    let _publisher = server.publish_gop();
    for (bytes, code) in [
        (&[0x82, 0x01, 0x00][..], 1002u16),
        (&[0xc2, 0x80, 0, 0, 0, 0], 1002),
        (&[0x82, 0xfe, 0xff, 0xff, 0, 0, 0, 0], 1009),
    ] {
        let answer = violate(server.address, bytes).await;
        let mut end = vec![0x88, 2];
        end.extend(code.to_be_bytes());
        assert!(answer.starts_with(b"HTTP/1.1 101 ") && answer.ends_with(&end), "{code}");
    }
    while server.stats.protocol_errors.get() < 3 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn handshakes_that_cannot_be_followed() {
    let server = start().await;
    let _publisher = server.publish_gop();
    let asked = |from, to| {
        let fields = ASK.replace(from, to);
        async move { request(server.address, "GET", PLAY, &fields).await }
    };
    let response = asked("Version: 13", "Version: 8").await;
    assert_eq!((response.status, response.header("sec-websocket-version")), (426, Some("13")));
    assert_eq!(asked("dGhl", "").await.status, 400);
    let plain = asked("websocket", "h2c").await;
    assert_eq!(plain.status, 200, "what asks for something else gets plain HTTP");
}

#[tokio::test]
async fn the_subprotocol_offered_first_is_agreed_to() {
    let server = start().await;
    let _publisher = server.publish_gop();
    let mut asked = format!("ws://{}{PLAY}", server.address).into_client_request().unwrap();
    asked.headers_mut().insert("Sec-WebSocket-Protocol", "flv, other".parse().unwrap());
    let (_, response) = connect_async(asked).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "flv");
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    let allowed_origins = AllowedOrigins::Listed(vec!["https://page.test".to_owned()]);
    let options = HttpOptions { allowed_origins, ..HttpOptions::default() };
    let server = start_with(options, Gateway::open(Registry::new(impatient()))).await;
    let _publisher = server.publish_gop();
    let status = |origin: &'static str| {
        let address = server.address;
        async move { request(address, "GET", PLAY, &format!("{ASK}Origin: {origin}\r\n")).await.status }
    };
    assert_eq!(status("https://page.test").await, 101);
    assert_eq!(status("https://evil.test").await, 403);
}
