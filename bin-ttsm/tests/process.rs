//! The program itself: exit codes, one sentence on standard error, signals.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

fn ttsm(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttsm"));
    command.current_dir(folder).env_clear().env("HOME", folder).stdin(Stdio::null());
    command
}

/// Runs it to its end: exit code, standard output, standard error.
fn run(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let output = ttsm(folder).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn write(folder: &Path, level: &str) {
    let listener = r#"{ "bind": ["127.0.0.1"], "port": 0 }"#;
    let text = format!(
        r#"{{ "listeners": {{ "config": {listener}, "rest": {listener} }}, "log": {{ "level": "{level}" }} }}"#
    );
    std::fs::write(folder.join("server.json"), text).unwrap();
    std::fs::write(
        folder.join("engine.json"),
        r#"{ "events": { "address": "127.0.0.1:0" }, "vod": { "bind": ["127.0.0.1"], "port": 0 } }"#,
    )
    .unwrap();
}

const START: &[&str] = &["--config", "server.json", "--data-dir", "state"];

/// The process while it runs; ended with the test.
struct Running {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    out: Lines<BufReader<ChildStdout>>,
    banner: String,
}

impl Running {
    fn start(folder: &Path) -> Self {
        let mut command = ttsm(folder);
        command.args(START).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut running = Self { child, log, out, banner: String::new() };
        for line in running.out.by_ref().map(Result::unwrap) {
            running.banner += &format!("{line}\n");
            if line.contains("Ctrl-C") {
                return running;
            }
        }
        panic!("it ended: {}", running.banner);
    }

    fn logged(&mut self, words: &str) -> String {
        self.log.by_ref().map(Result::unwrap).find(|line| line.contains(words)).expect(words)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn end(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
    let mut first = Running::start(folder.path());
    assert!(first.banner.contains("administrator") && first.banner.contains("API token"), "{}", first.banner);
    let (code, out, error) = run(folder.path(), START);
    let expected =
        "ttsm: state: another manager uses this data folder; name another with --data-dir or TTS_DATA_DIR\n";
    assert_eq!((code, out.as_str(), error.as_str()), (1, "", expected));

    // Not even a manager that was killed keeps the folder.
    first.signal(Signal::KILL);
    first.end();
    let mut again = Running::start(folder.path());
    assert!(!again.banner.contains("API token"), "{}", again.banner);
    again.signal(Signal::TERM);
    assert_eq!(again.end().code(), Some(0));
    assert!(!folder.path().join("state/manager-addresses.json").exists());
}

#[test]
fn it_reloads_and_a_bad_file_keeps_the_old() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "info");
    let mut running = Running::start(folder.path());
    write(folder.path(), "debug");
    running.signal(Signal::HUP);
    running.logged("configuration reloaded; applied: log level debug");
    std::fs::write(folder.path().join("server.json"), "{\n \"x\": 1}").unwrap();
    running.signal(Signal::HUP);
    assert!(running.logged("not reloaded").contains("server.json:2:"));
    running.signal(Signal::INT);
    assert_eq!(running.end().code(), Some(0));
}
