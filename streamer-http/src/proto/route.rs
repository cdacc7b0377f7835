//! Routes: what a method, a path and a query string ask for.
//!
//! A path is split at its slashes before anything is decoded, each segment is percent-decoded exactly
//! once (RFC 3986, 2.4), and what remains is parsed into names that cannot hold a slash, a dot segment or
//! a control character. No string of a peer goes any further than that.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;
use streamer_core::{AppName, NameError, StreamKey, StreamName};
use thiserror::Error;

use super::hls::{Container, FileName, Query, QueryError, RenditionId};

/// The methods of every media resource, as `Allow` lists them.
pub const ALLOWED_METHODS: &str = "GET, HEAD, OPTIONS";

/// Which media of a stream are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Selection {
    /// All of it.
    #[default]
    All,
    /// Sound without pictures: `?only-audio`.
    OnlyAudio,
    /// Pictures without sound: `?only-video`.
    OnlyVideo,
}

/// The container in which a stream comes without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LiveFormat {
    /// FLV.
    Flv {
        /// Whether codecs that FLV has no number of its own for may come in enhanced tags: `?enhanced=1` or
        /// `?enhanced=0`. `None` leaves it to the server.
        enhanced: Option<bool>,
    },
    /// An MPEG-2 transport stream.
    Ts,
}

/// A request for a stream without end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRequest {
    /// The stream.
    pub key: StreamKey,
    /// What of it.
    pub selection: Selection,
    /// In what.
    pub format: LiveFormat,
}

/// What of the segments of a stream is wanted, or of what lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HlsResource {
    /// The multivariant playlist: `playlist.m3u8`, or `playlist_sfm4s.m3u8` for fMP4.
    Multivariant(Container),
    /// The manifest of DASH, which lists the same fMP4 segments: `manifest.mpd`.
    Manifest,
    /// A file of a rendition: `media/{rendition}/{file}`.
    File(RenditionId, FileName),
}

impl HlsResource {
    /// The container it belongs to.
    #[must_use]
    pub const fn container(self) -> Container {
        match self {
            Self::Multivariant(container) => container,
            Self::Manifest => Container::Fmp4,
            Self::File(rendition, _) => rendition.container(),
        }
    }
}

/// A request for HLS or DASH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HlsRequest {
    /// The stream, or the name of an adaptive playlist.
    pub key: StreamKey,
    /// What of it.
    pub resource: HlsResource,
    /// The parameters.
    pub query: Query,
    /// Whether only the header fields are wanted.
    pub head: bool,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A stream without end, over HTTP or, upgraded, over WebSocket.
    Live(LiveRequest),
    /// The header fields of the answer to the same request by `GET`.
    LiveHead(LiveRequest),
    /// A playlist, a manifest, or media one refers to.
    Hls(HlsRequest),
    /// A preflight of the Fetch standard, or an `OPTIONS` of RFC 9110.
    Preflight,
}

/// Why a request leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RouteError {
    /// The path is none of this crate's.
    #[error("there is nothing at this path")]
    NotFound,
    /// The path is right, the method is not.
    #[error("this method is not allowed here: {ALLOWED_METHODS} are")]
    Method,
    /// A segment is not UTF-8 once decoded.
    #[error("the path is not UTF-8")]
    NotUtf8,
    /// The application's or the stream's name is no name.
    #[error("no valid {part} name: {source}")]
    Name {
        /// `application` or `stream`.
        part: &'static str,
        /// What is wrong with it.
        source: NameError,
    },
    /// A parameter is neither given alone, nor `1`, `0`, `true` or `false`.
    #[error("the parameter {parameter} is either 1 or 0")]
    Flag {
        /// Its name.
        parameter: &'static str,
    },
    /// A parameter of HLS is not as it should be.
    #[error("{0}")]
    Query(#[from] QueryError),
    /// Sound alone and pictures alone exclude each other.
    #[error("only-audio and only-video exclude each other")]
    BothOnly,
}

