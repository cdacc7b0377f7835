//! Streams, viewers and forwards as the engine shows them; the system.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use streamer_control::link::engine_api::Snapshot;

use crate::support::Api;

fn snapshot(streams: &Value, tasks: &Value, viewers: &Value) -> Arc<Snapshot> {
    let value = json!({
        "engine": "run", "seq": 1, "program_version": "1.2.3", "uptime_ms": 5, "config": null,
        "listeners": [{"process": "tts", "name": "rtmp", "transport": "tcp", "addresses": ["127.0.0.1:1935"], "connections": 1}],
        "process": {"pid": 1, "cpu_ms": 2, "cpu_percent": 3.0, "resident_bytes": 4, "open_files": 5, "threads": 6},
        "streams": streams, "tasks": tasks, "viewers": viewers,
    });
    Arc::new(serde_json::from_value(value).unwrap())
}

fn live(app: &str, stream: &str) -> Value {
    json!({
        "app": app, "stream": stream, "state": "streaming", "since_unix_ms": 1, "uptime_ms": 2,
        "publisher": {"protocol": "rtmp", "address": "127.0.0.1:9"},
        "tracks": [{"id": "video0", "codec": "H264", "profile": "High", "level": "4.0", "width": 1920, "height": 1080,
            "fps": 25.0, "sample_rate_hz": null, "channels": null}],
        "metadata": {}, "viewer_count": 1, "held_bytes": 0,
        "audience": {"http-flv": {"present": 1, "joined": 1, "bytes": 1, "frames": 1, "lost_frames": 0, "skips": 0}},
        "ingest": {"bytes": 1, "video_frames": 1, "audio_frames": 1, "data_frames": 0, "sync_frames": 1, "bitrate_bps": 1,
            "video_bitrate_bps": 1, "audio_bitrate_bps": 0, "fps": 25.0, "gop_ms": 2000, "gop_frames": 50, "jitter_us": null,
            "timestamp_jumps": 0, "timestamps_backwards": 0, "dropped_without_track": 0, "dropped_before_sync": 0,
            "track_changes": 0, "publishers": 1},
    })
}

fn task(kind: &str, name: Option<&str>, app: &str, stream: &str, state: &str) -> Value {
    json!({"kind": kind, "name": name, "app": app, "stream": stream, "urls": ["rtmp://host/live/a"],
        "current_url": Some("rtmp://host/live/a").filter(|_| state == "streaming"), "state": state,
        "last_error": "refused", "retries": 3, "bytes": 10, "frames": 2, "bitrate_bps": 8})
}

fn viewer(app: &str, stream: &str, id: u64, lost_frames: u64) -> Value {
    json!({"app": app, "stream": stream, "id": id, "protocol": "http-flv", "address": "10.0.0.1:5", "internal": false,
        "bytes": 1, "frames": 1, "lag_ms": 40, "lost_frames": lost_frames, "skips": 2})
}

async fn pulled(api: &Api, names: &[&str]) {
    api.post("/v1/app", json!({"app_name": "pulled", "source_type": "rtmp_pull"})).await.of(200);
    for name in names {
        let pull = json!({"app": "pulled", "stream": name, "urls": ["rtmp://host/live/a"]});
        api.post("/v1/stream", pull).await.of(200);
    }
}

fn states(answer: &Value) -> Vec<(String, Value)> {
    let list = answer["list"].as_array().unwrap();
    list.iter().map(|one| (one["stream"].as_str().unwrap().to_owned(), one["state"].clone())).collect()
}

#[tokio::test]
async fn configured_and_live_streams_are_one_list() {
    let api = Api::new().await;
    pulled(&api, &["a-live", "b-retrying", "c-new", "d-stopped"]).await;
    api.call("POST", "/v1/stream/pulled/d-stopped/stop", None).await.of(200);
    let unknown = api.get("/v1/stream").await.of(200);
    assert_eq!((&unknown["total"], &unknown["list"][0]["state"]), (&json!(4), &json!(null)));
    assert!(unknown["list"][0]["reason"].as_str().unwrap().contains("cannot be reached"));
    let tasks = json!([
        task("pull", None, "pulled", "a-live", "streaming"),
        task("pull", None, "pulled", "b-retrying", "retrying")
    ]);
    let streams = json!([live("pulled", "a-live"), live("live", "pushed")]);
    *api.engine.snapshot.lock() = Some(snapshot(&streams, &tasks, &json!([])));
    let all = api.get("/v1/stream").await.of(200);
    let expected = [
        ("pushed", "streaming"),
        ("a-live", "streaming"),
        ("b-retrying", "retrying"),
        ("c-new", "waiting"),
        ("d-stopped", "stopped"),
    ];
    assert_eq!(states(&all), expected.map(|(name, state)| (name.to_owned(), json!(state))));
    assert_eq!((&all["list"][2]["reason"], &all["list"][2]["retries"]), (&json!("refused"), &json!(3)));
    let from: Vec<_> = (0..3).map(|index| &all["list"][index]["current_url"]).collect();
    assert_eq!(from, [&json!(null), &json!("rtmp://host/live/a"), &json!(null)]);
    assert_eq!(all["list"][0]["tracks"][0]["codec"], "H264");
    assert_eq!(states(&api.get("/v1/stream?app=pulled&state=stopped").await.of(200)).len(), 1);
    assert_eq!(states(&api.get("/v1/stream?text=PUSH").await.of(200)).len(), 1);
    assert_eq!(api.get("/v1/stream/live/pushed").await.of(200)["data"]["source"], json!(null));
    assert_eq!(api.get("/v1/stream/live/nothing").await.error(404), "not_found");
    let page = api.get("/v1/stream?limit=2").await.of(200);
    let next = page["next"].as_str().unwrap();
    let rest = api.get(&format!("/v1/stream?after={next}")).await.of(200);
    assert_eq!(states(&rest)[0].0, "b-retrying");
}

