//! Both daemons in one program, so that the tests which start and kill them have them built beside themselves:
//! `daemon tts …` is `tts …`, and `daemon ttsm …` is `ttsm …`.

use std::process::ExitCode;

use clap::Parser;
use streamer_daemon::place::Environment;

#[derive(Parser)]
enum Daemon {
    /// The streaming engine.
    Tts(tts::Args),
    /// The manager.
    Ttsm(ttsm::Args),
}

fn main() -> ExitCode {
    ExitCode::from(match Daemon::parse() {
        Daemon::Tts(args) => tts::process::run(&args, &Environment::of_process(&tts::ENGINE)),
        Daemon::Ttsm(args) => ttsm::process::run(&args, &Environment::of_process(&ttsm::MANAGER)),
    })
}
