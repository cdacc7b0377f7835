//! `tts`: the streaming engine.

use std::process::ExitCode;

use clap::Parser;
use streamer_daemon::place::Environment;
use tts::{Args, ENGINE};

/// Frames are allocated on one thread and freed on another, which this allocator is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(tts::process::run(&Args::parse(), &Environment::of_process(&ENGINE)))
}
