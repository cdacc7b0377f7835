//! Every mistake in `engine.json` is refused with its line, its field and one sentence.

use proptest::prelude::*;
use streamer_control::config::{
    ConfigError, EngineConfig, LoadedConfig, MAX_CONFIG_BYTES, MAX_RETURN_S, MAX_WAIT_MS,
};

fn read(text: &str) -> Result<LoadedConfig, ConfigError> {
    LoadedConfig::from_text(text.into(), "engine.json".into())
}

/// The configuration, the place that the message begins with, and words it holds.
const GOLDEN: &[(&str, &str, &str)] = &[
    ("{\n  \"lissteners\": {}\n}", "engine.json:2:14: lissteners: ", "unknown field `lissteners`"),
    (
        "{\n  \"listeners\": {\n    \"rtmp\": { \"port\": 1935, \"adress\": \"::\" }\n  }\n}",
        "engine.json:3:36: listeners.rtmp.adress: ",
        "unknown field `adress`, expected `bind` or `port`",
    ),
    (
        "{\n\"limits\": { \"max_connections\": -1 } }",
        "engine.json:2:33: limits.max_connections: ",
        "invalid value",
    ),
    ("{\n\"log\": {\n\"level\": \"loud\" } }", "engine.json:3:15: log.level: ", "unknown variant `loud`"),
    ("{\n  \"apps\": [,]\n}", "engine.json:2:12: apps[0]: ", "expected value"),
    ("{} {}", "engine.json:1:4: ", "trailing characters"),
    ("", "engine.json:1:0: ", "EOF"),
    (
        "{\n\"apps\": [\n{ \"app_name\": \"li ve\",\n \"source_type\": \"rtmp_push\" } ] }",
        "engine.json:3:21: apps[0].app_name: ",
        "bad name \"li ve\": character at byte 2",
    ),
    (
        "{\n\"apps\": [\n{ \"app_name\": \"live\" } ] }",
        "engine.json:3:22: apps[0]: ",
        "missing field `source_type`",
    ),
    (
        "{\n\"apps\": [\n{ \"app_name\": \"live\", \"source_type\": \"SRT_Listener\" } ] }",
        "engine.json:3:51: apps[0].source_type: ",
        "srt_listener is not supported yet: this version takes rtmp_push and rtmp_pull",
    ),
    (
        "{ \"apps\": [\n{ \"app_name\": \"live\", \"source_type\": \"pigeon\" } ] }",
        "engine.json:2:47: apps[0].source_type: ",
        "unknown source_type `pigeon`",
    ),
    (
        "{ \"apps\": [\n{ \"app_name\": \"live\", \"source_type\": \"rtmp_push\" },\n{ \"app_name\": \"live\", \"source_type\": \"rtmp_push\" } ] }",
        "engine.json:3:20: apps[1].app_name: ",
        "duplicated application name `live`",
    ),
    (
        "{ \"apps\": [\n{ \"source_type\": \"rtmp_push\",\n\"app_name\": \"vod\" } ] }",
        "engine.json:3:17: apps[0].app_name: ",
        "`vod` cannot be the name of an application: `/vod/` on the HTTP port is something else",
    ),
    (
        "{ \"apps\": [ { \"app_name\": \"live\", \"source_type\": \"rtmp_push\",\n\"write_window_ms\": 351 } ] }",
        "engine.json:2:22: apps[0].write_window_ms: ",
        "351 is too long: at most 350",
    ),
    (
        "{ \"apps\": [ { \"app_name\": \"live\", \"source_type\": \"rtmp_push\",\n\"publish_auth\": { \"shared_key\": \"\" } } ] }",
        "engine.json:2:36: apps[0].publish_auth.shared_key: ",
        "1 to 256 bytes",
    ),
    (
        "{ \"apps\": [ { \"app_name\": \"live\", \"source_type\": \"rtmp_push\",\n\"play_auth\": {} } ] }",
        "engine.json:2:15: apps[0].play_auth: ",
        "one of shared_key, jwt, callback, allow and deny is needed",
    ),
    (
        "{ \"apps\": [ { \"app_name\": \"live\", \"source_type\": \"rtmp_push\",\n\"play_auth\": { \"jwt\": { \"keys\": { \"secret\": \"k\" }, \"algorithms\": [\"RS256\"] } } } ] }",
        "engine.json:2:73: apps[0].play_auth.jwt.algorithms[0]: ",
        "RS256 does not go with a secret",
    ),
    (
        "{ \"apps\": [ { \"app_name\": \"live\", \"source_type\": \"rtmp_push\",\n\"play_auth\": { \"callback\": { \"url\": \"gopher://h/\" } } } ] }",
        "engine.json:2:",
        "scheme `gopher`: `http` or `https` is expected",
    ),
    (
        "{ \"apps\": [ { \"app_name\": \"live\", \"source_type\": \"rtmp_push\",\n\"publish_auth\": { \"allow\": [\"10.0.0.0/40\"] } } ] }",
        "engine.json:2:",
        "",
    ),
    (
        "{ \"apps\": [ { \"app_name\": \"live\", \"source_type\": \"rtmp_push\",\n\"hls\": { \"segment_ms\": 499 } } ] }",
        "engine.json:2:26: apps[0].hls.segment_ms: ",
        "500 to 10000",
    ),
    (
        "{ \"apps\": [ { \"app_name\": \"live\", \"source_type\": \"rtmp_push\",\n\"hls\": { \"disk\": { \"folder\": \"\", \"max_bytes\": 1 } } } ] }",
        "engine.json:2:31: apps[0].hls.disk.folder: ",
        "names no folder",
    ),
    (
        "{ \"apps\": [ { \"app_name\": \"live\", \"source_type\": \"rtmp_push\",\n\"hls\": { \"encryption\": { \"method\": \"aes_256\" } } } ] }",
        "engine.json:2:44: apps[0].hls.encryption.method: ",
        "unknown variant `aes_256`, expected `aes_128` or `sample_aes`",
    ),
    (
        "{ \"apps\": [ { \"app_name\": \"live\", \"source_type\": \"rtmp_push\",\n\"adaptive\": [{ \"name\": \"all\", \"streams\": [\"a\", \"../b\"] }] } ] }",
        "engine.json:2:54: apps[0].adaptive[0].streams[1]: ",
        "bad name",
    ),
    (
        "{ \"apps\": [ { \"app_name\": \"live\", \"source_type\": \"rtmp_push\",\n\"adaptive\": [{ \"name\": \"all\", \"streams\": [\"a\", \"a\"] }] } ] }",
        "engine.json:2:50: apps[0].adaptive[0].streams[1]: ",
        "listed twice",
    ),
    (
        "{ \"listeners\": {\n\"rtmp\": { \"port\": 8080 },\n\"http\": { \"bind\": [\"0.0.0.0\"], \"port\": 8080 } } }",
        "engine.json:3:43: listeners.http.port: ",
        "port 8080 is taken by listeners.rtmp already",
    ),
    (
        "{ \"listeners\": {\n\"rtmps\": { \"port\": 1936 } } }",
        "engine.json:2:11: listeners.rtmps: ",
        "needs a certificate",
    ),
    (
        "{ \"listeners\": {\n\"rtmp\": { \"bind\": [], \"port\": 1 } } }",
        "engine.json:2:",
        "at least one address",
    ),
    (
        "{ \"listeners\": {\n\"rtmp\": { \"bind\": [\"::\", \"127.0.0.1\"], \"port\": 1 } } }",
        "engine.json:2:36: listeners.rtmp.bind[1]: ",
        "is covered by an address before it",
    ),
    (
        "{ \"pulls\": [\n{ \"app\": \"live\", \"stream\": \"a\", \"urls\": [\"rtmp://h/a/b\"] } ] }",
        "engine.json:2:15: pulls[0].app: ",
        "application `live` is of type rtmp_push; a pull needs one of type rtmp_pull",
    ),
    (
        "{ \"pulls\": [\n{ \"app\": \"cams\", \"stream\": \"a\", \"urls\": [\"rtmp://h/a/b\"] } ] }",
        "engine.json:2:15: pulls[0].app: ",
        "there is no application `cams`",
    ),
    (
        "{ \"apps\": [{ \"app_name\": \"cams\", \"source_type\": \"rtmp_pull\" }], \"pulls\": [\n{ \"app\": \"cams\", \"stream\": \"a\", \"urls\": [] } ] }",
        "engine.json:2:42: pulls[0].urls: ",
        "1 to 16 URLs",
    ),
    (
        "{ \"apps\": [{ \"app_name\": \"cams\", \"source_type\": \"rtmp_pull\", \"wait_for_publisher_ms\": 0 }], \"pulls\": [\n{ \"app\": \"cams\", \"stream\": \"a\", \"urls\": [\"rtmp://h/a/b\"], \"mode\": \"on_demand\" } ] }",
        "engine.json:2:77: pulls[0].mode: ",
        "nobody can demand it: `wait_for_publisher_ms` of application `cams` is 0",
    ),
    (
        "{ \"forwards\": [\n{ \"name\": \"x\", \"app\": \"live\", \"stream\": \"a\", \"url\": \"http://h/a/b\" } ] }",
        "engine.json:2:68: forwards[0].url: ",
        "scheme `http`: `rtmp` or `rtmps` is expected",
    ),
    (
        "{ \"forwards\": [\n{ \"name\": \"x\", \"app\": \"live\", \"stream\": \"a\", \"url\": \"rtmp://h/a/b\" },\n{ \"name\": \"x\", \"app\": \"live\", \"stream\": \"b\", \"url\": \"rtmp://h/a/c\" } ] }",
        "engine.json:3:13: forwards[1].name: ",
        "application `live` has a forward named `x` already",
    ),
    (
        "{ \"http\": { \"trusted_proxies\": [\n\"10.0.0.0/33\"] } }",
        "engine.json:2:13: http.trusted_proxies[0]: ",
        "",
    ),
];

