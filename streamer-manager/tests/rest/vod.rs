//! Video on demand: listing, uploading in chunks, deleting.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::json;

use crate::support::{Answer, Api};

const FILM: &[u8] = include_bytes!("../../../streamer-vod/testdata/ffmpeg_progressive.mp4");

async fn chunk(api: &Api, id: &str, offset: u64, bytes: &'static [u8], kind: &str) -> Answer {
    let request = Request::builder()
        .method("PUT")
        .uri(format!("/v1/vod/upload/{id}?offset={offset}"))
        .header(header::AUTHORIZATION, format!("Bearer {}", api.first.token.expose()))
        .header(header::CONTENT_TYPE, kind);
    api.send(request.body(Body::from(bytes)).unwrap()).await
}

#[tokio::test]
async fn a_file_comes_in_chunks_and_goes() {
    let api = Api::new().await;
    std::fs::create_dir(api.folder.path().join("vod/films")).unwrap();
    let begun = api.post("/v1/vod/upload", json!({"path": "films/a.ts", "total_bytes": 6})).await.of(200);
    let id = begun["data"]["id"].as_str().unwrap();
    let bytes = "application/octet-stream";
    assert_eq!(chunk(&api, id, 0, b"abc", "text/plain").await.error(415), "content_type_unsupported");
    assert_eq!(chunk(&api, id, 0, b"abc", bytes).await.of(200)["data"]["received_bytes"], 3);
    assert_eq!(chunk(&api, id, 0, b"abc", bytes).await.error(409), "conflict");
    assert_eq!(chunk(&api, id, 3, b"abcd", bytes).await.error(413), "body_too_large");
    let finish = format!("/v1/vod/upload/{id}/finish");
    assert_eq!(api.call("POST", &finish, None).await.error(409), "conflict");
    // Whoever lost the connection asks where to go on.
    let known = api.get(&format!("/v1/vod/upload/{id}")).await.of(200);
    assert_eq!(known["data"]["received_bytes"], 3);
    assert_eq!(api.get("/v1/vod/upload").await.of(200)["total"], 1);
    api.call("DELETE", &format!("/v1/vod/upload/{id}"), None).await.of(200);
    assert_eq!(api.get(&format!("/v1/vod/upload/{id}")).await.error(404), "not_found");
}

#[tokio::test]
async fn folders_are_listed_in_pages_and_files_deleted() {
    let api = Api::new().await;
    for name in ["a.mp4", "b.mp4", "c.vtt"] {
        std::fs::write(api.folder.path().join("vod").join(name), b"x").unwrap();
    }
    let page = api.get("/v1/vod?limit=2").await.of(200);
    assert_eq!(
        (&page["total"], &page["next"], &page["list"][1]["path"]),
        (&json!(3), &json!("2"), &json!("b.mp4"))
    );
    let rest = api.get("/v1/vod?after=2").await.of(200);
    assert_eq!((&rest["list"][0]["kind"], &rest["next"]), (&json!("subtitles"), &json!(null)));
    api.call("DELETE", "/v1/vod/asset?path=a.mp4", None).await.of(200);
    assert_eq!(api.call("DELETE", "/v1/vod/asset?path=a.mp4", None).await.error(404), "not_found");
    for path in ["../store.db", "%2e%2e/store.db", "a%00b", "..%5cstore.db", ""] {
        let answer = api.call("DELETE", &format!("/v1/vod/asset?path={path}"), None).await;
        assert_eq!(answer.of(400)["parameter"], "path", "{path}");
    }
    assert!(api.folder.path().join("store.db").exists());
}

#[tokio::test]
async fn a_media_file_is_described() {
    let api = Api::new().await;
    let put = |name: &str, content: &[u8]| {
        std::fs::write(api.folder.path().join("vod").join(name), content).unwrap();
    };
    put("a film.mp4", FILM);
    put("broken.mp4", b"this is no media");
    put("notes.txt", b"neither is this");
    let shown = api.get("/v1/vod/asset?path=a%20film.mp4").await.of(200)["data"].clone();
    assert_eq!(
        (&shown["path"], &shown["size_bytes"], &shown["container"]),
        (&json!("a film.mp4"), &json!(FILM.len()), &json!("mp4"))
    );
    assert!(shown["modified_unix_ms"].as_i64().unwrap() > 0, "{shown}");
    let playlists = json!({
        "ts": "/vod/a%20film.mp4/playlist.m3u8", "fmp4": "/vod/a%20film.mp4/playlist_sfm4s.m3u8"
    });
    assert_eq!(shown["playlists"], playlists);
    let (video, audio) = (&shown["tracks"][0], &shown["tracks"][1]);
    let expected =
        [("id", json!("video0")), ("codec", json!("H264")), ("width", json!(64)), ("height", json!(48))];
    for (name, value) in expected {
        assert_eq!(video[name], value, "{name}");
    }
    assert!((video["fps"].as_f64().unwrap() - 15.0).abs() < 0.01, "{video}");
    let expected = [("codec", json!("AAC")), ("sample_rate_hz", json!(48_000)), ("channels", json!(1))];
    for (name, value) in expected {
        assert_eq!(audio[name], value, "{name}");
    }
    assert_eq!((&audio["language"], &audio["codec_string"]), (&json!("fr"), &json!("mp4a.40.2")));
    assert_eq!((&shown["duration_ms"], &video["duration_ms"]), (&json!(681), &json!(666)));
    let at_rate = |track: &serde_json::Value| track["bitrate_bps"].as_u64().unwrap();
    assert_eq!(shown["bitrate_bps"], at_rate(video) + at_rate(audio));
    for path in ["broken.mp4", "notes.txt"] {
        assert_eq!(api.get(&format!("/v1/vod/asset?path={path}")).await.error(409), "conflict", "{path}");
    }
    for path in ["missing.mp4", "missing.txt", "a%20film.mp4/x"] {
        assert_eq!(api.get(&format!("/v1/vod/asset?path={path}")).await.error(404), "not_found", "{path}");
    }
    for path in ["", "../store.db", "..%5cstore.db", "a%00b"] {
        assert_eq!(
            api.get(&format!("/v1/vod/asset?path={path}")).await.of(400)["parameter"],
            "path",
            "{path}"
        );
    }
}
