//! Kills a process that changes the configuration, 200 times at random moments: what is found afterwards is the last
//! configuration that was acknowledged, or the one in flight; never an older one, and never half of one.
//!
//! The process that is killed is this program itself, told by a variable of its environment.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what it expects by failing"
)]

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use streamer_control::config::Problem;
use streamer_manager::configuration::Configuration;
use streamer_manager::document::ConfigDocument;
use streamer_manager::store::sqlite::DATABASE_FILE;
use streamer_manager::store::{SqliteStore, StoreError};
use tokio::runtime::{Builder, Runtime};

/// Set for the process that writes: the folder of the database.
const WRITE_IN: &str = "CRASH_TEST_WRITE_IN";
/// Set for a process that only tries to open the database.
const OPEN_IN: &str = "CRASH_TEST_OPEN_IN";
const KILLS: u32 = 200;
/// Webhooks that each version changes together: a torn version would have them differ.
const TOGETHER: usize = 5;

fn main() {
    if let Some(folder) = env::var_os(WRITE_IN) {
        runtime().block_on(write(folder.as_ref()));
    } else if let Some(folder) = env::var_os(OPEN_IN) {
        let opened = runtime().block_on(SqliteStore::open(&Path::new(&folder).join(DATABASE_FILE)));
        println!("{}", matches!(opened, Err(StoreError::Locked { .. })));
    } else {
        run(&env::args().skip(1).collect::<Vec<_>>());
    }
}

/// The tests of this file, by name.
const TESTS: [(&str, fn()); 2] = [
    ("a_second_process_is_refused", a_second_process_is_refused),
    (
        "every_kill_leaves_the_last_acknowledged_configuration",
        every_kill_leaves_the_last_acknowledged_configuration,
    ),
];

/// What a test runner asks of a test program: to list its tests, or to run those it names.
fn run(arguments: &[String]) {
    let asked = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let exact = asked("--exact");
    let named: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    for (name, test) in TESTS {
        if asked("--list") {
            if !asked("--ignored") {
                println!("{name}: test");
            }
        } else if named.is_empty()
            || named.iter().any(|part| name == *part || (!exact && name.contains(*part)))
        {
            test();
        }
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// Makes one version after the other, and says of each when it is acknowledged.
async fn write(folder: &Path) {
    let store = SqliteStore::open(&folder.join(DATABASE_FILE)).await.unwrap();
    let configuration = Configuration::open(Arc::new(store)).await.unwrap();
    let mut out = std::io::stdout().lock();
    loop {
        let number = configuration.current().version.version + 1;
        let summary = number.to_string();
        let edited = configuration.edit("system", &summary, |document| {
            *document = numbered(number);
            Ok::<(), Problem>(())
        });
        assert_eq!(edited.await.unwrap().config.version.version, number);
        writeln!(out, "{number}").unwrap();
        out.flush().unwrap();
    }
}

/// The document of version `number`.
fn numbered(number: u64) -> ConfigDocument {
    if number == 1 {
        return ConfigDocument::default();
    }
    let webhooks: Vec<_> = (0..TOGETHER)
        .map(|index| {
            let url = format!("https://a.example/{number}?{}", "x".repeat(1_000));
            json!({ "name": format!("w{index}"), "url": url, "secret": "s" })
        })
        .collect();
    serde_json::from_value(json!({ "webhooks": webhooks })).unwrap()
}

fn start(variable: &str, folder: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .env(variable, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

fn every_kill_leaves_the_last_acknowledged_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let (mut acknowledged, mut in_flight) = (1, 0);
    for kill in 0..KILLS {
        let mut child = start(WRITE_IN, folder.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let [rounds, micros @ ..] = random();
        // Every fourth is killed while it opens the database or makes its first version.
        if kill % 4 != 0 {
            for _ in 0..=rounds % 4 {
                acknowledged = lines.next().unwrap().unwrap().parse().unwrap();
            }
        }
        // The moment is the point: somewhere within the next versions.
        let span = if kill % 4 == 0 { 20_000 } else { 4_000 };
        thread::sleep(Duration::from_micros(u64::from(u16::from_le_bytes(micros)) % span));
        child.kill().unwrap();
        child.wait().unwrap();
        // What was written to the pipe before was acknowledged too.
        for line in lines {
            acknowledged = line.unwrap().parse().unwrap();
        }
        let found = runtime().block_on(read(folder.path()));
        assert!(
            found == acknowledged || found == acknowledged + 1,
            "kill {kill}: version {found} is there, {acknowledged} was acknowledged last"
        );
        in_flight += u32::from(found > acknowledged);
        acknowledged = found;
    }
    println!(
        "{KILLS} kills over {acknowledged} versions in {:?}; {in_flight} times the one in flight was kept",
        begun.elapsed()
    );
}

fn random() -> [u8; 3] {
    let mut bytes = [0; 3];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// The version that is there, after looking whether all of it is.
async fn read(folder: &Path) -> u64 {
    let store = SqliteStore::open(&folder.join(DATABASE_FILE)).await.unwrap();
    let configuration = Configuration::open(Arc::new(store.clone())).await.unwrap();
    let current = configuration.current();
    let version = current.version.version;
    assert!(current.document == numbered(version), "version {version} is torn");
    let newest = configuration.history(None, 1).await.unwrap().remove(0);
    assert_eq!(newest.version, version);
    let changes = configuration.changes(version).await.unwrap();
    assert_eq!(changes.len() as u64, newest.changed);
    assert!(changes.len() >= if version == 1 { 1 } else { TOGETHER });
    store.close().await;
    version
}

fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = || {
        let output = start(OPEN_IN, folder.path()).wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim() == "true"
    };
    let runtime = runtime();
    let path = folder.path().join(DATABASE_FILE);
    let store = runtime.block_on(SqliteStore::open(&path)).unwrap();
    assert!(refused(), "the file is held");
    // A failed opening in this process must not give up the locks of the process.
    assert!(runtime.block_on(SqliteStore::open(&path)).is_err());
    assert!(refused(), "the file is still held");
    runtime.block_on(store.close());
    assert!(!refused(), "the file is free again");
}
