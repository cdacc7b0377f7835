//! Segments, parts, initialization sections and keys: found, waited for, and sent in the pieces in which they are held.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http::{HeaderValue, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::StreamBody;
use hyper::Response;

use super::answer::{self, Keep};
use super::live::Live;
use super::serve::Ask;
use super::store;
use crate::io::body::Body;
use crate::io::http2::Progress;
use crate::proto::hls::{FileName, Reload, RenditionId, SegmentBody};
use crate::proto::range::byte_range;
use crate::proto::refusal::Refusal;

/// Where the bytes of a file are.
enum Found {
    Memory(Vec<Bytes>),
    Stored { len_bytes: u64 },
}

impl Found {
    fn len_bytes(&self) -> u64 {
        match self {
            Self::Memory(pieces) => pieces.iter().map(|piece| piece.len() as u64).sum(),
            Self::Stored { len_bytes } => *len_bytes,
        }
    }
}

/// Answers a request for a file that is no playlist.
///
/// # Errors
/// [`Refusal`].
pub(super) async fn file(
    ask: &Ask<'_>,
    rendition: RenditionId,
    name: FileName,
) -> Result<Response<Body>, Refusal> {
    let stats = &ask.port.options.stats;
    match name {
        FileName::Segment(..) => &stats.hls_segments,
        FileName::Part(..) => &stats.hls_parts,
        _ => &stats.hls_sections,
    }
    .increment();
    let gone = || Refusal::new(StatusCode::NOT_FOUND, "The file is not there, or not any more.");
    let live = ask.hls.held(ask.key, rendition.container()).ok_or_else(gone)?;
    live.touch();
    let mut found = look_up(&live, rendition, name);
    if found.is_none()
        && let Some(reload) = awaited(&live, rendition, name)
    {
        live.shared.hold(rendition, reload).await.map_err(|_| {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Too many requests wait for the stream already.")
        })?;
        live.touch();
        found = look_up(&live, rendition, name);
    }
    let found = found.ok_or_else(gone)?;
    let viewer = ask.enter(&live)?;
    let response = send(ask, &live, rendition, name, found).await?;
    if let (Some(viewer), Some(sent)) = (viewer, response.body().size_hint().exact()) {
        viewer.record_sent(usize::try_from(sent).unwrap_or(usize::MAX), 0);
    }
    Ok(response)
}

/// What is held under `name`.
fn look_up(live: &Live, id: RenditionId, name: FileName) -> Option<Found> {
    live.shared.read(|presentation| {
        let window = &presentation.rendition(id)?.window;
        match name {
            FileName::Segment(run, msn) if run == window.run => {
                let segment = window.segment(msn)?;
                match &segment.body {
                    SegmentBody::Memory(pieces) => Some(Found::Memory(pieces.clone())),
                    SegmentBody::Stored => Some(Found::Stored { len_bytes: segment.len_bytes }),
                    SegmentBody::Missing => None,
                }
            }
            FileName::Part(run, msn, number) if run == window.run => {
                let number = usize::try_from(number).ok()?;
                let part = match &window.open {
                    Some(open) if open.msn == msn => open.parts.get(number)?.body.clone(),
                    _ => {
                        let segment = window.segment(msn)?;
                        match (segment.parts.get(number), &segment.body) {
                            (Some(part), _) => part.body.clone(),
                            // Listed no more, held as long as their segment.
                            (None, SegmentBody::Memory(pieces)) => pieces.get(number)?.clone(),
                            (None, _) => return None,
                        }
                    }
                };
                Some(Found::Memory(vec![part]))
            }
            FileName::Map(run, number) if run == window.run => {
                let maps = window.segments.iter().map(|segment| &segment.map);
                let open = window.open.iter().map(|open| &open.map);
                let map = open.chain(maps.rev()).flatten().find(|map| map.number == number)?;
                Some(Found::Memory(vec![map.body.clone()]))
            }
            FileName::Key(run, number) if run == window.run => {
                let keys = window.segments.iter().map(|segment| &segment.key);
                let open = window.open.iter().map(|open| &open.key);
                let key = open.chain(keys.rev()).flatten().find(|key| key.number == number)?;
                Some(Found::Memory(vec![Bytes::copy_from_slice(&key.bytes())]))
            }
            _ => None,
        }
    })
}

/// What to wait for when `name` is a part that may come soon, or the segment that is being made: some players of
/// DASH ask for the next number before it is listed, and skip it for good when it is not there.
fn awaited(live: &Live, id: RenditionId, name: FileName) -> Option<Reload> {
    let (run, reload) = match name {
        FileName::Part(run, msn, number) => (run, Reload { msn, part: Some(number) }),
        FileName::Segment(run, msn) => (run, Reload { msn, part: None }),
        _ => return None,
    };
    live.shared.read(|presentation| {
        let window = &presentation.rendition(id)?.window;
        let is_next = match reload.part {
            Some(_) => window.part_target.is_some() && !reload.too_far_ahead(window),
            None => reload.msn == window.next_msn(),
        };
        let may_come = run == window.run && !window.ended && !window.has(reload.msn, reload.part);
        (may_come && is_next).then_some(reload)
    })
}