/// Says what `method` on `path` with `query` (without the question mark; empty if there is none) asks for.
///
/// | path | what |
/// |---|---|
/// | `/{app}/{stream}/play.flv`, `/{app}/{stream}.flv` | the stream as FLV |
/// | `/{app}/{stream}/play.ts` | the stream as MPEG-TS |
/// | `/{app}/{stream}/playlist.m3u8` | its HLS in transport streams |
/// | `/{app}/{stream}/playlist_sfm4s.m3u8` | its HLS in fMP4 |
/// | `/{app}/{stream}/manifest.mpd` | its DASH, which has the same fMP4 |
/// | `/{app}/{stream}/media/{rendition}/{file}` | what those refer to |
///
/// # Errors
/// [`RouteError`]; on [`RouteError::NotFound`] the path may still be somebody else's.
pub fn route(method: &Method, path: &str, query: &str) -> Result<Route, RouteError> {
    let path = path.strip_prefix('/').ok_or(RouteError::NotFound)?;
    let segments = path.split('/').map(decode).take(MAX_SEGMENTS + 1).collect::<Result<Vec<_>, _>>()?;
    let segments: Vec<&str> = segments.iter().map(|segment| &**segment).collect();
    let (app, stream, resource) = match *segments.as_slice() {
        [app, file] => (app, file.strip_suffix(".flv").ok_or(RouteError::NotFound)?, Resource::Flv),
        [app, stream, "play.flv"] => (app, stream, Resource::Flv),
        [app, stream, "play.ts"] => (app, stream, Resource::Ts),
        [app, stream, "playlist.m3u8"] => {
            (app, stream, Resource::Hls(HlsResource::Multivariant(Container::Ts)))
        }
        [app, stream, "playlist_sfm4s.m3u8"] => {
            (app, stream, Resource::Hls(HlsResource::Multivariant(Container::Fmp4)))
        }
        [app, stream, "manifest.mpd"] => (app, stream, Resource::Hls(HlsResource::Manifest)),
        [app, stream, "media", rendition, file] => {
            let rendition: RenditionId = rendition.parse().map_err(|_| RouteError::NotFound)?;
            let name = FileName::parse(file, rendition.container()).map_err(|_| RouteError::NotFound)?;
            (app, stream, Resource::Hls(HlsResource::File(rendition, name)))
        }
        _ => return Err(RouteError::NotFound),
    };
    let head = match *method {
        Method::GET => false,
        Method::HEAD => true,
        Method::OPTIONS => return Ok(Route::Preflight),
        _ => return Err(RouteError::Method),
    };
    let named = |part| move |source| RouteError::Name { part, source };
    let key = StreamKey {
        app: AppName::new(app).map_err(named("application"))?,
        stream: StreamName::new(stream).map_err(named("stream"))?,
    };
    match resource {
        Resource::Hls(resource) => {
            Ok(Route::Hls(HlsRequest { key, resource, query: Query::parse(query)?, head }))
        }
        Resource::Flv | Resource::Ts => {
            let format = match resource {
                Resource::Ts => LiveFormat::Ts,
                _ => LiveFormat::Flv { enhanced: flag(query, "enhanced")? },
            };
            let request = LiveRequest { key, selection: selection(query)?, format };
            Ok(if head { Route::LiveHead(request) } else { Route::Live(request) })
        }
    }
}

/// Segments of the longest path.
const MAX_SEGMENTS: usize = 5;

enum Resource {
    Flv,
    Ts,
    Hls(HlsResource),
}

fn selection(query: &str) -> Result<Selection, RouteError> {
    Ok(match (flag(query, "only-audio")?, flag(query, "only-video")?) {
        (Some(true), Some(true)) => return Err(RouteError::BothOnly),
        (Some(true), _) => Selection::OnlyAudio,
        (_, Some(true)) => Selection::OnlyVideo,
        _ => Selection::All,
    })
}

fn decode(segment: &str) -> Result<Cow<'_, str>, RouteError> {
    percent_decode_str(segment).decode_utf8().map_err(|_| RouteError::NotUtf8)
}

