//! `ttsm`: the manager.

use std::process::ExitCode;

use clap::Parser;
use streamer_daemon::place::Environment;
use ttsm::{Args, MANAGER};

/// The allocator of the engine too: memory goes back to the system sooner than with that of the C library.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    ExitCode::from(ttsm::process::run(&Args::parse(), &Environment::of_process(&MANAGER)))
}
