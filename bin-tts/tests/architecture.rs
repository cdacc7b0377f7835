//! The house keeps its floors: which crate may know which, and what stays free of runtime, sockets and clock.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;

/// Each package of the workspace and those of ours it may know. A protocol never knows another protocol.
const EDGES: &[(&str, &[&str])] = &[
    ("streamer-core", &[]),
    ("streamer-net", &[]),
    ("streamer-rtmp", &["streamer-core", "streamer-net"]),
    ("streamer-http", &["streamer-core", "streamer-net"]),
    ("streamer-control", &["streamer-core"]),
    ("streamer-daemon", &["streamer-control", "streamer-net"]),
    ("streamer-vod", &["streamer-core", "streamer-http", "streamer-net"]),
    (
        "tts",
        &[
            "streamer-control",
            "streamer-core",
            "streamer-daemon",
            "streamer-http",
            "streamer-net",
            "streamer-rtmp",
        ],
    ),
    ("streamer-manager", &["streamer-control", "streamer-vod"]),
    (
        "ttsm",
        &[
            "streamer-control",
            "streamer-daemon",
            "streamer-http",
            "streamer-manager",
            "streamer-net",
            "streamer-vod",
        ],
    ),
    ("examples", &["streamer-core", "streamer-http", "streamer-net", "streamer-rtmp"]),
    ("streamer-bench", &["streamer-core", "streamer-http", "streamer-net", "streamer-rtmp", "streamer-vod"]),
    (
        "streamer-interop",
        &["hls-check", "streamer-control", "streamer-core", "streamer-daemon", "streamer-vod", "tts", "ttsm"],
    ),
    // Knows nothing of ours, so that it judges the server with other eyes.
    ("hls-check", &[]),
    ("streamer-fuzz", &["streamer-core", "streamer-http", "streamer-net", "streamer-rtmp", "streamer-vod"]),
];

/// What brings a runtime, a socket or a clock.
const FORBIDDEN: &[&str] =
    &["tokio::", "hyper", "Instant::now", "SystemTime::now", "std::net::Tcp", "std::net::Udp"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn manifest(folder: &Path) -> Table {
    fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap()
}

/// The names of the packages of ours among all dependencies of `manifest`, those of its tests included.
fn edges(manifest: &Table, ours: &BTreeSet<String>) -> BTreeSet<String> {
    let mut tables: Vec<&Table> = vec![manifest];
    tables.extend(
        manifest
            .get("target")
            .and_then(|t| t.as_table())
            .into_iter()
            .flat_map(|t| t.values())
            .filter_map(|t| t.as_table()),
    );
    let mut found = BTreeSet::new();
    for table in tables {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in table.get(kind).and_then(|value| value.as_table()).into_iter().flatten() {
                let package = value.get("package").and_then(|package| package.as_str()).unwrap_or(name);
                if ours.contains(package) {
                    found.insert(package.to_owned());
                }
            }
        }
    }
    found
}

fn members() -> Vec<(String, Table)> {
    let workspace = manifest(&root());
    let mut folders: Vec<String> = workspace["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member.as_str().unwrap().to_owned())
        .collect();
    if root().join("fuzz/Cargo.toml").exists() {
        folders.push("fuzz".to_owned());
    }
    let named = |folder: &String| {
        let manifest = manifest(&root().join(folder));
        (manifest["package"]["name"].as_str().unwrap().to_owned(), manifest)
    };
    folders.iter().map(named).collect()
}

#[test]
fn no_crate_knows_another_that_it_should_not() {
    let members = members();
    let ours: BTreeSet<String> = members.iter().map(|(name, _)| name.clone()).collect();
    assert!(ours.contains("streamer-core") && ours.contains("tts"), "{ours:?}");
    for (name, manifest) in &members {
        let allowed = EDGES.iter().find(|(package, _)| package == name);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{name} has no floor in EDGES yet"));
        // A crate may name itself to switch on features for its own tests.
        for edge in edges(manifest, &ours).iter().filter(|edge| *edge != name) {
            assert!(allowed.contains(&edge.as_str()), "{name} must not depend on {edge}");
        }
    }
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// Every line of code below `folder` that holds one of `words`, comments left out.
fn lines_with(folder: &Path, words: &[&str]) -> Vec<String> {
    let mut files = Vec::new();
    sources(folder, &mut files);
    assert!(!files.is_empty(), "{} holds no source", folder.display());
    let mut found = Vec::new();
    for file in files {
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if words.iter().any(|word| code.contains(word)) {
                found.push(format!("{}:{}: {line}", file.display(), number + 1));
            }
        }
    }
    found
}

#[test]
fn core_and_the_protocols_machines_are_free_of_runtime_sockets_and_clock() {
    let root = root();
    let mut pure = vec![root.join("streamer-core/src")];
    for entry in fs::read_dir(&root).unwrap() {
        let proto = entry.unwrap().path().join("src/proto");
        if proto.is_dir() {
            pure.push(proto);
        }
    }
    assert!(pure.len() >= 3, "{pure:?}");
    for folder in pure {
        let found = lines_with(&folder, FORBIDDEN);
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

#[test]
fn hub_and_container_never_see_each_other() {
    let core = root().join("streamer-core/src");
    let found = lines_with(&core.join("hub"), &["crate::container"]);
    assert!(found.is_empty(), "{}", found.join("\n"));
    let found = lines_with(&core.join("container"), &["crate::hub"]);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn libraries_do_not_use_what_belongs_to_programs() {
    for (name, manifest) in members() {
        // What the programs share is a part of them; the tests with real clients bring a program of both daemons.
        if !name.starts_with("streamer-")
            || matches!(
                name.as_str(),
                "streamer-bench" | "streamer-daemon" | "streamer-fuzz" | "streamer-interop"
            )
        {
            continue;
        }
        for forbidden in ["anyhow", "clap", "tikv-jemallocator", "tracing-subscriber"] {
            let used = manifest.get("dependencies").and_then(|table| table.get(forbidden)).is_some();
            assert!(!used, "{name} must not depend on {forbidden}");
        }
    }
}