async fn send(
    ask: &Ask<'_>,
    live: &Arc<Live>,
    rendition: RenditionId,
    name: FileName,
    found: Found,
) -> Result<Response<Body>, Refusal> {
    // A key is for who asked alone: a cache would not see whether the next one may have it.
    let is_private = !ask.pass.is_empty() || matches!(name, FileName::Key(..));
    let keep = if is_private { Keep::Private } else { Keep::Immutable };
    let len_bytes = found.len_bytes();
    // The name says which bytes they are.
    let etag = format!("\"{}\"", name.display(rendition.container()));
    let etag = HeaderValue::from_str(&etag).unwrap_or(HeaderValue::from_static("\"\""));
    if answer::has(ask.headers, &etag) {
        ask.port.options.stats.hls_not_modified.increment();
        let mut headers = answer::media_fields(media_type(rendition, name), etag, len_bytes, keep);
        headers.remove(header::CONTENT_LENGTH);
        return Ok(answer::response(StatusCode::NOT_MODIFIED, headers, Body::empty()));
    }
    let wanted = answer::text(ask.headers, &header::RANGE)
        .filter(|_| ask.headers.get(header::IF_RANGE).is_none_or(|condition| *condition == etag));
    let mut headers = answer::media_fields(media_type(rendition, name), etag, len_bytes, keep);
    let Ok(range) = wanted.map_or(Ok(None), |field| byte_range(field, len_bytes)) else {
        headers.remove(header::CONTENT_LENGTH);
        insert(&mut headers, header::CONTENT_RANGE, &format!("bytes */{len_bytes}"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return Ok(answer::response(StatusCode::RANGE_NOT_SATISFIABLE, headers, Body::empty()));
    };
    let mut status = StatusCode::OK;
    if let Some(range) = &range {
        status = StatusCode::PARTIAL_CONTENT;
        let last = range.end.saturating_sub(1);
        insert(&mut headers, header::CONTENT_RANGE, &format!("bytes {}-{last}/{len_bytes}", range.start));
        headers.insert(header::CONTENT_LENGTH, (range.end - range.start).into());
    }
    let range = range.unwrap_or(0..len_bytes);
    let body = match found {
        _ if ask.head => Body::empty(),
        Found::Memory(pieces) => Body::new(Progress::watch(Pieces::of(pieces, range))),
        Found::Stored { .. } => {
            let left = range.end - range.start;
            let stream = stored(ask, live, rendition, name, range).await?;
            Body::new(Progress::watch(Sized { body: StreamBody::new(stream), left }))
        }
    };
    Ok(answer::response(status, headers, body))
}

async fn stored(
    ask: &Ask<'_>,
    live: &Arc<Live>,
    rendition: RenditionId,
    name: FileName,
    range: Range<u64>,
) -> Result<BoxStream<'static, object_store::Result<Frame<Bytes>>>, Refusal> {
    let unreadable = || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "The segment cannot be read now.");
    let store = live.options.store.as_ref().ok_or_else(unreadable)?;
    match store::read(store, ask.key, rendition, name, range).await {
        Ok(stream) => Ok(stream.map(|bytes| bytes.map(Frame::data)).boxed()),
        Err(error) => {
            tracing::warn!(%error, key = %ask.key, "a stored segment could not be read");
            Err(unreadable())
        }
    }
}

fn insert(headers: &mut http::HeaderMap, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

const fn media_type(rendition: RenditionId, name: FileName) -> &'static str {
    match (rendition, name) {
        (_, FileName::Key(..)) => "application/octet-stream",
        (RenditionId::Audio(_), _) => "audio/mp4",
        _ => rendition.container().media_type(),
    }
}

/// Pieces that lie in memory, shared with all who are sent them.
struct Pieces {
    pieces: VecDeque<Bytes>,
    left: u64,
}

impl Pieces {
    /// `range` of what `pieces` are together.
    fn of(pieces: Vec<Bytes>, range: Range<u64>) -> Self {
        let mut at = 0;
        let mut kept = VecDeque::with_capacity(pieces.len());
        for piece in pieces {
            let len = piece.len() as u64;
            let offset = |position: u64| usize::try_from(position.clamp(at, at + len) - at).unwrap_or(0);
            let part = piece.slice(offset(range.start)..offset(range.end));
            if !part.is_empty() {
                kept.push_back(part);
            }
            at += len;
        }
        let left = kept.iter().map(|piece| piece.len() as u64).sum();
        Self { pieces: kept, left }
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A body of which it is known how long it is.
struct Sized<B> {
    body: B,
    left: u64,
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Sized<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            let len = frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
            self.left = self.left.saturating_sub(len);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_range_of_pieces_is_that_of_the_whole(lens in prop::collection::vec(0usize..9, 0..9), a in 0usize..80, b in 0usize..80) {
            let mut next = 0u8..;
            let pieces: Vec<Bytes> = lens.iter().map(|&len| next.by_ref().take(len).collect()).collect();
            let whole: Vec<u8> = pieces.concat();
            let (start, end) = (a.min(b).min(whole.len()), a.max(b).min(whole.len()));
            let body = Pieces::of(pieces, start as u64..end as u64);
            prop_assert_eq!(body.size_hint().exact(), Some((end - start) as u64));
            let sent = futures_executor::block_on(body.collect()).unwrap().to_bytes();
            prop_assert_eq!(&sent[..], &whole[start..end]);
        }
    }
}
