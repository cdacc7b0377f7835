//! The manager's sample file and its documentation say the same as its types.

#![allow(clippy::expect_used, reason = "tests say what they expect by failing")]

use std::net::IpAddr;

use serde_json::Value;
use streamer_control::config::{Loaded, ManagerConfig, ports};

const SAMPLE: &str = include_str!("../../conf/server.json");
const DOCUMENT: &str = include_str!("../../docs/manager.md");

#[test]
fn the_sample_is_the_embedded_default_written_out() {
    let read = Loaded::<ManagerConfig>::from_text(SAMPLE.into(), "sample".into()).expect("the sample reads");
    assert_eq!(read.config, ManagerConfig::default());
    let written = serde_json::to_value(ManagerConfig::default()).expect("serializes");
    let sample: Value = serde_json::from_str(SAMPLE).expect("JSON");
    assert_eq!(sample, written, "the sample shows every field");
}

#[test]
fn the_default_ports_are_those_of_the_table_and_not_open_to_the_outside() {
    let listeners = ManagerConfig::default().listeners;
    assert_eq!((listeners.config.port, listeners.rest.port), (ports::MANAGER, ports::REST));
    assert!(listeners.config.bind.iter().chain(&listeners.rest.bind).all(IpAddr::is_loopback));
}

#[test]
fn every_field_is_documented() {
    let written = serde_json::to_value(ManagerConfig::default()).expect("serializes");
    let mut missing = Vec::new();
    for (name, value) in written.as_object().expect("an object") {
        match value {
            Value::Object(fields) => missing.extend(fields.keys().map(|field| format!("`{name}.{field}`"))),
            _ => missing.push(format!("`{name}`")),
        }
    }
    assert!(missing.len() > 8, "{missing:?}");
    missing.retain(|field| !DOCUMENT.contains(field.as_str()));
    assert!(missing.is_empty(), "docs/manager.md does not name {missing:?}");
}
