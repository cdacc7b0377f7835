//! One request for HLS or DASH: who asks, what of, and the answer.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::{Request, Response};
use streamer_core::StreamKey;
use streamer_core::hub::Viewer;

use super::answer::{self, Keep};
use super::handle::Hls;
use super::live::{Live, protocol};
use super::media;
use super::options::{HlsAppOptions, HlsMode};
use super::rendered::{Kind, Rendered};
use super::session::Identity;
use super::sink::now_unix_ms;
use crate::io::admission::{authorize, find};
use crate::io::body::Body;
use crate::io::connection::Port;
use crate::options::Client;
use crate::proto::dash::manifest;
use crate::proto::dash::manifest::MEDIA_TYPE;
use crate::proto::hls::request::credentials;
use crate::proto::hls::view::{deepest_shift, shifted_edge};
use crate::proto::hls::{
    Container, Edge, FileName, MediaView, Query, RenditionId, VariantStream, media_playlist, multivariant,
};
use crate::proto::refusal::Refusal;
use crate::proto::route::{HlsRequest, HlsResource};

/// Media type of a playlist (RFC 8216, 4).
const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";

/// What is known of a request and of who sent it.
pub(super) struct Ask<'a> {
    pub(super) port: &'a Port,
    pub(super) hls: &'a Hls,
    pub(super) client: Client,
    pub(super) headers: &'a HeaderMap,
    pub(super) key: &'a StreamKey,
    pub(super) query: &'a Query,
    pub(super) head: bool,
    /// By what the viewer is known.
    pub(super) identity: Identity,
    /// The query string that children are asked for with, question mark included; empty without a pass.
    pub(super) pass: String,
}

/// Answers `request`, which asks for `wanted`.
///
/// # Errors
/// [`Refusal`], which caches may keep for a moment if it is 404.
pub(crate) async fn serve(
    port: &Port,
    client: Client,
    request: &Request<Incoming>,
    wanted: &HlsRequest,
) -> Result<Response<Body>, Refusal> {
    let hls = &port.options.hls;
    let options = hls.app_options(&wanted.key.app);
    if options.mode == HlsMode::Off {
        return Err(Refusal::no_such_stream());
    }
    let container = wanted.resource.container();
    let (identity, pass) = admit(port, client, request, wanted, &options).await?;
    let ask = Ask {
        port,
        hls,
        client,
        headers: request.headers(),
        key: &wanted.key,
        query: &wanted.query,
        head: wanted.head,
        identity,
        pass,
    };
    match wanted.resource {
        HlsResource::Multivariant(_) => ask.multivariant(container, &options).await,
        HlsResource::Manifest => ask.manifest().await,
        HlsResource::File(rendition, FileName::Playlist) => ask.media_playlist(rendition).await,
        HlsResource::File(rendition, name) => media::file(&ask, rendition, name).await,
    }
}

/// Sees whether the request may be answered: by its pass, or by the authorizer. Returns by what the viewer is known,
/// and the query string of a pass.
async fn admit(
    port: &Port,
    client: Client,
    request: &Request<Incoming>,
    wanted: &HlsRequest,
    options: &HlsAppOptions,
) -> Result<(Identity, String), Refusal> {
    let sessions = port.options.hls.sessions();
    let (key, container) = (&wanted.key, wanted.resource.container());
    if let Some(pass) = wanted.query.pass {
        sessions.honour(pass, key)?;
        return Ok((Identity::Pass(pass), format!("?pass={pass}")));
    }
    let protocol = protocol(container, options);
    authorize(&port.gateway, request, key, protocol, client, port.options.authorize_timeout).await?;
    let agent = request.headers().get(header::USER_AGENT).map(|agent| agent.as_bytes()).unwrap_or_default();
    let identity = sessions.client((key, container), client, agent);
    let is_media = matches!(wanted.resource, HlsResource::File(_, name) if name != FileName::Playlist);
    if !wanted.query.credentials || is_media {
        return Ok((identity, String::new()));
    }
    let tied = options.adaptive.get(&key.stream).into_iter().flatten();
    let tied = tied.map(|stream| StreamKey { app: key.app.clone(), stream: stream.clone() });
    let keys = std::iter::once(key.clone()).chain(tied).collect();
    let credentials = credentials(request.uri().query().unwrap_or_default());
    let pass = sessions.grant(identity, &credentials, keys, random()?)?;
    Ok((Identity::Pass(pass), format!("?pass={pass}")))
}

fn random() -> Result<u128, Refusal> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "The server cannot make a pass now."))?;
    Ok(u128::from_ne_bytes(bytes))
}

