//! `tts`: the streaming engine.

use std::process::ExitCode;

use clap::Parser;
use streamer_daemon::place::Environment;
use tts::{Args, ENGINE};

/// Of four allocators the one that holds least beyond what is in use, while guests come and go and after that
/// (`docs/performance.md`).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    ExitCode::from(tts::process::run(&Args::parse(), &Environment::of_process(&ENGINE)))
}
