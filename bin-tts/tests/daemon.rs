//! The whole engine in process: media in and out, the API, metrics, reload and drain.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use streamer_core::access::SharedKey;
use streamer_rtmp::{ClientOptions, RtmpError, RtmpPull};
use support::{Running, request, soon};
use tts::ENGINE;
use tts::api::MAX_API_CONNECTIONS;

#[tokio::test]
async fn what_is_published_is_played_over_rtmp_and_http_and_told_by_the_api() {
    let running = Running::start(json!({})).await;
    let mut encoder = running.publish("live/test", 25).await.unwrap();

    let mut player =
        RtmpPull::connect(&running.rtmp_url("live/test"), &ClientOptions::default()).await.unwrap();
    assert!(soon(player.next_media()).await.unwrap().is_some());

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut http = tokio::net::TcpStream::connect(running.engine.addresses().http[0]).await.unwrap();
    http.write_all(b"GET /live/test/play.flv HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut head = vec![0; 15];
    soon(http.read_exact(&mut head)).await.unwrap();
    assert_eq!(head, b"HTTP/1.1 200 OK");

    let body = running
        .api_until("/v1/streams", |body| {
            let stream = &body["list"][0];
            stream["viewer_count"] == 2 && stream["ingest"]["video_frames"] == 25
        })
        .await;
    assert_eq!(body["code"], 200);
    let stream = &body["list"][0];
    assert_eq!((&stream["app"], &stream["stream"]), (&json!("live"), &json!("test")));
    assert_eq!((&stream["state"], &stream["publisher"]["protocol"]), (&json!("streaming"), &json!("rtmp")));
    assert!(stream["publisher"]["address"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!((&stream["ingest"]["gop_ms"], &stream["ingest"]["gop_frames"]), (&json!(400), &json!(10)));
    let video = &stream["tracks"][0];
    assert_eq!(
        (&video["codec"], &video["profile"], &video["level"]),
        (&json!("H264"), &json!("High"), &json!("3.0"))
    );
    assert_eq!((&video["width"], &video["height"]), (&json!(640), &json!(360)));
    let audio = &stream["tracks"][1];
    assert_eq!(
        (&audio["codec"], &audio["sample_rate_hz"], &audio["channels"]),
        (&json!("AAC"), &json!(48_000), &json!(2))
    );
    assert_eq!(stream["audience"]["rtmp"]["present"], 1);
    assert_eq!(stream["audience"]["http-flv"]["present"], 1);

    let (status, one) = running.api("GET", "/v1/streams/live/test").await;
    assert_eq!((status, &one["data"]["stream"]), (200, &json!("test")));
    let viewers = running.api("GET", "/v1/streams/live/test/viewers").await.1;
    let mut protocols: Vec<_> =
        viewers["list"].as_array().unwrap().iter().map(|v| v["protocol"].clone()).collect();
    protocols.sort_by_key(Value::to_string);
    assert_eq!(protocols, [json!("http-flv"), json!("rtmp")]);

    let address = running.engine.addresses().api[0];
    let metrics = request(address, "GET", "/metrics", Some(running.engine.token())).await;
    assert!(metrics.head.contains("application/openmetrics-text"), "{}", metrics.head);
    let tasks = metrics.body.lines().find_map(|line| line.strip_prefix("tts_runtime_tasks "));
    let tasks: u32 = tasks.unwrap().parse().unwrap();
    assert!(tasks > 3, "{tasks}: one for the publisher and each viewer alone");
    for line in [
        "tts_ingest_frames_total{app=\"live\",stream=\"test\",kind=\"video\"} 25",
        "tts_ingest_gop_ms{app=\"live\",stream=\"test\"} 400.0",
        "tts_viewers{app=\"live\",stream=\"test\",protocol=\"rtmp\"} 1",
        "tts_connections{listener=\"rtmp\"} 2",
        "tts_streams 1",
    ] {
        assert!(metrics.body.lines().any(|held| held == line), "{line}\n{}", metrics.body);
    }
    encoder.send(1).await.unwrap();
}

#[tokio::test]
async fn rates_are_sampled_while_media_flow() {
    let running = Running::start(json!({})).await;
    let mut encoder = running.publish("live/test", 1).await.unwrap();
    let sending = async {
        loop {
            encoder.send(1).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let flows = |body: &Value| {
        let ingest = &body["data"]["ingest"];
        ingest["bitrate_bps"].as_u64() > Some(0) && ingest["fps"].as_f64() > Some(0.0)
    };
    tokio::select! {
        () = sending => {}
        _ = running.api_until("/v1/streams/live/test", flows) => {}
    }
}

#[tokio::test]
async fn the_api_asks_for_its_token_and_keeps_its_envelope() {
    let running = Running::start(json!({})).await;
    let address = running.engine.addresses().api[0];
    let health = request(address, "GET", "/healthz", None).await;
    assert_eq!((health.status, health.body.as_str()), (200, r#"{"code":200,"message":"ok"}"#));
    for (method, path) in [
        ("GET", "/v1/streams"),
        ("GET", "/metrics"),
        ("GET", "/v1/tasks"),
        ("GET", "/nowhere"),
        ("DELETE", "/v1/streams/live/a/publisher"),
    ] {
        for token in [None, Some("wrong")] {
            let answer = request(address, method, path, token).await;
            assert_eq!(answer.status, 401, "{method} {path}");
            assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
            assert!(answer.body.starts_with(r#"{"code":401,"message":""#), "{}", answer.body);
        }
    }
    for (method, path, status) in [
        ("GET", "/nowhere", 404),
        ("POST", "/v1/streams", 405),
        ("GET", "/v1/streams/live/absent", 404),
        ("GET", "/v1/streams/live/%3Cb%3E", 400),
        ("DELETE", "/v1/streams/live/absent/publisher", 404),
        ("DELETE", "/v1/streams/live/absent/viewers/1", 404),
    ] {
        let (code, body) = running.api(method, path).await;
        assert_eq!((code, &body["code"]), (status, &json!(status)), "{method} {path}");
        assert!(body["message"].is_string(), "{body}");
    }
    assert_eq!(running.api("GET", "/v1/tasks").await.1, json!({ "code": 200, "list": [] }));
}

#[tokio::test]
async fn connections_of_the_api_at_their_limit() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let running = Running::start(json!({})).await;
    let address = running.engine.addresses().api[0];
    let ask = async || {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut first = [0; 12];
        soon(stream.read_exact(&mut first)).await.map(|_| stream)
    };
    let mut held = Vec::new();
    for _ in 0..MAX_API_CONNECTIONS {
        held.push(ask().await.unwrap());
    }
    ask().await.map(|_| ()).unwrap_err();
    drop(held.pop());
    soon(async {
        while ask().await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn metrics_may_be_open() {
    let running = Running::start(json!({ "listeners": { "api": { "open_metrics": true } } })).await;
    let address = running.engine.addresses().api[0];
    assert_eq!(request(address, "GET", "/metrics", None).await.status, 200);
    assert_eq!(request(address, "GET", "/v1/streams", None).await.status, 401);
}

#[tokio::test]
async fn what_the_media_port_refuses_and_gives_up_is_counted() {
    use tokio::io::AsyncWriteExt;
    let guarded = json!({ "app_name": "shut", "source_type": "rtmp_push", "wait_for_publisher_ms": 0,
        "play_auth": { "shared_key": "out" } });
    let open = json!({ "app_name": "live", "source_type": "rtmp_push", "wait_for_publisher_ms": 0 });
    let running = Running::start(json!({ "apps": [open, guarded] })).await;
    let http = running.engine.addresses().http[0];
    for (path, status) in [
        ("/live/absent/play.flv", 404),
        ("/live/absent.flv", 404),
        ("/shut/test/play.flv", 403),
        ("/live/%3Cb%3E/play.flv", 400),
    ] {
        assert_eq!(request(http, "GET", path, None).await.status, status, "{path}");
    }
    let mut broken = tokio::net::TcpStream::connect(http).await.unwrap();
    broken.write_all(b"no HTTP\r\n\r\n").await.unwrap();
    let _encoder = running.publish("live/test", 1).await.unwrap();
    let mut viewer = tokio::net::TcpStream::connect(http).await.unwrap();
    viewer.write_all(b"GET /live/test.flv HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();

    let address = running.engine.addresses().api[0];
    let expected = [
        "tts_http_requests_total{listener=\"http\"} 5",
        "tts_http_viewers_total{listener=\"http\",protocol=\"http-flv\"} 1",
        "tts_http_viewers_total{listener=\"http\",protocol=\"ws-flv\"} 0",
        "tts_http_refused_total{listener=\"http\",cause=\"not_found\"} 2",
        "tts_http_refused_total{listener=\"http\",cause=\"forbidden\"} 1",
        "tts_http_refused_total{listener=\"http\",cause=\"bad_request\"} 1",
        "tts_http_refused_total{listener=\"http\",cause=\"unavailable\"} 0",
        "tts_http_failed_total{listener=\"http\",cause=\"protocol\"} 1",
        "tts_http_failed_total{listener=\"http\",cause=\"header_timeout\"} 0",
        "tts_http_failed_total{listener=\"http\",cause=\"write_stall\"} 0",
    ];
    let mut missing = Vec::new();
    let all_there = tokio::time::timeout(support::PATIENCE, async {
        loop {
            let metrics = request(address, "GET", "/metrics", Some(running.engine.token())).await.body;
            missing = expected.iter().filter(|line| !metrics.lines().any(|held| held == **line)).collect();
            if missing.is_empty() {
                return;
            }
        }
    });
    let in_time = all_there.await.is_ok();
    assert!(in_time, "{missing:?}");
}

#[tokio::test]
async fn viewers_and_publishers_are_kicked() {
    let running = Running::start(json!({})).await;
    let mut encoder = running.publish("live/test", 5).await.unwrap();
    let mut player =
        RtmpPull::connect(&running.rtmp_url("live/test"), &ClientOptions::default()).await.unwrap();
    let viewers =
        running.api_until("/v1/streams/live/test/viewers", |body| body["list"][0].is_object()).await;
    let id = &viewers["list"][0]["id"];
    assert_eq!(running.api("DELETE", "/v1/streams/live/test/viewers/0").await.0, 404);
    let (status, body) = running.api("DELETE", &format!("/v1/streams/live/test/viewers/{id}")).await;
    assert_eq!((status, &body["message"]), (200, &json!("viewer closed")));
    // An error or a clean end: the viewer is told, and gone.
    soon(async { while let Ok(Some(_)) = player.next_media().await {} }).await;
    running.api_until("/v1/streams/live/test/viewers", |body| body["list"] == json!([])).await;

    assert_eq!(running.api("DELETE", "/v1/streams/live/test/publisher").await.0, 200);
    soon(async { while encoder.send(1).await.is_ok() {} }).await;
    running.api_until("/v1/streams/live/test", |body| body["code"] == 404).await;
}

fn signed(key: &str, stream: &str, in_s: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    SharedKey::new(key).sign(&stream.parse().unwrap(), now.checked_add_signed(in_s).unwrap())
}

fn is_refused<T>(result: &Result<T, RtmpError>) -> bool {
    matches!(result, Err(RtmpError::Rejected { .. }))
}

#[tokio::test]
async fn signed_urls_let_in_and_reload_exchanges_the_rules() {
    let guarded = json!({ "app_name": "live", "source_type": "rtmp_push", "publish_auth": { "shared_key": "in" }, "play_auth": { "shared_key": "out" } });
    let running = Running::start(json!({ "apps": [guarded] })).await;
    assert!(is_refused(&running.publish("live/test", 1).await));
    assert!(is_refused(&running.publish(&format!("live/test?{}", signed("in", "live/test", -5)), 1).await));
    assert!(is_refused(&running.publish("other/test", 1).await), "no such application");
    let path = format!("live/test?{}", signed("in", "live/test", 60));
    let mut encoder = running.publish(&path, 5).await.unwrap();

    let http = running.engine.addresses().http[0];
    assert_eq!(request(http, "HEAD", "/live/test/play.flv", None).await.status, 403);
    let query = signed("out", "live/test", 60);
    assert_eq!(request(http, "HEAD", &format!("/live/test/play.flv?{query}"), None).await.status, 200);

    // Another key: who publishes stays, who comes anew needs it.
    running.rewrite(json!({ "apps": [{ "app_name": "live", "source_type": "rtmp_push", "publish_auth": { "shared_key": "new" } }] }));
    let reloaded = running.engine.reload().unwrap();
    assert_eq!(reloaded.applied, ["application live changed"]);
    assert!(reloaded.needs_restart.is_empty());
    encoder.send(5).await.unwrap();
    assert!(is_refused(&running.publish(&format!("live/b?{}", signed("in", "live/b", 60)), 1).await));
    assert!(running.publish(&format!("live/b?{}", signed("new", "live/b", 60)), 1).await.is_ok());
    assert_eq!(request(http, "HEAD", "/live/test/play.flv", None).await.status, 200);
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_a_removed_application_ends() {
    let app = |name: &str| json!({ "app_name": name, "source_type": "rtmp_push" });
    let running = Running::start(json!({ "apps": [app("live"), app("gone")] })).await;
    let mut stays = running.publish("live/test", 5).await.unwrap();
    let mut ends = running.publish("gone/test", 5).await.unwrap();

    std::fs::write(running.config_file(), "{\n  \"aps\": []\n}").unwrap();
    let error = running.engine.reload().unwrap_err().to_string();
    assert!(error.contains("engine.json:2:") && error.contains("`aps`"), "{error}");
    assert_eq!(running.engine.config().apps.len(), 2);
    ends.send(1).await.unwrap();

    running.rewrite(json!({ "apps": [app("live")], "limits": { "max_connections": 9 }, "http": { "trusted_proxies": ["127.0.0.1/32"] } }));
    let reloaded = running.engine.reload().unwrap();
    let applied = ["trusted proxies", "application gone removed", "limits of rtmp", "limits of http"];
    assert_eq!((reloaded.applied.as_slice(), reloaded.is_whole()), (&applied.map(str::to_owned)[..], true));
    soon(async { while ends.send(1).await.is_ok() {} }).await;
    stays.send(1).await.unwrap();
    assert!(is_refused(&running.publish("gone/test", 1).await));
}

#[tokio::test]
async fn pulls_and_forwards_run_change_and_stop() {
    let origin = Running::start(json!({})).await;
    let target = Running::start(json!({})).await;
    let mut encoder = origin.publish("live/cam", 5).await.unwrap();
    let tasks = |stream: &str| {
        json!({
            "apps": [{ "app_name": "cams", "source_type": "rtmp_pull" }],
            "pulls": [{ "app": "cams", "stream": stream, "urls": [
                format!("rtmp://{}/live/absent/none?key=secret", origin.engine.addresses().rtmp[0]),
                format!("rtmp://{}/live/cam?key=secret", origin.engine.addresses().rtmp[0])] }],
            "forwards": [{ "name": "out", "app": "cams", "stream": stream,
                "url": format!("rtmp://{}/live/copy", target.engine.addresses().rtmp[0]) }],
        })
    };
    let edge = Running::start(tasks("gate")).await;
    assert!(is_refused(&edge.publish("cams/x", 1).await), "nobody pushes to what is pulled");
    let send = async {
        loop {
            encoder.send(1).await.unwrap();
            // Nothing is waited for here: this is the pace of an encoder, without which there is no bitrate.
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let check = async {
        let both_stream = |body: &Value| {
            body["list"]
                .as_array()
                .is_some_and(|list| list.len() == 2 && list.iter().all(|task| task["state"] == "streaming"))
        };
        let body = edge.api_until("/v1/tasks", both_stream).await;
        let (pull, forward) = (&body["list"][0], &body["list"][1]);
        assert_eq!(
            (&pull["kind"], &pull["stream"], &pull["retries"]),
            (&json!("pull"), &json!("gate"), &json!(1))
        );
        assert!(pull["last_error"].is_string() && pull["bytes"].as_u64() > Some(0), "{pull}");
        assert!(pull["current_url"].is_string() && pull["current_url"] == pull["urls"][1], "{pull}");
        assert!(!body.to_string().contains("secret"), "{body}");
        let both_move = |body: &Value| {
            let list = body["list"].as_array();
            list.is_some_and(|list| list.iter().all(|task| task["bitrate_bps"].as_u64() > Some(0)))
        };
        edge.api_until("/v1/tasks", both_move).await;
        assert_eq!((&forward["kind"], &forward["name"]), (&json!("forward"), &json!("out")));
        target
            .api_until("/v1/streams/live/copy", |body| {
                body["data"]["ingest"]["video_frames"].as_u64() > Some(3)
            })
            .await;

        edge.rewrite(tasks("door"));
        let reloaded = edge.engine.reload().unwrap();
        let expected =
            ["pull of cams/door started", "forward of cams/door changed", "pull of cams/gate stopped"];
        assert_eq!(reloaded.applied, expected);
        edge.api_until("/v1/streams", |body| {
            body["list"].as_array().unwrap().len() == 1 && body["list"][0]["stream"] == "door"
        })
        .await;
        edge.api_until("/v1/tasks", both_stream).await;
        assert!(edge.engine.reload().unwrap().applied.is_empty(), "the same file changes nothing");

        edge.rewrite(json!({ "apps": [] }));
        edge.engine.reload().unwrap();
        edge.api_until("/v1/streams", |body| body["list"] == json!([])).await;
        assert_eq!(edge.api("GET", "/v1/tasks").await.1["list"], json!([]));
    };
    tokio::select! {
        () = send => {}
        () = check => {}
    }
}

#[tokio::test]
async fn a_forward_over_tls_trusts_the_configured_authority_and_no_other() {
    let certificates = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let (certificate, key) = (
            certificates.path().join(format!("{name}.pem")),
            certificates.path().join(format!("{name}.key")),
        );
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        (certificate, key)
    };
    let ((right, key), (wrong, _)) = (make("right"), make("wrong"));
    let target = Running::start(json!({
        "listeners": { "rtmps": { "bind": ["127.0.0.1"], "port": 0 } },
        "tls": { "certificate": right, "private_key": key },
    }))
    .await;
    let url = format!("rtmps://{}/live/copy", target.engine.addresses().rtmps[0]);
    let start = async |ca: &std::path::Path| {
        let forward = json!({ "name": "out", "app": "live", "stream": "test", "url": url });
        let running = Running::start(json!({ "client_tls": { "ca": ca }, "forwards": [forward] })).await;
        let encoder = running.publish("live/test", 5).await.unwrap();
        (running, encoder)
    };
    let (distrusts, _encoder) = start(&wrong).await;
    let body = distrusts.api_until("/v1/tasks", |body| body["list"][0]["last_error"].is_string()).await;
    assert!(body["list"][0]["last_error"].as_str().unwrap().contains("certificate"), "{body}");
    let (trusts, _encoder) = start(&right).await;
    trusts.api_until("/v1/tasks", |body| body["list"][0]["state"] == "streaming").await;
    target.api_until("/v1/streams/live/copy", |body| body["code"] == 200).await;
}

#[tokio::test]
async fn shutdown_ends_everyone_in_time_and_takes_its_file_away() {
    let mut running = Running::start(json!({})).await;
    let file = running.folder.path().join("data").join(ENGINE.addresses_file());
    let told: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(told["rtmp"][0], json!(running.engine.addresses().rtmp[0].to_string()));
    let mut encoder = running.publish("live/test", 5).await.unwrap();
    let mut player =
        RtmpPull::connect(&running.rtmp_url("live/test"), &ClientOptions::default()).await.unwrap();
    assert!(soon(player.next_media()).await.unwrap().is_some());
    assert!(soon(running.engine.shutdown()).await, "drained");
    soon(async { while let Ok(Some(_)) = player.next_media().await {} }).await;
    soon(async { while encoder.send(1).await.is_ok() {} }).await;
    assert!(running.engine.registry().snapshot().is_empty());
    assert!(!file.exists());
}
