//! The system: versions, load, listeners, and how the two daemons get on.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use parking_lot::Mutex;
use procfs::process::Process;
use procfs::{Current, LoadAverage, Meminfo, ProcResult, WithCurrentSystemInfo};
use serde::Serialize;
use streamer_control::link::engine_api::{ListenerBody, ProcessBody};
use streamer_control::link::manager_api::AppliedReport;
use tokio::time::{Duration, Instant};
use utoipa::ToSchema;

use super::RestState;
use super::envelope::{Data, DataBody, Done, DoneBody};
use super::error::ApiError;

/// Least time over which the use of the processor is averaged.
const LEAST_SAMPLE: Duration = Duration::from_secs(2);

/// The machine of the manager.
#[derive(Serialize, ToSchema)]
struct MachineBody {
    /// Processors.
    processors: usize,
    /// Processes that want to run, mean of the last minute.
    load_1m: f64,
    /// Memory, bytes.
    memory_total_bytes: u64,
    /// Memory that programs can still have, bytes.
    memory_available_bytes: u64,
    /// Disk of the data folder, bytes.
    disk_total_bytes: u64,
    /// What of it is free for the manager, bytes.
    disk_available_bytes: u64,
}

/// The engine, and the link to it.
#[derive(Serialize, ToSchema)]
struct EngineLinkBody {
    /// Whether it answers.
    reachable: bool,
    /// Why it does not.
    reason: Option<String>,
    /// Version of its program.
    program_version: Option<String>,
    /// How long it runs, milliseconds.
    uptime_ms: Option<u64>,
    /// What its process uses.
    process: Option<ProcessBody>,
    /// Number of the configuration that holds in it; `null` when it runs from its own file.
    config_version: Option<u64>,
    /// Live streams.
    streams: usize,
    /// Viewers.
    viewers: usize,
    /// What it said last of a configuration: what it applied, and what it refused and why.
    last_report: Option<AppliedReport>,
}

/// The system.
#[derive(Serialize, ToSchema)]
pub(super) struct SystemBody {
    /// Version of the manager's program.
    version: &'static str,
    /// How long the manager runs, milliseconds.
    uptime_ms: u64,
    /// What the manager's process uses.
    process: Option<ProcessBody>,
    /// The machine.
    machine: Option<MachineBody>,
    /// Listeners of both daemons.
    listeners: Vec<ListenerBody>,
    /// The engine.
    engine: EngineLinkBody,
}

/// What is known of the process and the machine between two requests.
pub(super) struct Load {
    began: Instant,
    data_dir: PathBuf,
    sample: Mutex<Sample>,
}

#[derive(Clone, Copy)]
struct Sample {
    at: Instant,
    cpu_ms: u64,
    percent: f64,
}

impl Load {
    pub(super) fn new(data_dir: PathBuf) -> Self {
        let began = Instant::now();
        let cpu_ms = cpu_ms().unwrap_or(0);
        Self { began, data_dir, sample: Mutex::new(Sample { at: began, cpu_ms, percent: 0.0 }) }
    }

    fn process(&self) -> ProcResult<ProcessBody> {
        let process = Process::myself()?;
        let stat = process.stat()?;
        let cpu_ms = milliseconds(stat.utime + stat.stime);
        let mut sample = self.sample.lock();
        let elapsed = sample.at.elapsed();
        if elapsed >= LEAST_SAMPLE {
            let used = cpu_ms.saturating_sub(sample.cpu_ms) as f64;
            let percent = 100.0 * used / elapsed.as_secs_f64() / 1_000.0;
            *sample = Sample { at: Instant::now(), cpu_ms, percent };
        }
        Ok(ProcessBody {
            pid: std::process::id(),
            cpu_ms,
            cpu_percent: sample.percent,
            resident_bytes: stat.rss_bytes().get(),
            open_files: process.fd_count()? as u64,
            threads: u64::try_from(stat.num_threads).unwrap_or(0),
        })
    }

    fn machine(&self) -> ProcResult<MachineBody> {
        let memory = Meminfo::current()?;
        let disk = rustix::fs::statvfs(&self.data_dir).map_err(std::io::Error::from)?;
        Ok(MachineBody {
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            load_1m: f64::from(LoadAverage::current()?.one),
            memory_total_bytes: memory.mem_total,
            memory_available_bytes: memory.mem_available.unwrap_or(memory.mem_free),
            disk_total_bytes: disk.f_blocks.saturating_mul(disk.f_frsize),
            disk_available_bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
        })
    }
}

fn cpu_ms() -> ProcResult<u64> {
    let stat = Process::myself()?.stat()?;
    Ok(milliseconds(stat.utime + stat.stime))
}

fn milliseconds(ticks: u64) -> u64 {
    ticks.saturating_mul(1_000) / procfs::ticks_per_second().max(1)
}

/// Show the system
///
/// Versions, load, the listeners of both daemons, the link between them, and what the engine said last of its
/// configuration.
#[utoipa::path(get, path = "/v1/system", tag = "system",
    responses((status = 200, description = "The system.", body = DataBody<SystemBody>)))]
pub(super) async fn show(State(state): State<RestState>) -> Data<SystemBody> {
    let snapshot = state.engine().snapshot().await;
    let known = snapshot.as_ref().ok().map(Arc::as_ref);
    let engine = EngineLinkBody {
        reachable: known.is_some(),
        reason: snapshot.as_ref().err().map(ToString::to_string),
        program_version: known.map(|engine| engine.program_version.clone()),
        uptime_ms: known.map(|engine| engine.uptime_ms),
        process: known.map(|engine| engine.process.clone()),
        config_version: known.and_then(|engine| engine.config.as_ref()).map(|config| config.version),
        streams: known.map_or(0, |engine| engine.streams.len()),
        viewers: known.map_or(0, |engine| engine.viewers.len()),
        last_report: state.engine().last_report(),
    };
    let mut listeners = state.listeners();
    listeners.extend(known.into_iter().flat_map(|engine| engine.listeners.iter().cloned()));
    let load = state.load();
    Data::new(SystemBody {
        version: env!("CARGO_PKG_VERSION"),
        uptime_ms: u64::try_from(load.began.elapsed().as_millis()).unwrap_or(u64::MAX),
        process: load.process().ok(),
        machine: load.machine().ok(),
        listeners,
        engine,
    })
}

/// Is the manager well
#[utoipa::path(get, path = "/healthz", tag = "system",
    responses((status = 200, description = "It serves.", body = DoneBody)))]
pub(super) async fn health(State(state): State<RestState>) -> Result<Done, ApiError> {
    if state.stopping().is_cancelled() {
        return Err(ApiError::unavailable("stopping"));
    }
    Ok(Done::new("ok"))
}