/// The first parameter called `parameter`: given alone it means yes.
fn flag(query: &str, parameter: &'static str) -> Result<Option<bool>, RouteError> {
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, "1"));
        if name == parameter {
            return match value {
                "1" | "true" | "" => Ok(Some(true)),
                "0" | "false" => Ok(Some(false)),
                _ => Err(RouteError::Flag { parameter }),
            };
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use super::super::hls::RunId;

    fn get(path: &str, query: &str) -> Result<Route, RouteError> {
        route(&Method::GET, path, query)
    }

    fn flv(key: &str, selection: Selection, enhanced: Option<bool>) -> Route {
        let format = LiveFormat::Flv { enhanced };
        Route::Live(LiveRequest { key: key.parse().unwrap(), selection, format })
    }

    #[test]
    fn both_forms_name_the_same_stream() {
        let expected = Ok(flv("live/test", Selection::All, None));
        for path in ["/live/test/play.flv", "/live/test.flv", "/live/te%73t/play%2Eflv", "/%6cive/test%2eflv"]
        {
            assert_eq!(get(path, ""), expected, "{path}");
        }
        let ts = LiveRequest {
            key: "live/test".parse().unwrap(),
            selection: Selection::OnlyAudio,
            format: LiveFormat::Ts,
        };
        assert_eq!(get("/live/test/play.ts", "only-audio&enhanced=7"), Ok(Route::Live(ts)));
        assert_eq!(get("/live/a.b.flv", ""), Ok(flv("live/a.b", Selection::All, None)));
        assert_eq!(get("/live/play.flv", ""), Ok(flv("live/play", Selection::All, None)));
    }

    #[test]
    fn other_paths_are_left_to_others() {
        for path in [
            "",
            "*",
            "/",
            "//",
            "/live",
            "/live/",
            "/live/test",
            "/live/test/",
            "/live/test/play.flv/",
            "/live/test/playlist.m3u",
            "/live/test/media/index.m3u8",
            "/live/test/media/ts/index.m3u8/",
            "/live/test/media/ts/1-1.m4s",
            "/live/test/media/video/index.m3u8",
            "/live/test/media/../playlist.m3u8",
            "/live/test/media/ts/../index.m3u8",
            "/a/b/c/play.flv",
            "live/test/play.flv",
            "/live/../../etc/passwd",
        ] {
            assert_eq!(get(path, ""), Err(RouteError::NotFound), "{path}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for path in [
            "/../test/play.flv",
            "/live/../play.flv",
            "/live/%2e%2e/play.flv",
            "/live/%252e%252e/play.flv",
            "/live/..%2fetc/play.flv",
            "/live/%2Fetc%2Fpasswd/play.flv",
            "/live/..%5c..%5cboot/play.flv",
            "/live/a\\b/play.flv",
            "/live/a%00b/play.flv",
            "/live/a%0d%0aX:y/play.flv",
            "/live/%e2%88%95etc/play.flv",
            "/live/%ef%bc%8fetc/play.flv",
            "/live/<script>/play.flv",
            "/live/%3cscript%3e/play.flv",
            "/live//play.flv",
            "//test/play.flv",
            "/live/.flv",
            "/live/%zz/play.flv",
            "/live/a%2",
        ] {
            let refused = get(path, "");
            assert!(
                matches!(refused, Err(RouteError::Name { .. } | RouteError::NotFound)),
                "{path}: {refused:?}"
            );
        }
        // An overlong UTF-8 slash is no UTF-8.
        assert_eq!(get("/live/%c0%afetc/play.flv", ""), Err(RouteError::NotUtf8));
    }

    #[test]
    fn parameters_choose_what_and_how() {
        let chosen = |query: &str| match get("/live/test.flv", query) {
            Ok(Route::Live(LiveRequest { selection, format: LiveFormat::Flv { enhanced }, .. })) => {
                Ok((selection, enhanced))
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        };
        assert_eq!(chosen("only-audio"), Ok((Selection::OnlyAudio, None)));
        assert_eq!(chosen("token=a%26b&only-audio=1"), Ok((Selection::OnlyAudio, None)));
        assert_eq!(chosen("only-video=true&enhanced=0"), Ok((Selection::OnlyVideo, Some(false))));
        assert_eq!(chosen("only-video=0&enhanced"), Ok((Selection::All, Some(true))));
        assert_eq!(chosen("only-audios=1&xonly-video=1"), Ok((Selection::All, None)));
        assert_eq!(chosen("only-audio=2"), Err(RouteError::Flag { parameter: "only-audio" }));
        assert_eq!(chosen("only-audio&only-video"), Err(RouteError::BothOnly));
    }

    #[test]
    fn playlists_and_what_they_refer_to() {
        let wanted = |path, query| match get(path, query) {
            Ok(Route::Hls(request)) => {
                assert_eq!(request.key.to_string(), "live/test");
                Ok(request.resource)
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        };
        let multivariant = HlsResource::Multivariant;
        assert_eq!(wanted("/live/test/playlist.m3u8", "token=1"), Ok(multivariant(Container::Ts)));
        assert_eq!(wanted("/live/test/playlist_sfm4s.m3u8", ""), Ok(multivariant(Container::Fmp4)));
        assert_eq!(wanted("/live/test/manifest.mpd", "token=1"), Ok(HlsResource::Manifest));
        let file = |rendition, name| Ok(HlsResource::File(rendition, name));
        assert_eq!(
            wanted("/live/test/media/audio1/index.m3u8", ""),
            file(RenditionId::Audio(1), FileName::Playlist)
        );
        let segment = FileName::Segment(RunId(0xab), 7);
        assert_eq!(wanted("/live/test/media/%74s/ab-7.ts", ""), file(RenditionId::Ts, segment));
        assert_eq!(
            wanted("/live/test/playlist.m3u8", "_HLS_skip=1"),
            Err(RouteError::Query(QueryError::Skip))
        );
        let head = route(&Method::HEAD, "/live/test/playlist.m3u8", "");
        assert!(matches!(head, Ok(Route::Hls(HlsRequest { head: true, .. }))));
        assert_eq!(route(&Method::OPTIONS, "/live/test/playlist.m3u8", ""), Ok(Route::Preflight));
    }

    #[test]
    fn methods() {
        let path = "/live/test/play.flv";
        assert!(matches!(route(&Method::HEAD, path, ""), Ok(Route::LiveHead(_))));
        assert_eq!(route(&Method::OPTIONS, path, ""), Ok(Route::Preflight));
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::CONNECT] {
            assert_eq!(route(&method, path, ""), Err(RouteError::Method));
            assert_eq!(route(&method, "/elsewhere", ""), Err(RouteError::NotFound));
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_a_name_accepted_is_safe(path in "(/|%2[eEfF]|%5c|%25|\\.|play\\.flv|live|\\PC){0,12}", query in "\\PC{0,40}") {
            if let Ok(Route::Live(request)) = get(&path, &query) {
                let shown = request.key.to_string();
                prop_assert_eq!(shown.matches('/').count(), 1);
                prop_assert!(!shown.contains("/.") && !shown.contains(['\\', '%', '<', '\0']));
            }
        }

        #[test]
        fn any_name_reads_back_however_it_is_escaped(app in "[A-Za-z0-9_-]{2,40}", stream in "[A-Za-z0-9_~@+=-][A-Za-z0-9_.~@+=-]{0,127}", escaped in any::<u64>()) {
            let escape = |name: &str| -> String {
                name.bytes()
                    .enumerate()
                    .map(|(index, byte)| {
                        if escaped >> (index % 64) & 1 == 1 { format!("%{byte:02x}") } else { char::from(byte).to_string() }
                    })
                    .collect()
            };
            let path = format!("/{}/{}/play.flv", escape(&app), escape(&stream));
            prop_assert_eq!(get(&path, ""), Ok(flv(&format!("{app}/{stream}"), Selection::All, None)));
        }
    }
}