#[test]
fn each_mistake_names_its_line_and_field() {
    let mut wrong = Vec::new();
    for (text, place, words) in GOLDEN {
        let error = read(text).map(|_| ()).expect_err(text).to_string();
        if !error.starts_with(place) || !error.contains(words) || error.contains('\n') {
            wrong.push(format!("{text}\n  says   {error}\n  wanted {place}.. {words}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_and_windows_at_their_limits_are_taken() {
    let app = |fields: &str| {
        format!("{{\"apps\":[{{\"app_name\":\"live\",\"source_type\":\"RTMP_Push\",{fields}}}]}}")
    };
    for fields in
        ["\"write_window_ms\": 350", "\"max_viewers\": 1", "\"grace_ms\": 0", "\"grace_ms\": 86400000"]
    {
        read(&app(fields)).expect(fields);
    }
    for fields in ["\"max_viewers\": 0", "\"grace_ms\": 86400001"] {
        read(&app(fields)).map(|_| ()).expect_err(fields);
    }
    for (field, low, high) in [
        ("segment_ms", 500, 10_000),
        ("part_ms", 50, 2_000),
        ("part_ms", 0, 0),
        ("list_ms", 0, 3_600_000),
        ("idle_ms", 0, 3_600_000),
        ("time_shift_s", 0, 604_800),
        ("memory_bytes", 16 << 20, i64::MAX),
    ] {
        let hls = |value: i64| app(&format!("\"hls\": {{\"{field}\": {value}}}"));
        read(&hls(low)).expect(field);
        read(&hls(high)).expect(field);
        read(&hls(low - 1)).map(|_| ()).expect_err(field);
        if high > 0 && high < i64::MAX {
            read(&hls(high + 1)).map(|_| ()).expect_err(field);
        }
    }
    let adaptive = |count: usize| {
        let streams: Vec<_> = (0..count).map(|number| format!("\"s{number}\"")).collect();
        app(&format!("\"adaptive\": [{{\"name\": \"all\", \"streams\": [{}]}}]", streams.join(",")))
    };
    read(&adaptive(16)).expect("as many streams as may be");
    read(&adaptive(17)).map(|_| ()).expect_err("one stream more");
    let urls = |count: usize| {
        let urls = vec!["\"rtmp://h/a/b\""; count].join(",");
        format!(
            "{{\"apps\":[{{\"app_name\":\"cams\",\"source_type\":\"rtmp_pull\"}}],\
             \"pulls\":[{{\"app\":\"cams\",\"stream\":\"a\",\"urls\":[{urls}]}}]}}"
        )
    };
    read(&urls(16)).expect("as many URLs as may be");
    read(&urls(17)).map(|_| ()).expect_err("one URL more");
    for field in ["idle_ms", "return_to_preferred_s"] {
        let limit = if field == "idle_ms" { MAX_WAIT_MS } else { MAX_RETURN_S };
        let pull = |value: u64| urls(1).replace("\"urls\"", &format!("\"{field}\":{value},\"urls\""));
        read(&pull(0)).expect("none");
        read(&pull(limit)).expect("the longest");
        read(&pull(limit + 1)).map(|_| ()).expect_err(field);
    }
}

#[test]
fn ports_of_different_addresses_and_free_ports_do_not_collide() {
    read(
        r#"{ "listeners": {
            "rtmp": { "bind": ["127.0.0.1"], "port": 4000 },
            "http": { "bind": ["::1"], "port": 4000 },
            "api": { "port": 0 } } }"#,
    )
    .expect("distinct addresses");
    read(r#"{ "listeners": { "rtmp": { "port": 0 }, "http": { "port": 0 } } }"#).expect("free ports");
}

#[test]
fn a_file_is_read_up_to_its_largest_size() {
    let folder = std::env::temp_dir().join(format!("engine-config-size-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("temporary folder");
    let path = folder.join("engine.json");
    let padded = |len: u64| format!("{{}}{}", " ".repeat(usize::try_from(len).unwrap() - 2));
    std::fs::write(&path, padded(MAX_CONFIG_BYTES)).expect("written");
    assert_eq!(LoadedConfig::read(&path).expect("largest").config, EngineConfig::default());
    std::fs::write(&path, padded(MAX_CONFIG_BYTES + 1)).expect("written");
    assert!(matches!(LoadedConfig::read(&path), Err(ConfigError::TooLarge { .. })));
    let missing = LoadedConfig::read(&folder.join("absent.json")).map(|_| ()).expect_err("absent");
    assert!(missing.to_string().contains("absent.json: cannot be read: "), "{missing}");
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn secrets_stay_out_of_debug_output() {
    let text = include_str!("../../conf/engine.example.json");
    let shown = format!("{:?}", read(text).expect("the sample").config);
    assert!(!shown.contains("change-me"), "{shown}");
}

proptest! {
    #[test]
    fn any_text_is_answered(text in ".{0,200}") {
        let _ = read(&text);
    }

    /// Whatever is cut out of a good file: an answer, never a panic, and the place lies within the text.
    #[test]
    fn any_cut_of_a_file_is_answered(start in 0usize..1_500, len in 0usize..60) {
        let mut text = include_str!("../../conf/engine.example.json").to_owned();
        let start = start.min(text.len());
        let end = (start + len).min(text.len());
        text.replace_range(start..end, "");
        if let Err(ConfigError::Invalid { line, .. }) = read(&text) {
            prop_assert!(line <= text.matches('\n').count() + 1);
        }
    }

    #[test]
    fn what_is_written_reads_back(
        ports in prop::collection::hash_set(1u16.., 3),
        window in 0u64..=350,
        viewers in 1usize..,
        apps in prop::collection::hash_set("[A-Za-z0-9_-]{2,40}", 0..5),
    ) {
        let mut config = EngineConfig::default();
        let ports: Vec<_> = ports.into_iter().collect();
        if let Some(listener) = &mut config.listeners.rtmp { listener.port = ports[0]; }
        if let Some(listener) = &mut config.listeners.http { listener.port = ports[1]; }
        if let Some(listener) = &mut config.listeners.api { listener.port = ports[2]; }
        let mut app = config.apps.remove(0);
        app.write_window_ms = window;
        app.max_viewers = viewers;
        for name in apps {
            app.app_name = name.parse().unwrap();
            config.apps.push(app.clone());
        }
        let text = serde_json::to_string_pretty(&config).unwrap();
        prop_assert_eq!(read(&text).unwrap().config, config);
    }
}
