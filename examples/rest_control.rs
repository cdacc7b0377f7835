//! Run a server by its REST API: add an application, list what there is, follow the events until a stream is published
//! to the application, and take it away again.
//!
//! `cargo run -p examples --bin rest_control [URL [TOKEN-OR-DATA-FOLDER [EVENTS]]]`, while `ttsm` and `tts` run; then push to
//! `rtmp://127.0.0.1/rest-control/test`. The environment may say the first two: `TTSM_URL`; `TTSM_TOKEN`, or `TTS_DATA_DIR`.

#![allow(clippy::print_stdout, reason = "it shows what happens to whoever starts it")]

use std::env::{args, var};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, ETAG};
use reqwest::{Client, Method, Response, Url};
use serde_json::{Value, json};

const APP: &str = "rest-control";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The REST API of one manager.
struct Api {
    client: Client,
    url: String,
    token: String,
}

impl Api {
    fn new(url: &str, token: String) -> Result<Self> {
        Ok(Self { client: Client::builder().build()?, url: url.trim_end_matches('/').to_owned(), token })
    }

    /// Calls the API. Status 200 is success; anything else says in its body what is wrong.
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Response> {
        let mut request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let answer = tokio::time::timeout(Duration::from_secs(10), request.send()).await??;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let failure: Value = serde_json::from_slice(&answer.bytes().await?)?;
        // `error` is a word for programs, `message` and `detail` are for people.
        Err(format!("{}: {} {}", failure["error"], failure["message"], failure["detail"]).into())
    }

    /// All entries of a list: `next` of a page is where the one behind it begins, `null` on the last.
    async fn list(&self, path: &str) -> Result<Vec<Value>> {
        let (mut entries, mut page) = (Vec::new(), path.to_owned());
        loop {
            let answer = self.call(Method::GET, &page, None).await?;
            let mut body: Value = serde_json::from_slice(&answer.bytes().await?)?;
            entries.append(body["list"].as_array_mut().ok_or("no list")?);
            let Some(next) = body["next"].as_str() else { return Ok(entries) };
            let url = Url::parse_with_params(&format!("{}{path}", self.url), [("after", next)])?;
            page = format!("{path}?{}", url.query().unwrap_or_default());
        }
    }

    /// Adds an application; returns the version of the configuration that has it.
    async fn add_app(&self, name: &str) -> Result<u64> {
        let app = json!({ "app_name": name, "source_type": "rtmp_push" });
        let answer = self.call(Method::POST, "/v1/app", Some(app)).await?;
        let version = answer.headers().get(ETAG).ok_or("no version")?.to_str()?;
        Ok(version.trim_matches('"').parse()?)
    }

    /// Everything that happens from now on. With `Last-Event-ID` it would begin behind an event that was seen before.
    async fn feed(&self) -> Result<Feed> {
        Ok(Feed { answer: self.call(Method::GET, "/v1/event/feed", None).await?, bytes: Vec::new() })
    }
}

/// Server-Sent Events: blocks of lines with an empty line behind each.
struct Feed {
    answer: Response,
    bytes: Vec<u8>,
}

impl Feed {
    async fn next(&mut self) -> Result<Value> {
        loop {
            if let Some(end) = self.bytes.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.bytes.drain(..end + 2).collect();
                let data = str::from_utf8(&block)?.lines().find_map(|line| line.strip_prefix("data:"));
                match data {
                    Some(data) => return Ok(serde_json::from_str(data)?),
                    // A comment, which only shows that the connection is alive.
                    None => continue,
                }
            }
            self.bytes.extend(self.answer.chunk().await?.ok_or("the server ended the feed")?);
        }
    }
}

/// Shows what there is and what happens, until a stream is published to [`APP`] or so many `events` have come.
async fn watch(api: &Api, feed: &mut Feed, version: u64, events: usize) -> Result<()> {
    for app in api.list("/v1/app").await? {
        println!("application {} {}", app["app_name"], app["source_type"]);
    }
    for stream in api.list("/v1/stream").await? {
        println!("stream {} {} {}", stream["app"], stream["stream"], stream["state"]);
    }
    for _ in 0..events {
        let event = feed.next().await?;
        println!("event {event}");
        match event["kind"].as_str() {
            // The manager knows an application at once, the engine a moment later.
            Some("config_applied") if event["version"].as_u64() >= Some(version) => {
                println!("push to rtmp://HOST/{APP}/NAME");
            }
            Some("stream_published") if event["app"] == APP => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}

/// The token of the first start, which lies in the manager's data folder until somebody logs in.
fn initial_token(folder: &Path) -> Result<String> {
    let credentials = fs::read_to_string(folder.join("initial-credentials"))?;
    let token = credentials.lines().find_map(|line| line.strip_prefix("token: "));
    Ok(token.ok_or("no token in initial-credentials")?.to_owned())
}

#[tokio::main]
async fn main() -> Result<()> {
    let given = |place: usize, name: &str| args().nth(place).or_else(|| var(name).ok());
    let url = given(1, "TTSM_URL").unwrap_or_else(|| "http://127.0.0.1:8085".to_owned());
    let token = given(2, "TTSM_TOKEN").or_else(|| var("TTS_DATA_DIR").ok());
    let token = token.ok_or("a token is needed, or the data folder that holds the first one")?;
    let token = if Path::new(&token).is_dir() { initial_token(Path::new(&token))? } else { token };
    let events = args().nth(3).map_or(Ok(usize::MAX), |events| events.parse())?;

    let api = Api::new(&url, token)?;
    // Before anything is changed, so that nothing that comes of it is missed.
    let mut feed = api.feed().await?;
    let version = api.add_app(APP).await?;
    println!("added application {APP}");
    let watched = tokio::select! {
        watched = watch(&api, &mut feed, version, events) => watched,
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(Into::into),
    };
    // However that went. Whoever publishes to it is disconnected.
    api.call(Method::DELETE, &format!("/v1/app/{APP}"), None).await?;
    println!("deleted application {APP}");
    watched
}
