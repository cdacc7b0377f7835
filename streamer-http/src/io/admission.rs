//! Letting a viewer in: the authorizer's word, the wait for the stream, the subscription.

use std::net::SocketAddr;
use std::time::Duration;

use http::{StatusCode, header};
use hyper::Request;
use streamer_core::container::flv::{Dialect, FlvMuxer, MuxOptions};
use streamer_core::container::ts::{TsMuxer, TsOptions};
use streamer_core::hub::{Broadcast, FormKey, SubscribeError, SubscribeOptions, ViewerInfo};
use streamer_core::{AccessRequest, Action, Denied, DeniedKind, Gateway, MediaKind, Registry, StreamKey};
use streamer_net::pacer;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::feed::Feed;
use crate::options::Client;
use crate::proto::refusal::Refusal;
use crate::proto::route::{LiveFormat, LiveRequest, Selection};

/// The protocol of the forms: HTTP and WebSocket share them.
const FLV_FORMS: &str = "flv";
const TS_FORMS: &str = "ts";

/// The name of a live body in access requests and viewer lists.
pub(crate) const fn protocol(format: LiveFormat, websocket: bool) -> &'static str {
    match (format, websocket) {
        (LiveFormat::Flv { .. }, false) => "http-flv",
        (LiveFormat::Flv { .. }, true) => "ws-flv",
        (LiveFormat::Ts, false) => "http-ts",
        (LiveFormat::Ts, true) => "ws-ts",
    }
}

/// Asks whether `client` may play `key`; no answer within `limit` is a refusal.
pub(crate) async fn authorize<B>(
    gateway: &Gateway,
    request: &Request<B>,
    key: &StreamKey,
    protocol: &'static str,
    client: Client,
    limit: Duration,
) -> Result<(), Refusal> {
    let access = AccessRequest {
        action: Action::Play,
        key,
        protocol,
        peer: Some(client.address),
        query: request.uri().query().unwrap_or_default(),
        page_url: request.headers().get(header::REFERER).and_then(|referer| referer.to_str().ok()),
        encrypted: client.encrypted,
    };
    let decided = timeout(limit, gateway.authorizer.authorize(&access)).await;
    let late = |_| Denied::new(DeniedKind::Unavailable, "The decision who may watch took too long.");
    decided.map_err(late).flatten().map_err(Refusal::from)
}

/// The broadcast of `key`, waited for as long as its application says and the server runs.
pub(crate) async fn find(
    registry: &Registry,
    key: &StreamKey,
    shutdown: &CancellationToken,
) -> Result<Broadcast, Refusal> {
    if let Some(broadcast) = registry.get(key) {
        return Ok(broadcast);
    }
    let patience = registry.app_options(&key.app).wait_for_publisher;
    if patience.is_zero() {
        return Err(Refusal::no_such_stream());
    }
    match shutdown.run_until_cancelled(timeout(patience, registry.wait(key))).await {
        Some(Ok(found)) => found.map_err(|error| Refusal::from(&error)),
        Some(Err(_)) => Err(Refusal::no_such_stream()),
        None => Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "The server is stopping.")),
    }
}

/// Refuses a selection of which `broadcast` has nothing.
pub(crate) fn check(broadcast: &Broadcast, selection: Selection) -> Result<(), Refusal> {
    let tracks = broadcast.tracks();
    let lacks = |kind| !tracks.list.is_empty() && tracks.first(kind).is_none();
    match selection {
        Selection::OnlyAudio if lacks(MediaKind::Audio) => {
            Err(Refusal::new(StatusCode::NOT_FOUND, "The stream has no sound."))
        }
        Selection::OnlyVideo if lacks(MediaKind::Video) => {
            Err(Refusal::new(StatusCode::NOT_FOUND, "The stream has no pictures."))
        }
        _ => Ok(()),
    }
}

/// Makes a viewer of `peer`. The first of a form sets the making of the form going.
pub(crate) fn subscribe(
    broadcast: &Broadcast,
    request: &LiveRequest,
    default: Dialect,
    protocol: &'static str,
    peer: SocketAddr,
) -> Result<Feed, SubscribeError> {
    let selection = request.selection;
    let (has_video, has_audio) = (selection != Selection::OnlyAudio, selection != Selection::OnlyVideo);
    let form = match request.format {
        LiveFormat::Flv { enhanced } => {
            FormKey { protocol: FLV_FORMS, variant: variant(selection, dialect(enhanced, default)) }
        }
        LiveFormat::Ts => FormKey { protocol: TS_FORMS, variant: selection_number(selection) },
    };
    let viewer = ViewerInfo::remote(protocol, Some(peer));
    let (subscriber, feeder) = broadcast.subscribe_form(form, &SubscribeOptions::new(viewer))?;
    if let Some(feeder) = feeder {
        match request.format {
            LiveFormat::Flv { enhanced } => {
                let dialect = dialect(enhanced, default);
                let options = MuxOptions { dialect, video: has_video, audio: has_audio };
                tokio::spawn(Box::pin(feeder.run(FlvMuxer::new(options), pacer())));
            }
            LiveFormat::Ts => {
                let data = selection == Selection::All;
                let options = TsOptions { video: has_video, audio: has_audio, data, ..TsOptions::default() };
                tokio::spawn(Box::pin(feeder.run(TsMuxer::new(options), pacer())));
            }
        }
    }
    Ok(Feed::new(subscriber, broadcast, request))
}

/// The dialect for a viewer that asked for `enhanced` where the port speaks `default`. Who asks for the old
/// one gets HEVC by its old number rather than not at all, unless the port is set otherwise.
const fn dialect(enhanced: Option<bool>, default: Dialect) -> Dialect {
    match (enhanced, default) {
        (Some(true), _) | (None, Dialect::Enhanced) => Dialect::Enhanced,
        (Some(false), Dialect::Enhanced) => Dialect::LegacyHevc12,
        (Some(false) | None, legacy) => legacy,
    }
}

/// Numbers the forms: the same number, the same bytes.
const fn variant(selection: Selection, dialect: Dialect) -> u32 {
    let dialect = match dialect {
        Dialect::Legacy => 0,
        Dialect::LegacyHevc12 => 1,
        Dialect::Enhanced => 2,
    };
    3 * selection_number(selection) + dialect
}

const fn selection_number(selection: Selection) -> u32 {
    match selection {
        Selection::All => 0,
        Selection::OnlyAudio => 1,
        Selection::OnlyVideo => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALECTS: [Dialect; 3] = [Dialect::Legacy, Dialect::LegacyHevc12, Dialect::Enhanced];

    #[test]
    fn a_viewers_word_goes_before_the_ports_choice() {
        for default in DIALECTS {
            assert_eq!(dialect(Some(true), default), Dialect::Enhanced);
            assert_eq!(dialect(None, default), default);
        }
        assert_eq!(dialect(Some(false), Dialect::Enhanced), Dialect::LegacyHevc12);
        assert_eq!(dialect(Some(false), Dialect::Legacy), Dialect::Legacy);
    }

    #[test]
    fn no_two_forms_share_a_number() {
        let selections = [Selection::All, Selection::OnlyAudio, Selection::OnlyVideo];
        let mut numbers: Vec<u32> = selections
            .into_iter()
            .flat_map(|selection| DIALECTS.map(|dialect| variant(selection, dialect)))
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 9);
    }
}
