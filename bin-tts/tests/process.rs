//! The program itself: exit codes, one sentence on standard error, signals.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

use std::ffi::OsStr;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustix::process::Signal;
use serde_json::{Value, json};
use streamer_daemon::testing::{self, EndedDaemon, RunningDaemon};
use tempfile::TempDir;

fn tts(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tts"));
    command.current_dir(folder).env_clear().env("HOME", folder);
    command
}

fn write(folder: &Path, config: &Value) {
    std::fs::write(folder.join("engine.json"), serde_json::to_string_pretty(config).unwrap()).unwrap();
}

fn free_ports() -> Value {
    let loopback = json!({ "bind": ["127.0.0.1"], "port": 0 });
    json!({ "listeners": { "rtmp": loopback, "http": loopback, "api": loopback }, "manager": null, "vod": null })
}

/// Runs it to its end: exit code, standard output, standard error.
fn run(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let EndedDaemon { code, out, log } = testing::run(tts(folder).args(args)).unwrap();
    (code.unwrap(), out, log)
}

/// The process while it runs, and the folder it runs in.
struct Running {
    process: RunningDaemon,
    folder: Arc<TempDir>,
}

impl Running {
    fn start(config: &Value) -> Self {
        Self::start_with(config, &[])
    }

    fn start_with(config: &Value, environment: &[(&str, &OsStr)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), config);
        Self::start_in(Arc::new(folder), environment)
    }

    fn start_in(folder: Arc<TempDir>, environment: &[(&str, &OsStr)]) -> Self {
        let mut command = tts(folder.path());
        command.args(["--config", "engine.json", "--data-dir", "state"]).envs(environment.iter().copied());
        Self { process: RunningDaemon::start(&mut command).unwrap(), folder }
    }

    fn logged(&self, words: &str) -> String {
        self.process.logged(words).unwrap()
    }

    fn signal(&self, signal: Signal) {
        self.process.signal(signal).unwrap();
    }

    fn addresses(&self) -> Value {
        let path = self.folder.path().join("state/engine-addresses.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn rtmp(&self) -> SocketAddr {
        self.addresses()["rtmp"][0].as_str().unwrap().parse().unwrap()
    }

    fn end(self) -> EndedDaemon {
        self.process.end().unwrap()
    }
}

#[test]
fn help_and_version_teach() {
    let folder = tempfile::tempdir().unwrap();
    let (code, help, _) = run(folder.path(), &["--help"]);
    assert_eq!(code, 0);
    for words in ["TTS_CONFIG", "--data-dir", "ffmpeg -re", "SIGHUP", "Exit codes"] {
        assert!(help.contains(words), "{words}\n{help}");
    }
    assert_eq!(run(folder.path(), &["--version"]).1, format!("tts {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(run(folder.path(), &["--nonsense"]).0, 2);
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, _) = run(folder.path(), &["--completions", shell]);
        assert!(code == 0 && script.contains("data-dir"), "{shell}: {script}");
    }
}

#[test]
fn a_configuration_is_checked_without_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, _) = run(folder.path(), &["--check"]);
    assert_eq!((code, out.as_str()), (0, "the embedded configuration: ok\n"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is written");
    std::fs::write(folder.path().join("engine.json"), "{\n  \"lissteners\": 1\n}").unwrap();
    let (code, _, error) = run(folder.path(), &["--check", "--config", "engine.json"]);
    assert_eq!(code, 2);
    assert!(error.starts_with("tts: engine.json:2:14: lissteners: unknown field"), "{error}");
    assert_eq!(error.lines().count(), 1);
    assert_eq!(run(folder.path(), &["--check", "--config", "absent.json"]).0, 2);
    let by_environment = tts(folder.path()).arg("--check").env("TTS_CONFIG", "engine.json").output().unwrap();
    assert_eq!(by_environment.status.code(), Some(2));
}

/// The error of a start with `config`: one line, nothing said, nothing left behind that listens.
fn refused(config: &Value, data_dir: &str) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), config);
    std::fs::write(folder.path().join("file"), "").unwrap();
    std::fs::write(folder.path().join("bad.pem"), "no certificate").unwrap();
    let args = ["--config", "engine.json", "--data-dir", data_dir, "--log-level", "error"];
    let (code, out, error) = run(folder.path(), &args);
    assert_eq!(out, "");
    assert_eq!(error.lines().count(), 1, "{error}");
    (code, error)
}

#[test]
fn a_start_that_fails_says_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut config = free_ports();
    config["listeners"]["http"]["port"] = json!(port);
    let (code, error) = refused(&config, "state");
    let expected =
        format!("tts: listeners.http: cannot listen on 127.0.0.1:{port}: another process has this port\n");
    assert_eq!((code, error), (1, expected));

    let mut config = free_ports();
    config["listeners"]["rtmps"] = json!({ "port": 0 });
    config["tls"] = json!({ "certificate": "bad.pem", "private_key": "bad.pem" });
    let (code, error) = refused(&config, "state");
    assert_eq!(code, 2);
    assert!(error.starts_with("tts: engine.json: tls: ") && error.contains("bad.pem"), "{error}");

    // Found before anything is bound: the port is still taken.
    let mut config = free_ports();
    config["listeners"]["http"]["port"] = json!(port);
    config["client_tls"] = json!({ "ca": "bad.pem" });
    let (code, error) = refused(&config, "state");
    assert_eq!(code, 2);
    assert!(error.starts_with("tts: engine.json: client_tls: ") && error.contains("bad.pem"), "{error}");

    let (code, error) = refused(&free_ports(), "file/state");
    assert_eq!(code, 1);
    assert!(error.starts_with("tts: file/state: cannot be made: "), "{error}");
}

