//! The program itself: exit codes, one sentence on standard error, signals.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

mod support;

use std::path::Path;

use rustix::process::Signal;
use serde_json::json;
use streamer_daemon::testing::{self, EndedDaemon};

use support::{START, start, ttsm};

/// Runs it to its end: exit code, standard output, standard error.
fn run(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let EndedDaemon { code, out, log } = testing::run(ttsm(folder).args(args)).unwrap();
    (code.unwrap(), out, log)
}

fn write(folder: &Path, level: &str) {
    support::write(folder, &json!({ "log": { "level": level } }));
}

#[test]
fn help_version_and_completions_teach() {
    let folder = tempfile::tempdir().unwrap();
    let (code, help, _) = run(folder.path(), &["--help"]);
    assert_eq!(code, 0);
    for words in ["TTSM_CONFIG", "--engine-config", "TTSM_ADMIN_PASSWORD", "SIGHUP", "Exit codes"] {
        assert!(help.contains(words), "{words}\n{help}");
    }
    assert_eq!(run(folder.path(), &["--version"]).1, format!("ttsm {}\n", env!("CARGO_PKG_VERSION")));
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, _) = run(folder.path(), &["--completions", shell]);
        assert!(code == 0 && script.contains("engine-config"), "{shell}: {script}");
    }
    assert_eq!(run(folder.path(), &["--nonsense"]).0, 2);
}

#[test]
fn both_files_are_checked_without_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, _) = run(folder.path(), &["--check"]);
    assert_eq!((code, out.lines().count()), (0, 2), "{out}");
    write(folder.path(), "info");
    std::fs::write(folder.path().join("engine.json"), "{\n  \"lissteners\": 1\n}").unwrap();
    let (code, _, error) = run(folder.path(), &["--check", "--config", "server.json"]);
    assert_eq!(code, 2);
    assert!(error.starts_with("ttsm: engine.json:2:14: lissteners: unknown field"), "{error}");
    write(folder.path(), "loud");
    let (code, _, error) = run(folder.path(), &["--check", "--config", "server.json"]);
    assert!(code == 2 && error.starts_with("ttsm: server.json:1:"), "{error}");
}

#[test]
fn it_says_its_credentials_once_and_keeps_others_out() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "info");
    let mut first = start(folder.path());
    assert!(
        first.banner().contains("administrator") && first.banner().contains("API token"),
        "{}",
        first.banner()
    );
    let (code, out, error) = run(folder.path(), START);
    let expected =
        "ttsm: state: another manager uses this data folder; name another with --data-dir or TTS_DATA_DIR\n";
    assert_eq!((code, out.as_str(), error.as_str()), (1, "", expected));

    // Not even a manager that was killed keeps the folder.
    first.kill().unwrap();
    let again = start(folder.path());
    assert!(!again.banner().contains("API token"), "{}", again.banner());
    again.signal(Signal::TERM).unwrap();
    assert_eq!(again.end().unwrap().code, Some(0));
    assert!(!folder.path().join("state/manager-addresses.json").exists());
}

#[test]
fn it_reloads_and_a_bad_file_keeps_the_old() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "info");
    let running = start(folder.path());
    write(folder.path(), "debug");
    running.signal(Signal::HUP).unwrap();
    running.logged("configuration reloaded; applied: log level debug").unwrap();
    std::fs::write(folder.path().join("server.json"), "{\n \"x\": 1}").unwrap();
    running.signal(Signal::HUP).unwrap();
    assert!(running.logged("not reloaded").unwrap().contains("server.json:2:"));
    running.signal(Signal::INT).unwrap();
    assert_eq!(running.end().unwrap().code, Some(0));
}