impl Ask<'_> {
    async fn multivariant(
        &self,
        container: Container,
        options: &HlsAppOptions,
    ) -> Result<Response<Body>, Refusal> {
        self.port.options.stats.hls_multivariant_playlists.increment();
        let shift = self.query.shift.unwrap_or_default();
        let (rendered, viewer) = match options.adaptive.get(&self.key.stream) {
            Some(streams) => {
                let keys: Vec<StreamKey> = streams
                    .iter()
                    .map(|stream| StreamKey { app: self.key.app.clone(), stream: stream.clone() })
                    .collect();
                let lives = self.tied(&keys, container).await?;
                let prefixes: Vec<String> =
                    lives.iter().map(|live| format!("../{}/", live.key.stream)).collect();
                let text = self.render_multivariant(&lives, &prefixes, shift);
                (text.map(|text| Arc::new(Rendered::new(text))), None)
            }
            None => {
                let live = self.find(self.key, container).await?;
                if !live.ready(None).await {
                    return Err(Refusal::not_yet());
                }
                let viewer = self.enter(&live)?;
                let lives = [Arc::clone(&live)];
                let render = || self.render_multivariant(&lives, &[String::new()], shift);
                let kind = Kind::Multivariant { shift_s: shift.as_secs() };
                let rendered = if self.pass.is_empty() && shift.is_zero() {
                    live.playlist(kind, render)
                } else {
                    render().map(|text| Arc::new(Rendered::new(text)))
                };
                (rendered, viewer)
            }
        };
        let rendered = rendered.ok_or_else(Refusal::not_yet)?;
        // Players ask for it once; a changed rate or track is news of the next seconds.
        Ok(self.send(PLAYLIST_TYPE, &rendered, Keep::Live { target_duration_s: 2 }, viewer.as_deref()))
    }

    /// Those of `keys` that are live, best first; if none is, the first that comes in time.
    async fn tied(&self, keys: &[StreamKey], container: Container) -> Result<Vec<Arc<Live>>, Refusal> {
        let registry = &self.port.gateway.registry;
        let mut lives = Vec::new();
        for key in keys.iter().filter(|key| registry.get(key).is_some()) {
            lives.push(self.find(key, container).await?);
        }
        if let (true, Some(first)) = (lives.is_empty(), keys.first()) {
            lives.push(self.find(first, container).await?);
        }
        let mut ready = Vec::new();
        for live in lives {
            if live.ready(None).await {
                ready.push(live);
            }
        }
        if ready.is_empty() { Err(Refusal::not_yet()) } else { Ok(ready) }
    }

    fn render_multivariant(
        &self,
        lives: &[Arc<Live>],
        prefixes: &[String],
        shift: Duration,
    ) -> Option<String> {
        // Every stream has its own history: who asks for more than one has begins where that one begins.
        let now = now_unix_ms();
        let depth = |live: &Arc<Live>| {
            live.shared.read(|presentation| {
                let windows = presentation.renditions.iter().map(|rendition| &rendition.window);
                windows.map(|window| deepest_shift(window, now, live.list())).min().unwrap_or_default()
            })
        };
        let shift = lives.iter().map(depth).fold(shift, Duration::min);
        let query = match (shift.as_secs(), self.pass.as_str()) {
            (0, pass) => pass.to_owned(),
            (shift, "") => format!("?shifttime={shift}"),
            (shift, pass) => format!("{pass}&shifttime={shift}"),
        };
        let presentations: Vec<_> = lives.iter().map(|live| live.shared.read(Clone::clone)).collect();
        let streams: Vec<VariantStream<'_>> = presentations
            .iter()
            .zip(prefixes)
            .map(|(presentation, prefix)| VariantStream { prefix, presentation })
            .collect();
        multivariant(&streams, &query)
    }

    async fn media_playlist(&self, id: RenditionId) -> Result<Response<Body>, Refusal> {
        let stats = &self.port.options.stats;
        stats.hls_media_playlists.increment();
        let live = self.find(self.key, id.container()).await?;
        if !live.ready(Some(id)).await {
            return Err(Refusal::not_yet());
        }
        let is_live = self.query.shift.is_none();
        let (mut held, mut late) = (false, false);
        if let Some(reload) = self.query.reload.filter(|_| is_live) {
            let too_far = live.shared.read(|presentation| {
                let rendition = presentation.rendition(id);
                rendition.is_some_and(|rendition| reload.too_far_ahead(&rendition.window))
            });
            if too_far {
                return Err(Refusal::new(
                    StatusCode::BAD_REQUEST,
                    "Bad request: the media asked for are too far in the future.",
                ));
            }
            held = true;
            stats.hls_blocking_reloads.increment();
            let there = live.shared.hold(id, reload).await.map_err(|_| {
                Refusal::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Too many requests wait for the stream already.",
                )
            })?;
            late = !there;
            if late {
                stats.hls_late_reloads.increment();
            }
        }
        live.touch();
        let viewer = self.enter(&live)?;
        let (target_duration_s, edge) = live
            .shared
            .read(|presentation| {
                let window = &presentation.rendition(id)?.window;
                let edge = match self.query.shift {
                    None => Edge::Live,
                    Some(shift) => {
                        let shift_ms = i64::try_from(shift.as_millis()).unwrap_or(i64::MAX);
                        shifted_edge(window, now_unix_ms().saturating_sub(shift_ms), live.list())
                    }
                };
                Some((window.target_duration_s?, edge))
            })
            .ok_or_else(Refusal::not_yet)?;
        let view = MediaView { edge, skip: self.query.skip.filter(|_| is_live), query: &self.pass };
        let render = || live.shared.read(|presentation| media_playlist(presentation, id, &view, live.list()));
        let rendered = if self.pass.is_empty() {
            live.playlist(Kind::Media(id, edge, view.skip), render)
        } else {
            render().map(|text| Arc::new(Rendered::new(text)))
        };
        let rendered = rendered.ok_or_else(Refusal::not_yet)?;
        let keep = match (held, late) {
            (true, true) => Keep::Never,
            (true, false) => Keep::Blocking { target_duration_s },
            (false, _) => Keep::Live { target_duration_s },
        };
        Ok(self.send(PLAYLIST_TYPE, &rendered, keep, viewer.as_deref()))
    }

    /// The manifest of DASH. It is for the live edge: its players go back by themselves.
    async fn manifest(&self) -> Result<Response<Body>, Refusal> {
        self.port.options.stats.dash_manifests.increment();
        if self.port.options.hls.app_options(&self.key.app).packager.encryption.is_some() {
            // A manifest knows no keys: players would be shown what they cannot decode.
            let why = "Not found: this application is encrypted, which is for HLS alone.";
            return Err(Refusal::new(StatusCode::NOT_FOUND, why));
        }
        let live = self.find(self.key, Container::Fmp4).await?;
        if !live.ready(None).await {
            return Err(Refusal::not_yet());
        }
        let viewer = self.enter(&live)?;
        let render = || live.shared.read(|presentation| manifest(presentation, &self.pass, live.list()));
        let rendered = if self.pass.is_empty() {
            live.playlist(Kind::Manifest, render)
        } else {
            render().map(|text| Arc::new(Rendered::new(text)))
        };
        let rendered = rendered.ok_or_else(Refusal::not_yet)?;
        let target_duration_s = live.shared.read(|presentation| {
            presentation.renditions.first().and_then(|rendition| rendition.window.target_duration_s)
        });
        let keep = Keep::Live { target_duration_s: target_duration_s.unwrap_or_default() };
        Ok(self.send(MEDIA_TYPE, &rendered, keep, viewer.as_deref()))
    }

    /// What is made of `key`: what is held of it, or of its broadcast, waited for as long as its application says.
    async fn find(&self, key: &StreamKey, container: Container) -> Result<Arc<Live>, Refusal> {
        let held = self.hls.held(key, container);
        if let Some(live) = held.as_ref().filter(|live| live.broadcast().is_some()) {
            live.touch();
            return Ok(Arc::clone(live));
        }
        // One that has ended is there until the next one of its name.
        let registry = &self.port.gateway.registry;
        let broadcast = match (registry.get(key), held) {
            (Some(broadcast), _) => broadcast,
            (None, Some(ended)) => return Ok(ended),
            (None, None) => find(registry, key, &self.port.shutdown).await?,
        };
        self.hls.open(&broadcast, container, &self.port.shutdown).map_err(|error| Refusal::from(&error))
    }

    /// Enters the viewer in the hub's list, and refuses whom there is no room for or who was put out.
    pub(super) fn enter(&self, live: &Live) -> Result<Option<Arc<Viewer>>, Refusal> {
        let Some(broadcast) = live.broadcast() else { return Ok(None) };
        self.hls.sessions().enter(self.identity, &broadcast, live.protocol(), self.client).map(Some)
    }

    fn send(
        &self,
        media_type: &'static str,
        rendered: &Rendered,
        keep: Keep,
        viewer: Option<&Viewer>,
    ) -> Response<Body> {
        let keep = if self.pass.is_empty() { keep } else { Keep::Private };
        let response = answer::playlist(media_type, rendered, self.headers, keep, self.head);
        if response.status() == StatusCode::NOT_MODIFIED {
            self.port.options.stats.hls_not_modified.increment();
        }
        if let (Some(viewer), Some(sent)) = (viewer, response.body().size_hint().exact()) {
            viewer.record_sent(usize::try_from(sent).unwrap_or(usize::MAX), 0);
        }
        response
    }
}
