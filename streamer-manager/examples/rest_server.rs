//! The REST API alone, on a store in a folder that must not exist yet: for tools that try every call of it.
//!
//! `cargo run -p streamer-manager --example rest_server FOLDER [ADDRESS]` prints the URL and an administrator's token.

#![allow(clippy::print_stdout, reason = "a program that prints where it is")]

use std::env::args;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use streamer_control::link::engine_api::Snapshot;
use streamer_control::link::manager_api::AppliedReport;
use streamer_manager::accounts::Accounts;
use streamer_manager::configuration::Configuration;
use streamer_manager::rest::engine::{Engine, Unreachable};
use streamer_manager::rest::{RestParts, RestState, router};
use streamer_manager::store::SqliteStore;
use streamer_manager::view::Events;
use streamer_manager::webhook::Webhooks;
use streamer_vod::Library;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// There is no engine here.
struct NoEngine;

#[async_trait]
impl Engine for NoEngine {
    async fn snapshot(&self) -> Result<Arc<Snapshot>, Unreachable> {
        Ok(Arc::new(Snapshot {
            engine: "none".into(),
            seq: 0,
            program_version: "none".into(),
            uptime_ms: 0,
            config: None,
            listeners: Vec::new(),
            process: Default::default(),
            streams: Vec::new(),
            tasks: Vec::new(),
            viewers: Vec::new(),
        }))
    }

    async fn close_publisher(&self, _: &str, _: &str) -> Result<bool, Unreachable> {
        Ok(false)
    }

    async fn close_viewer(&self, _: &str, _: &str, _: u64) -> Result<bool, Unreachable> {
        Ok(false)
    }

    fn last_report(&self) -> Option<AppliedReport> {
        None
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(args().nth(1).ok_or("a folder is needed")?);
    std::fs::create_dir_all(folder.join("vod"))?;
    let store = Arc::new(SqliteStore::open(&folder.join("store.db")).await?);
    let accounts = Accounts::new(Arc::clone(&store) as _, &folder);
    let first = accounts.first_start(None).await?.ok_or("the folder holds a store already")?;
    let configuration = Configuration::open(Arc::clone(&store) as _).await?;
    let state = RestState::new(RestParts {
        configuration: configuration.clone(),
        accounts,
        deliveries: Arc::clone(&store) as _,
        webhooks: Webhooks::new(configuration, store),
        events: Events::default(),
        engine: Arc::new(NoEngine),
        library: Some(Library::open(&folder.join("vod"))?),
        data_dir: folder,
        listeners: Arc::new(Vec::new),
        secure_cookies: false,
        stopping: CancellationToken::new(),
    });
    let listener = TcpListener::bind(args().nth(2).as_deref().unwrap_or("127.0.0.1:0")).await?;
    println!("http://{}", listener.local_addr()?);
    println!("{}", first.token.expose());
    axum::serve(listener, router(state)?).await?;
    Ok(())
}
