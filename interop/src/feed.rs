//! A publisher of this process: the frames of clips, stamped anew, at the pace of an encoder.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use streamer_core::container::flv::FlvFileDemuxer;
use streamer_core::hub::{Publisher, PublisherInfo};
use streamer_core::{Frame, Media, Registry, StreamKey, Timestamp};

use crate::Outcome;
use crate::process::Running;
use crate::tools::{Tool, clip};

/// A clip, or its beginning, and the time its frames are stamped with.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Name of the clip.
    pub clip: &'static str,
    /// Stamp of its first frame, in milliseconds.
    pub from_ms: i64,
    /// How much of it, in milliseconds.
    pub length_ms: i64,
}

/// Scenes being published, the last one over and over; dropping it ends the stream.
#[derive(Debug)]
pub struct Feed {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    /// Publishes `scenes` one after the other.
    ///
    /// # Errors
    /// When a clip is missing, or the stream is published already.
    pub fn start(registry: &Registry, key: &StreamKey, scenes: &[Scene]) -> Outcome<Self> {
        let mut media = Vec::new();
        for scene in scenes {
            media.push((scene.clone(), read(scene.clip)?));
        }
        let publisher = registry.publish(key, PublisherInfo { protocol: "test", peer: None })?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = Some(thread::spawn(move || play(publisher, &media, &stopped)));
        Ok(Self { stop, thread })
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn play(mut publisher: Publisher, scenes: &[(Scene, Vec<Media>)], stop: &AtomicBool) {
    let began = Instant::now();
    let mut before = Duration::ZERO;
    let mut again_ms = 0;
    for (scene, media) in scenes.iter().chain(scenes.last().into_iter().cycle()) {
        let length = Duration::from_millis(scene.length_ms.unsigned_abs());
        for item in media {
            let Media::Frame(frame) = item else {
                publisher.push(item.clone());
                continue;
            };
            let at_ms = frame.dts.as_millis();
            if at_ms >= scene.length_ms {
                continue;
            }
            let due = before + Duration::from_millis(at_ms.unsigned_abs());
            // The pace of an encoder: a frame comes when its time has come.
            thread::sleep(due.saturating_sub(began.elapsed()));
            if stop.load(Ordering::Relaxed) {
                return;
            }
            publisher.push(Media::Frame(Arc::new(stamped(frame, scene.from_ms + again_ms))));
        }
        before += length;
        if std::ptr::eq(scene, scenes.last().map_or(scene, |(last, _)| last)) {
            again_ms += scene.length_ms;
        }
    }
}

fn stamped(frame: &Frame, by_ms: i64) -> Frame {
    let later = |at: Timestamp| at.offset_by(Timestamp::from_millis(by_ms).rescale(at.scale()).ticks());
    Frame { dts: later(frame.dts), pts: later(frame.pts), ..frame.clone() }
}

/// The media of a clip, as FLV carries them.
fn read(name: &str) -> Outcome<Vec<Media>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("clip.flv");
    let mut command = Command::new(Tool::FfmpegNewer.path()?);
    command.args(["-nostdin", "-loglevel", "error", "-i"]).arg(clip(name)?);
    command.args(["-c", "copy", "-f", "flv"]).arg(&file);
    Running::start(&mut command)?.wait(Duration::from_secs(30))?.success()?;
    let mut demuxer = FlvFileDemuxer::new();
    demuxer.push(&std::fs::read(&file)?);
    let mut media = Vec::new();
    while let Some(item) = demuxer.pull()? {
        media.push(item);
    }
    Ok(media)
}
