//! A viewer that watches for as long as it is let, and what it has seen so far.

use std::process::Command;
use std::time::Instant;

use crate::Outcome;
use crate::play::{PLAY_LIMIT, hash_of_packet, longest_run, packets_of_clip};
use crate::process::Running;
use crate::tools::Tool;

/// FFmpeg that watches the pictures of a stream; dropping it ends it.
#[derive(Debug)]
pub struct Viewer {
    player: Running,
    told: String,
}

impl Viewer {
    /// Begins to watch `url`.
    ///
    /// # Errors
    /// When the program is missing.
    pub fn start(url: &str) -> Outcome<Self> {
        let mut command = Command::new(Tool::Ffmpeg.path()?);
        command.args(["-nostdin", "-hide_banner", "-loglevel", "error", "-i", url]);
        command.args(["-map", "0:v:0", "-c", "copy", "-flush_packets", "1", "-f", "framemd5", "-"]);
        Ok(Self { player: Running::start(&mut command)?, told: String::new() })
    }

    /// The hashes of the packets so far, in the order in which they came.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        let whole = self.told.rfind('\n').map_or("", |end| &self.told[..end]);
        whole.lines().filter_map(hash_of_packet).collect()
    }

    /// Watches until the last `packets` packets are of the clip `name`.
    ///
    /// # Errors
    /// When the player ends, or they do not come in time.
    pub fn until_it_shows(&mut self, name: &str, packets: usize) -> Outcome {
        let clip = packets_of_clip(name)?;
        let end = Instant::now() + PLAY_LIMIT;
        loop {
            let seen = self.seen();
            if seen.iter().rev().take_while(|hash| clip.contains(hash)).count() >= packets {
                return Ok(());
            }
            let left = end.saturating_duration_since(Instant::now());
            let more = self.player.until_written(1, left);
            let more = more.map_err(|error| format!("{name} is not shown: {error}"))?;
            self.told += &String::from_utf8_lossy(&more);
        }
    }

    /// Watches `packets` packets more.
    ///
    /// # Errors
    /// When the player ends, or they do not come in time.
    pub fn watch(&mut self, packets: usize) -> Outcome {
        let (before, end) = (self.seen().len(), Instant::now() + PLAY_LIMIT);
        while self.seen().len() < before + packets {
            let more = self.player.until_written(1, end.saturating_duration_since(Instant::now()))?;
            self.told += &String::from_utf8_lossy(&more);
        }
        Ok(())
    }

    /// Compares all it has seen with the clips `names`, one after the other: of each an unbroken run from any place on.
    ///
    /// # Errors
    /// When that is not what it has seen.
    pub fn expect(&self, names: &[&str]) -> Outcome {
        let seen = self.seen();
        let mut rest = seen.as_slice();
        for name in names {
            let clip = packets_of_clip(name)?;
            let (run, others) = rest.split_at(rest.iter().take_while(|hash| clip.contains(hash)).count());
            let unbroken = longest_run(&clip, run);
            if run.is_empty() || unbroken < run.len() {
                let at = seen.len() - rest.len();
                return Err(format!("{name}: {unbroken} of {} packets from {at} on", run.len()).into());
            }
            rest = others;
        }
        if rest.is_empty() { Ok(()) } else { Err(format!("{} packets more: {names:?}", rest.len()).into()) }
    }
}