#[tokio::test]
async fn publishers_and_viewers_are_kicked() {
    let api = Api::new().await;
    let kick = async |path: &str| api.call("DELETE", path, None).await;
    let away = kick("/v1/stream/live/a1/publisher").await.of(500);
    assert_eq!(
        (&away["message"], &away["error"]),
        (&json!("network exception"), &json!("network_exception"))
    );
    assert_eq!(api.get("/v1/viewer").await.error(500), "network_exception");
    let viewers =
        json!([viewer("live", "a1", 10, 0), viewer("live", "a1", 9, 4), viewer("live", "b2", 1, 0)]);
    *api.engine.snapshot.lock() = Some(snapshot(&json!([live("live", "a1")]), &json!([]), &viewers));
    let listed = api.get("/v1/viewer?stream=a1").await.of(200);
    assert_eq!(listed["list"][0]["id"], 9);
    assert!(listed["list"][0]["lost_because"].as_str().unwrap().contains("slower"));
    assert_eq!((&listed["list"][1]["lost_because"], &listed["total"]), (&json!(null), &json!(2)));
    kick("/v1/viewer/live/a1/10").await.of(200);
    assert_eq!(kick("/v1/viewer/live/a1/77").await.error(404), "not_found");
    kick("/v1/stream/live/a1/publisher").await.of(200);
    assert_eq!(kick("/v1/stream/live/nothing/publisher").await.error(404), "not_found");
    assert_eq!(api.engine.kicked.lock()[0], "live/a1/10");
}

#[tokio::test]
async fn a_forward_shows_how_it_goes() {
    let api = Api::new().await;
    for name in ["f1", "f2"] {
        let forward = json!({"name": name, "app": "live", "stream": "a1", "url": "rtmp://host/live/b"});
        api.post("/v1/forward", forward).await.of(200);
    }
    let tasks = json!([task("forward", Some("f1"), "live", "a1", "retrying")]);
    *api.engine.snapshot.lock() = Some(snapshot(&json!([]), &tasks, &json!([])));
    let listed = api.get("/v1/forward").await.of(200);
    let first = &listed["list"][0];
    assert_eq!(
        (&first["state"], &first["last_error"], &first["retries"]),
        (&json!("retrying"), &json!("refused"), &json!(3))
    );
    assert_eq!((&first["bytes"], &first["bitrate_bps"]), (&json!(10), &json!(8)));
    assert_eq!(listed["list"][1]["state"], "waiting");
    assert_eq!(api.get("/v1/forward?state=retrying").await.of(200)["total"], 1);
}

#[tokio::test]
async fn the_system_shows_both_daemons() {
    let api = Api::new().await;
    let away = api.get("/v1/system").await.of(200);
    assert_eq!(away["data"]["engine"]["reachable"], false);
    assert!(away["data"]["process"]["resident_bytes"].as_u64().unwrap() > 1_000_000);
    assert!(away["data"]["machine"]["disk_total_bytes"].as_u64().unwrap() > 0);
    *api.engine.snapshot.lock() = Some(snapshot(&json!([]), &json!([]), &json!([])));
    let there = api.get("/v1/system").await.of(200);
    assert_eq!(
        (&there["data"]["engine"]["program_version"], &there["data"]["listeners"][0]["name"]),
        (&json!("1.2.3"), &json!("rtmp"))
    );
    assert_eq!(api.get("/healthz").await.of(200)["message"], "ok");
}

#[tokio::test]
async fn two_thousand_streams_are_listed_in_pages() {
    let api = Api::new().await;
    let names: Vec<String> = (0..2_000).map(|number| format!("s{number:04}")).collect();
    api.configuration
        .edit("test", "many", |document| {
            let app = json!({"app_name": "pulled", "source_type": "rtmp_pull"});
            document.engine.apps.push(serde_json::from_value(app).unwrap());
            for name in &names {
                let pull = json!({"app": "pulled", "stream": name, "urls": ["rtmp://user:word@host/live/a"]});
                document.engine.pulls.push(serde_json::from_value(pull).unwrap());
            }
            Ok::<(), ()>(())
        })
        .await
        .unwrap();
    let streams: Vec<Value> = names.iter().map(|name| live("pulled", name)).collect();
    let tasks: Vec<Value> =
        names.iter().map(|name| task("pull", None, "pulled", name, "streaming")).collect();
    *api.engine.snapshot.lock() = Some(snapshot(&json!(streams), &json!(tasks), &json!([])));
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let began = Instant::now();
        let page = api.get(&format!("/v1/stream?limit=1000{after}")).await.of(200);
        println!("a page of 1000 of 2000 streams, read and parsed: {:?}", began.elapsed());
        seen.extend(states(&page).into_iter().map(|(name, _)| name));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, names);
}
