//! The whole server inside another program: RTMP in, RTMP, HTTP-FLV and WebSocket-FLV out.
//!
//! `cargo run -p examples --bin embedded_server [RTMP-ADDRESS] [HTTP-ADDRESS]`

use std::env::args;
use std::error::Error;

use streamer_core::{Gateway, Registry};
use streamer_http::HttpOptions;
use streamer_rtmp::RtmpOptions;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let rtmp = streamer_net::bind(args().nth(1).as_deref().unwrap_or("[::]:1935").parse()?)?;
    let http = streamer_net::bind(args().nth(2).as_deref().unwrap_or("[::]:8080").parse()?)?;
    println!("push to  rtmp://{}/live/test", rtmp.local_addr()?);
    println!("play     http://{}/live/test/play.flv", http.local_addr()?);

    let gateway = Gateway::open(Registry::default());
    let stop = CancellationToken::new();
    let rtmp = tokio::spawn(streamer_rtmp::run(rtmp, RtmpOptions::default(), gateway.clone(), stop.clone()));
    let http = tokio::spawn(streamer_http::run(http, HttpOptions::default(), gateway, stop.clone()));

    tokio::signal::ctrl_c().await?;
    stop.cancel();
    rtmp.await??;
    http.await??;
    Ok(())
}
