//! CPU time and memory of the server under test, from Linux's `/proc`, over the process and all its descendants.

use std::fs;
use std::io;
use std::path::Path;

/// Unit of the CPU times in `/proc/PID/stat`. Linux fixes it at 100 for user space on every architecture we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// A look at the processes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// User and system time since their start, in seconds.
    pub(crate) cpu_s: f64,
    /// Resident memory, in bytes.
    pub(crate) rss_bytes: u64,
}

/// Reads the usage of all `pids` and their descendants together; `None` when there are none.
///
/// # Errors
///
/// When one does not exist or is not ours to look at.
pub(crate) fn usage_of_trees(pids: &[u32]) -> io::Result<Option<Usage>> {
    let mut sum = None;
    for &pid in pids {
        let (tree, Usage { cpu_s, rss_bytes }) = (usage_of_tree(pid)?, sum.unwrap_or_default());
        sum = Some(Usage { cpu_s: cpu_s + tree.cpu_s, rss_bytes: rss_bytes + tree.rss_bytes });
    }
    Ok(sum)
}

/// Reads the usage of `pid` and its descendants.
///
/// # Errors
///
/// When `pid` does not exist or is not ours to look at.
fn usage_of_tree(pid: u32) -> io::Result<Usage> {
    let mut usage = usage_of(pid)?;
    let mut tree = vec![pid];
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A process may end between the listing and the look.
        let Ok(fields) = stat_fields(child) else { continue };
        if let Some(parent) = fields.get(1).and_then(|parent| parent.parse::<u32>().ok()) {
            parents.push((child, parent));
        }
    }
    let mut index = 0;
    while let Some(&parent) = tree.get(index) {
        for &(child, _) in parents.iter().filter(|(_, of)| *of == parent) {
            if let Ok(more) = usage_of(child) {
                usage.cpu_s += more.cpu_s;
                usage.rss_bytes += more.rss_bytes;
            }
            tree.push(child);
        }
        index += 1;
    }
    Ok(usage)
}

/// Our own CPU time since the start of the process, in seconds.
///
/// # Errors
///
/// When `/proc` cannot be read.
pub(crate) fn own_cpu_s() -> io::Result<f64> {
    Ok(usage_of(std::process::id())?.cpu_s)
}

fn usage_of(pid: u32) -> io::Result<Usage> {
    let fields = stat_fields(pid)?;
    let ticks = |index: usize| fields.get(index).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
    // Exact, where `stat` and `status` lag behind by some pages per thread.
    let rollup = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("smaps_rollup"))?;
    let rss_kib = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .unwrap_or(0);
    Ok(Usage { cpu_s: (ticks(11) + ticks(12)) as f64 / TICKS_PER_SECOND, rss_bytes: rss_kib * 1024 })
}

/// The fields of `/proc/PID/stat` behind the name, which may hold anything: 0 is the state, 1 the parent.
fn stat_fields(pid: u32) -> io::Result<Vec<String>> {
    let text = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"))?;
    let (_, fields) = text.rsplit_once(") ").ok_or(io::ErrorKind::InvalidData)?;
    Ok(fields.split(' ').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_usage_grows_with_what_we_use() {
        let before = usage_of_tree(std::process::id()).unwrap();
        let memory = std::hint::black_box(vec![1_u8; 64 << 20]);
        let mut sum = 0_u64;
        while usage_of_tree(std::process::id()).unwrap().cpu_s <= before.cpu_s {
            sum = memory.iter().fold(sum, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        }
        std::hint::black_box(sum);
        let after = usage_of_tree(std::process::id()).unwrap();
        assert!(after.rss_bytes > before.rss_bytes + (32 << 20), "{before:?} {after:?}");
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(usage_of_tree(u32::MAX).is_err());
    }
}
