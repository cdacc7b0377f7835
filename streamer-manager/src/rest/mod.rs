//! The REST API: everything the manager knows and does, over HTTP with JSON.
//!
//! | module | what |
//! |---|---|
//! | [`access`] | the one table of who may what |
//! | [`caller`] | who calls: checked against the table, noted in the audit log |
//! | [`envelope`], [`error`] | the form of every answer |
//! | [`request`], [`page`], [`change`], [`idempotency`] | reading requests, pages of lists, changes of the configuration |
//! | `entity` | adding, changing and removing what the configuration lists |
//! | [`engine`] | what is asked of the engine |
//! | `openapi`, [`docs`] | the document of the API, and the page that shows it |
//! | the others | one group of routes each |

pub mod access;
mod app;
mod audit;
pub mod caller;
pub mod change;
mod config;
pub mod docs;
pub mod engine;
mod entity;
pub mod envelope;
pub mod error;
mod event;
mod forward;
pub mod idempotency;
pub mod live_engine;
mod openapi;
pub mod page;
pub mod request;
pub mod session;
mod settings;
pub mod state;
mod stream;
mod system;
mod user;
mod viewer;
mod vod;
mod webhook;

pub use event::MAX_FEEDS;

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use streamer_control::link::engine_api::ListenerBody;
use streamer_vod::{Library, MAX_UPLOAD_CHUNK_BYTES};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::accounts::Accounts;
use crate::configuration::Configuration;
use crate::store::{DeliveryStore, StoredConfig};
use crate::view::Events;
use crate::webhook::Webhooks;
use engine::Engine;
use error::ApiError;
use request::MAX_BODY_BYTES;

/// What the API serves from.
pub struct RestParts {
    /// The configuration.
    pub configuration: Configuration,
    /// Users, tokens, sessions and the audit log.
    pub accounts: Accounts,
    /// The log of webhooks.
    pub deliveries: Arc<dyn DeliveryStore>,
    /// The webhooks, to be sent again.
    pub webhooks: Webhooks,
    /// What happened and happens.
    pub events: Events,
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// Video on demand; `None` where it is switched off.
    pub library: Option<Library>,
    /// Folder of the manager's data; the disk it lies on is shown.
    pub data_dir: PathBuf,
    /// The manager's own listeners as they are now.
    pub listeners: Arc<dyn Fn() -> Vec<ListenerBody> + Send + Sync>,
    /// Whether the API is reached over HTTPS alone: then cookies are too.
    pub secure_cookies: bool,
    /// Cancelled when the manager stops.
    pub stopping: CancellationToken,
}

/// What every handler is given. Clones are handles on the same.
#[derive(Clone)]
pub struct RestState(Arc<Inner>);

struct Inner {
    parts: RestParts,
    keys: idempotency::Keys,
    feeds: event::Feeds,
    load: system::Load,
}

impl RestState {
    /// The state of an API that serves from `parts`.
    #[must_use]
    pub fn new(parts: RestParts) -> Self {
        let load = system::Load::new(parts.data_dir.clone());
        Self(Arc::new(Inner {
            parts,
            keys: idempotency::Keys::default(),
            feeds: event::Feeds::default(),
            load,
        }))
    }

    fn configuration(&self) -> &Configuration {
        &self.0.parts.configuration
    }

    fn config(&self) -> Arc<StoredConfig> {
        self.configuration().current()
    }

    fn accounts(&self) -> &Accounts {
        &self.0.parts.accounts
    }

    fn deliveries(&self) -> &dyn DeliveryStore {
        &*self.0.parts.deliveries
    }

    fn webhooks(&self) -> &Webhooks {
        &self.0.parts.webhooks
    }

    fn events(&self) -> &Events {
        &self.0.parts.events
    }

    fn feeds(&self) -> &event::Feeds {
        &self.0.feeds
    }

    fn engine(&self) -> &dyn Engine {
        &*self.0.parts.engine
    }

    fn library(&self) -> Option<&Library> {
        self.0.parts.library.as_ref()
    }

