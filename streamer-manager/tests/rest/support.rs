//! An API with a store of its own, and calls at it.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use parking_lot::Mutex;
use serde_json::Value;
use streamer_control::link::engine_api::{ListenerBody, Snapshot};
use streamer_control::link::manager_api::AppliedReport;
use streamer_manager::accounts::{Accounts, InitialCredentials, NewToken, Role, Scope};
use streamer_manager::configuration::Configuration;
use streamer_manager::rest::engine::{Engine, Unreachable};
use streamer_manager::rest::{RestParts, RestState, router};
use streamer_manager::store::SqliteStore;
use streamer_manager::view::Events;
use streamer_manager::webhook::Webhooks;
use streamer_vod::Library;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// An engine that says what a test wants it to say.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) snapshot: Mutex<Option<Arc<Snapshot>>>,
    pub(crate) kicked: Mutex<Vec<String>>,
}

#[async_trait]
impl Engine for Said {
    async fn snapshot(&self) -> Result<Arc<Snapshot>, Unreachable> {
        self.snapshot.lock().clone().ok_or_else(|| Unreachable("nobody is there".into()))
    }

    async fn close_publisher(&self, app: &str, stream: &str) -> Result<bool, Unreachable> {
        let snapshot = self.snapshot().await?;
        let known = snapshot.streams.iter().any(|live| live.app == app && live.stream == stream);
        self.kicked.lock().push(format!("{app}/{stream}"));
        Ok(known)
    }

    async fn close_viewer(&self, app: &str, stream: &str, id: u64) -> Result<bool, Unreachable> {
        let snapshot = self.snapshot().await?;
        self.kicked.lock().push(format!("{app}/{stream}/{id}"));
        Ok(snapshot.viewers.iter().any(|viewer| viewer.viewer.id == id))
    }

    fn last_report(&self) -> Option<AppliedReport> {
        None
    }
}

/// An API.
pub(crate) struct Api {
    pub(crate) router: Router,
    pub(crate) folder: TempDir,
    pub(crate) engine: Arc<Said>,
    pub(crate) accounts: Accounts,
    pub(crate) configuration: Configuration,
    pub(crate) first: InitialCredentials,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) events: Events,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body, which must be of this status and have the envelope of every answer.
    #[track_caller]
    pub(crate) fn of(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.body["code"], status, "{}", self.body);
        self.body
    }

    /// The stable word of a failure of this status.
    #[track_caller]
    pub(crate) fn error(self, status: u16) -> String {
        let body = self.of(status);
        assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
        body["error"].as_str().unwrap().to_owned()
    }
}

impl Api {
    pub(crate) async fn new() -> Self {
        Self::with_listeners(Arc::new(Vec::new)).await
    }

    /// One of a manager that tells of its listeners in this way.
    pub(crate) async fn with_listeners(listeners: Arc<dyn Fn() -> Vec<ListenerBody> + Send + Sync>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("store.db")).await.unwrap());
        let engine = Arc::new(Said::default());
        let accounts = Accounts::new(Arc::clone(&store) as _, folder.path());
        let first = accounts.first_start(None).await.unwrap().unwrap();
        let configuration = Configuration::open(Arc::clone(&store) as _).await.unwrap();
        std::fs::create_dir(folder.path().join("vod")).unwrap();
        let events = Events::default();
        let state = RestState::new(RestParts {
            configuration: configuration.clone(),
            accounts: accounts.clone(),
            deliveries: Arc::clone(&store) as _,
            webhooks: Webhooks::new(configuration.clone(), Arc::clone(&store) as _),
            events: events.clone(),
            engine: Arc::clone(&engine) as _,
            library: Some(Library::open(&folder.path().join("vod")).unwrap()),
            data_dir: folder.path().to_path_buf(),
            listeners,
            secure_cookies: false,
            stopping: CancellationToken::new(),
        });
        Self { router: router(state).unwrap(), folder, engine, accounts, configuration, first, store, events }
    }

    /// A token of this role and these scopes.
    pub(crate) async fn token(&self, role: Role, scopes: &[Scope]) -> String {
        let name = format!(
            "{role}-{}",
            scopes.iter().map(|scope| scope.to_string().replace(':', "-")).collect::<String>()
        );
        let new = NewToken { name: &name, role, scopes, expires_unix_ms: None, created_by: "test" };
        self.accounts.add_token(new).await.unwrap().secret.expose().to_owned()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let mut request = request;
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 40_000))));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        // A feed has no end to wait for.
        let feed = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
        let body = if feed { Body::empty() } else { response.into_body() };
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let json = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let body = if json { serde_json::from_slice(&bytes).unwrap() } else { text() };
        Answer { status, headers, body }
    }

    /// A call by the first administrator's token.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call_as(self.first.token.expose(), method, path, body).await
    }

    pub(crate) async fn call_as(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, Some(body)).await
    }
}
