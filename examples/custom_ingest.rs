//! Media of your own: a tone made in this program, played by anyone over RTMP.
//!
//! `cargo run -p examples --bin custom_ingest [RTMP-ADDRESS]`, then `ffplay rtmp://127.0.0.1/live/tone`

use std::env::args;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use streamer_core::codec::{G711Config, G711Law};
use streamer_core::hub::PublisherInfo;
use streamer_core::{
    Codec, Frame, Gateway, Media, Registry, Source, SourceError, Timescale, Timestamp, Track, TrackId,
    Tracks, ingest,
};
use streamer_rtmp::RtmpOptions;
use tokio::time::{Interval, interval};
use tokio_util::sync::CancellationToken;

const SAMPLE_RATE_HZ: u32 = 8_000;
const FRAME_SAMPLES: u32 = 160;
const TONE_HZ: f64 = 440.0;

/// A sine tone in G.711 A-law, 20 ms a frame, in real time.
struct Tone {
    clock: Interval,
    frames: u32,
    told_tracks: bool,
}

#[async_trait]
impl Source for Tone {
    async fn next(&mut self) -> Result<Option<Media>, SourceError> {
        let Some(timescale) = Timescale::new(SAMPLE_RATE_HZ) else { return Ok(None) };
        if !self.told_tracks {
            self.told_tracks = true;
            let codec = G711Config { law: G711Law::A, sample_rate_hz: SAMPLE_RATE_HZ, channels: 1 };
            let track = Track { id: TrackId::audio(0), timescale, codec: Codec::G711(codec) };
            return Ok(Some(Media::Tracks(Arc::new(Tracks { list: vec![track], ..Tracks::default() }))));
        }
        self.clock.tick().await;
        let first = self.frames * FRAME_SAMPLES;
        self.frames += 1;
        let data: Vec<u8> = (first..first + FRAME_SAMPLES).map(sample).collect();
        let dts = Timestamp::new(i64::from(first), timescale);
        let frame = Frame { track: TrackId::audio(0), dts, pts: dts, sync: true, data: data.into() };
        Ok(Some(Media::Frame(Arc::new(frame))))
    }
}

fn sample(number: u32) -> u8 {
    let seconds = f64::from(number) / f64::from(SAMPLE_RATE_HZ);
    let level = (seconds * TONE_HZ * std::f64::consts::TAU).sin() * 8_000.0;
    a_law(level as i16)
}

/// A-law of a 16-bit sample (ITU-T G.711 table 1): sign, segment, four bits within it; even bits inverted.
fn a_law(sample: i16) -> u8 {
    let magnitude = (sample.unsigned_abs() >> 3).min(0xfff);
    let segment = (magnitude >> 4).checked_ilog2().unwrap_or(0);
    let within = magnitude >> segment.max(1) & 0xf;
    let sign = if sample >= 0 { 0x80 } else { 0 };
    (sign | (segment << 4) as u8 | within as u8) ^ 0x55
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = streamer_net::bind(args().nth(1).as_deref().unwrap_or("[::]:1935").parse()?)?;
    println!("play  rtmp://{}/live/tone", listener.local_addr()?);
    let registry = Registry::default();
    let server = streamer_rtmp::run(
        listener,
        RtmpOptions::default(),
        Gateway::open(registry.clone()),
        CancellationToken::new(),
    );
    tokio::spawn(server);

    let who = PublisherInfo { protocol: "tone", peer: None };
    let mut publisher = registry.publish(&"live/tone".parse()?, who)?;
    let mut tone = Tone { clock: interval(Duration::from_millis(20)), frames: 0, told_tracks: false };
    tokio::select! {
        ended = ingest(&mut tone, &mut publisher) => ended?,
        stop = tokio::signal::ctrl_c() => stop?,
    }
    Ok(())
}
