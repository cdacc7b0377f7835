//! The port table, the sample files and the documentation say the same.

#![allow(clippy::expect_used, clippy::panic, reason = "tests say what they expect by failing")]

use std::collections::BTreeSet;

use serde_json::Value;
use streamer_control::config::ports::{self, TABLE};
use streamer_control::config::{EngineConfig, LoadedConfig};

const SAMPLE: &str = include_str!("../../conf/engine.json");
const EXAMPLE: &str = include_str!("../../conf/engine.example.json");
const DOCUMENT: &str = include_str!("../../docs/configuration.md");
const README: &str = include_str!("../../README.md");

fn read(text: &str) -> EngineConfig {
    LoadedConfig::from_text(text.into(), "sample".into()).expect("a sample reads").config
}

#[test]
fn the_sample_is_the_embedded_default_written_out() {
    assert_eq!(read(SAMPLE), EngineConfig::default());
    assert_eq!(read("{}"), EngineConfig::default());
    assert_eq!(LoadedConfig::embedded().config, EngineConfig::default());
    read(EXAMPLE);
    let written = serde_json::to_value(EngineConfig::default()).expect("serializes");
    let sample: Value = serde_json::from_str(SAMPLE).expect("JSON");
    assert_eq!(sample, written, "the sample shows every field");
}

#[test]
fn the_default_ports_are_those_of_the_table() {
    let listeners = EngineConfig::default().listeners;
    assert_eq!(listeners.rtmp.map(|listener| listener.port), Some(ports::RTMP));
    assert_eq!(listeners.http.map(|listener| listener.port), Some(ports::HTTP));
    let api = listeners.api.expect("on by default");
    assert_eq!(api.port, ports::ENGINE_API);
    assert!(api.bind.iter().all(std::net::IpAddr::is_loopback), "not open to the outside");
    let numbers: BTreeSet<_> = TABLE.iter().map(|port| (port.transport.to_string(), port.number)).collect();
    assert_eq!(numbers.len(), TABLE.len(), "no port is given twice");
}

#[test]
fn the_readme_shows_the_table() {
    for port in TABLE {
        let cell = format!("| {} {} |", port.transport, port.number);
        let row = README.lines().find(|line| line.starts_with(&cell));
        let row = row.unwrap_or_else(|| panic!("README.md has no row that begins with {cell:?}"));
        assert!(row.contains(&format!("`{}`", port.process)), "{row}");
        assert!(row.contains(port.part), "{row}");
        let open = row.trim_end_matches(['|', ' ']).ends_with("yes");
        assert_eq!(open, port.public, "last column of {row}");
    }
}

fn keys(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                into.insert(key.clone());
                keys(value, into);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| keys(value, into)),
        _ => {}
    }
}

#[test]
fn every_field_is_documented() {
    let mut fields = BTreeSet::new();
    for text in [SAMPLE, EXAMPLE] {
        keys(&serde_json::to_value(read(text)).expect("serializes"), &mut fields);
    }
    let missing: Vec<_> = fields.iter().filter(|field| !DOCUMENT.contains(&format!("`{field}`"))).collect();
    assert!(missing.is_empty(), "docs/configuration.md does not name {missing:?}");
    assert!(fields.len() > 30, "the samples show every field: {fields:?}");
}