    fn listeners(&self) -> Vec<ListenerBody> {
        (self.0.parts.listeners)()
    }

    fn secure_cookies(&self) -> bool {
        self.0.parts.secure_cookies
    }

    fn stopping(&self) -> &CancellationToken {
        &self.0.parts.stopping
    }

    fn keys(&self) -> &idempotency::Keys {
        &self.0.keys
    }

    fn load(&self) -> &system::Load {
        &self.0.load
    }
}

/// All routes, with their document.
fn routes() -> OpenApiRouter<RestState> {
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(system::health))
        .routes(routes!(docs::index))
        .routes(routes!(docs::script))
        .routes(routes!(docs::style))
        .routes(routes!(session::login, session::whoami, session::logout))
        .routes(routes!(session::change_password))
        .routes(routes!(app::list, app::add))
        .routes(routes!(app::show, app::replace, app::patch, app::remove))
        .routes(routes!(stream::list, stream::add))
        .routes(routes!(stream::show, stream::replace, stream::patch, stream::remove))
        .routes(routes!(stream::start))
        .routes(routes!(stream::stop))
        .routes(routes!(stream::kick))
        .routes(routes!(viewer::list))
        .routes(routes!(viewer::kick))
        .routes(routes!(forward::list, forward::add))
        .routes(routes!(forward::show, forward::replace, forward::patch, forward::remove))
        .routes(routes!(forward::start))
        .routes(routes!(forward::stop))
        .routes(routes!(settings::show, settings::replace, settings::patch))
        .routes(routes!(user::list_users, user::add_user))
        .routes(routes!(user::show_user, user::change_user, user::remove_user))
        .routes(routes!(user::list_tokens, user::add_token))
        .routes(routes!(user::remove_token))
        .routes(routes!(audit::list))
        .routes(routes!(event::list))
        .routes(routes!(event::feed))
        .routes(routes!(webhook::list, webhook::add))
        .routes(routes!(webhook::show, webhook::replace, webhook::patch, webhook::remove))
        .routes(routes!(webhook::deliveries))
        .routes(routes!(webhook::redeliver))
        .routes(routes!(config::version))
        .routes(routes!(config::history))
        .routes(routes!(config::changes))
        .routes(routes!(config::diff))
        .routes(routes!(config::rollback))
        .routes(routes!(config::export))
        .routes(routes!(config::import).layer(DefaultBodyLimit::max(request::MAX_IMPORT_BYTES)))
        .routes(routes!(system::show))
        .routes(routes!(vod::list))
        .routes(routes!(vod::show, vod::remove))
        .routes(routes!(vod::list_uploads, vod::begin))
        .routes(
            routes!(vod::show_upload, vod::append, vod::abort)
                .layer(DefaultBodyLimit::max(MAX_UPLOAD_CHUNK_BYTES)),
        )
        .routes(routes!(vod::finish))
}

/// The whole API. The server that serves it may say who calls by the extension
/// [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo); it is used for throttling and the audit log.
///
/// # Errors
/// Never: the document consists of types of this crate.
pub fn router(state: RestState) -> Result<Router, serde_json::Error> {
    let (routes, document) = routes().split_for_parts();
    let document = Bytes::from(serde_json::to_vec(&openapi::finished(&document)?)?);
    let serve = move || async move { ([(header::CONTENT_TYPE, "application/json")], document) };
    Ok(routes
        .route("/v1/openapi.json", get(serve))
        .fallback(async || ApiError::path_unknown())
        .layer(from_fn_with_state(state.clone(), idempotency::once))
        .layer(from_fn_with_state(state.clone(), caller::guard))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(state))
}

/// A handler that panics fails its own request alone.
#[allow(clippy::needless_pass_by_value, reason = "the shape of the layer")]
fn panicked(cause: Box<dyn Any + Send>) -> Response {
    let text = cause.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| cause.downcast_ref::<String>().cloned()).unwrap_or_default();
    ApiError::internal("the request", &text).into_response()
}