#[test]
fn a_second_engine_on_one_data_folder_is_refused() {
    let mut first = Running::start(&free_ports());
    let folder = first.folder.path().to_path_buf();
    let addresses = first.addresses();
    // On the port of the first it ends in any case, but the folder is what it names.
    let mut config = free_ports();
    config["listeners"]["rtmp"]["port"] = json!(first.rtmp().port());
    write(&folder, &config);
    let second = ["--config", "engine.json", "--data-dir", "state"];
    let (code, out, error) = run(&folder, &second);
    let expected =
        "tts: state: another engine uses this data folder; name another with --data-dir or TTS_DATA_DIR\n";
    assert_eq!((code, out.as_str(), error.as_str()), (1, "", expected));
    assert_eq!(first.addresses(), addresses, "the first is not disturbed");
    TcpStream::connect(first.rtmp()).unwrap();

    // Not even an engine that was killed keeps the folder.
    first.process.kill().unwrap();
    write(&folder, &free_ports());
    let again = Running::start_in(Arc::clone(&first.folder), &[]);
    again.signal(Signal::TERM);
    assert_eq!(again.end().code, Some(0));
}

#[test]
fn log_and_banner_are_plain_text_and_kept_apart() {
    let running = Running::start(&free_ports());
    running.signal(Signal::TERM);
    let banner = running.process.banner().to_owned();
    let EndedDaemon { code, out, log } = running.end();
    assert_eq!(code, Some(0));
    let out = banner + &out;
    assert!(!out.contains('\x1b') && !log.contains('\x1b'), "no colours where no terminal is: {out}{log}");
    assert!(out.starts_with("tts ") && out.contains("is ready"), "{out}");
    assert!(!out.contains("INFO") && log.contains("INFO") && !log.contains("is ready"), "{out}\n{log}");
}

#[test]
fn it_serves_reloads_and_ends_cleanly() {
    let running = Running::start(&free_ports());
    TcpStream::connect(running.rtmp()).unwrap();
    running.logged("open files allowed");

    let mut config = free_ports();
    config["log"] = json!({ "level": "debug" });
    write(running.folder.path(), &config);
    running.signal(Signal::HUP);
    running.logged("configuration reloaded; applied: log level debug");

    write(running.folder.path(), &json!({ "nonsense": 1 }));
    running.signal(Signal::HUP);
    let line = running.logged("not reloaded");
    assert!(line.contains("engine.json:2:") && line.contains("nonsense"), "{line}");
    TcpStream::connect(running.rtmp()).unwrap();

    let folder = Arc::clone(&running.folder);
    running.signal(Signal::TERM);
    assert_eq!(running.end().code, Some(0));
    assert!(!folder.path().join("state/engine-addresses.json").exists());
    assert!(folder.path().join("state/engine-token").exists());
}

#[test]
fn a_certificate_is_reloaded_and_a_bad_one_keeps_the_old() {
    let folder = tempfile::tempdir().unwrap();
    let pem = |name: &str| folder.path().join(name);
    let make = || {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(pem("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(pem("key.pem"), made.signing_key.serialize_pem()).unwrap();
    };
    make();
    let mut config = free_ports();
    config["listeners"]["rtmps"] = json!({ "bind": ["127.0.0.1"], "port": 0 });
    config["tls"] = json!({ "certificate": pem("cert.pem"), "private_key": pem("key.pem") });
    let running = Running::start(&config);
    make();
    running.signal(Signal::HUP);
    running.logged("applied: certificate");
    std::fs::write(pem("cert.pem"), "nothing").unwrap();
    running.signal(Signal::HUP);
    assert!(running.logged("not reloaded").contains("cert.pem"));
}

#[test]
fn systemd_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let told = |word: &str| {
        let mut datagram = [0; 512];
        loop {
            let len = socket.recv(&mut datagram).unwrap();
            let text = String::from_utf8_lossy(&datagram[..len]).into_owned();
            if text.lines().any(|line| line == word) {
                return text;
            }
        }
    };
    let environment = [("NOTIFY_SOCKET", path.as_os_str()), ("WATCHDOG_USEC", OsStr::new("20000"))];
    let running = Running::start_with(&free_ports(), &environment);
    told("READY=1");
    told("WATCHDOG=1");
    running.signal(Signal::HUP);
    assert!(told("RELOADING=1").contains("MONOTONIC_USEC="));
    told("READY=1");
    running.signal(Signal::TERM);
    told("STOPPING=1");
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn the_log_is_json_where_asked() {
    let mut config = free_ports();
    config["log"] = json!({ "format": "json" });
    let running = Running::start(&config);
    let line: Value = serde_json::from_str(&running.logged("serving")).unwrap();
    assert_eq!((&line["level"], &line["message"]), (&json!("INFO"), &json!("serving")));
    running.signal(Signal::INT);
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let running = Running::start(&free_ports());
    // A connection to the API whose request never ends keeps the drain waiting.
    let api: SocketAddr = running.addresses()["api"][0].as_str().unwrap().parse().unwrap();
    let mut half = TcpStream::connect(api).unwrap();
    std::io::Write::write_all(&mut half, b"GET /healthz HTTP/1.1\r\n").unwrap();
    running.logged("serving");
    // Connections are taken in order: once a later one is answered, the server has the one that waits.
    let mut later = TcpStream::connect(api).unwrap();
    std::io::Write::write_all(&mut later, b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    later.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    running.signal(Signal::TERM);
    // The listener is gone once the drain has begun.
    while TcpStream::connect(api).is_ok() {
        std::thread::yield_now();
    }
    running.signal(Signal::TERM);
    assert_eq!(running.end().code, Some(1));
    let mut rest = String::new();
    let _ = half.read_to_string(&mut rest);
}
