//! URLs below `/vod/`: which file, and what of it.
//!
//! | path | what |
//! |---|---|
//! | `/vod/{path}` | the file itself |
//! | `/vod/{path}/playlist.m3u8` | its HLS in transport streams |
//! | `/vod/{path}/playlist_sfm4s.m3u8` | its HLS in fMP4 |
//! | `/vod/{path}/media/{rendition}/{file}` | what those refer to |

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use streamer_http::proto::hls::Container;
use thiserror::Error;

use super::name::{AssetPath, NameError};
use super::presentation::{Part, RenditionName};

/// What all paths begin with.
pub const PREFIX: &str = "/vod/";

/// Name of the multivariant playlist in transport streams.
const TS_PLAYLIST: &str = "playlist.m3u8";
/// Name of the one in fMP4.
const FMP4_PLAYLIST: &str = "playlist_sfm4s.m3u8";
/// What is escaped in a part of a path: all but the unreserved characters (RFC 3986, 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The file, folder or list of renditions.
    pub path: AssetPath,
    /// What of it.
    pub resource: Resource,
}

/// What of a file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// The file as it is.
    File,
    /// The multivariant playlist of the segments in a container.
    Multivariant(Container),
    /// A file of a rendition.
    Rendition(RenditionName, RenditionFile),
}

/// A file of a rendition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RenditionFile {
    /// The media playlist: `index.m3u8`.
    Playlist,
    /// The initialization section of this state of the files: `{version}-init.mp4`.
    Init {
        /// The state.
        version: u64,
    },
    /// A segment: `{version}-{number}.ts`, `.m4s` or `.vtt`.
    Segment {
        /// The state of the files.
        version: u64,
        /// The segment, counted from 0.
        number: usize,
    },
}

/// Why a path leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RouteError {
    /// It does not begin with [`PREFIX`].
    #[error("there is nothing at this path")]
    NotHere,
    /// The name of the file is none.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// Says what `path`, as it stands in the request, asks for.
///
/// # Errors
/// [`RouteError`].
pub fn route(path: &str) -> Result<Route, RouteError> {
    let rest = path.strip_prefix(PREFIX).ok_or(RouteError::NotHere)?;
    let (above, last) = rest.rsplit_once('/').unwrap_or(("", rest));
    let (asset, resource) = match last {
        TS_PLAYLIST => (above, Resource::Multivariant(Container::Ts)),
        FMP4_PLAYLIST => (above, Resource::Multivariant(Container::Fmp4)),
        _ => match rendition(above, last) {
            Some((asset, name, file)) => (asset, Resource::Rendition(name, file)),
            None => (rest, Resource::File),
        },
    };
    Ok(Route { path: AssetPath::from_url(asset)?, resource })
}

/// The path of the multivariant playlist of `asset` in segments of `container`, escaped for a URL: [`route`] reads it
/// back.
#[must_use]
pub fn playlist_path(asset: &AssetPath, container: Container) -> String {
    let mut path = PREFIX.to_owned();
    for component in asset.components() {
        path.extend(utf8_percent_encode(component, RESERVED));
        path.push('/');
    }
    path.push_str(match container {
        Container::Ts => TS_PLAYLIST,
        Container::Fmp4 => FMP4_PLAYLIST,
    });
    path
}

fn rendition<'a>(above: &'a str, file: &str) -> Option<(&'a str, RenditionName, RenditionFile)> {
    let (above, name) = above.rsplit_once('/')?;
    let asset = above.strip_suffix("/media")?;
    let name: RenditionName = name.parse().ok()?;
    Some((asset, name, rendition_file(name.part, file)?))
}

fn rendition_file(part: Part, file: &str) -> Option<RenditionFile> {
    if file == "index.m3u8" {
        return Some(RenditionFile::Playlist);
    }
    let (stem, extension) = file.rsplit_once('.')?;
    let (version, number) = stem.split_once('-')?;
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let plain = |digits: &str| !digits.is_empty() && (digits.len() == 1 || !digits.starts_with('0'));
    let version =
        (plain(version) && version.bytes().all(is_hex)).then(|| u64::from_str_radix(version, 16).ok())??;
    let container = part.container();
    if (number, extension, container) == ("init", "mp4", Some(Container::Fmp4)) {
        return Some(RenditionFile::Init { version });
    }
    let expected = match container {
        Some(Container::Ts) => "ts",
        Some(Container::Fmp4) => "m4s",
        None => "vtt",
    };
    let is_number = plain(number) && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| number.parse().ok())??;
    (extension == expected).then_some(RenditionFile::Segment { version, number })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(path: &str) -> Result<(String, Resource), RouteError> {
        route(path).map(|route| (route.path.as_str().to_owned(), route.resource))
    }

    #[test]
    fn files_and_what_is_made_of_them() {
        let asset = |resource| Ok(("films/a b.mp4".to_owned(), resource));
        let multivariant = Resource::Multivariant;
        assert_eq!(of("/vod/films/a%20b.mp4"), asset(Resource::File));
        assert_eq!(of("/vod/films/a%20b.mp4/playlist.m3u8"), asset(multivariant(Container::Ts)));
        assert_eq!(of("/vod/films/a%20b.mp4/playlist_sfm4s.m3u8"), asset(multivariant(Container::Fmp4)));
        let rendition = |part, file| asset(Resource::Rendition(RenditionName { asset: 0, part }, file));
        let media = |file: &str| of(&format!("/vod/films/a%20b.mp4/media/{file}"));
        assert_eq!(media("0-ts/index.m3u8"), rendition(Part::Ts, RenditionFile::Playlist));
        let segment = RenditionFile::Segment { version: 0xab, number: 12 };
        assert_eq!(media("0-ts/ab-12.ts"), rendition(Part::Ts, segment));
        assert_eq!(media("0-video0/ab-12.m4s"), rendition(Part::Video(0), segment));
        assert_eq!(media("0-text0/ab-12.vtt"), rendition(Part::Text(0), segment));
        assert_eq!(
            media("0-audio1/ab-init.mp4"),
            rendition(Part::Audio(1), RenditionFile::Init { version: 0xab })
        );
        // What is no name of ours is the name of a file.
        for file in [
            "0-ts/ab-12.m4s",
            "0-ts/ab-012.ts",
            "0-ts/AB-1.ts",
            "0-ts/ab-init.mp4",
            "0-xs/ab-1.ts",
            "0-ts/-1.ts",
        ] {
            assert_eq!(media(file), Ok((format!("films/a b.mp4/media/{file}"), Resource::File)), "{file}");
        }
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for path in ["/", "/vod", "/live/a.mp4", "vod/a.mp4", "//vod/a.mp4"] {
            assert_eq!(of(path), Err(RouteError::NotHere), "{path}");
        }
        for path in [
            "/vod/",
            "/vod//etc/passwd",
            "/vod/../a",
            "/vod/playlist.m3u8",
            "/vod/%2e%2e/a/playlist.m3u8",
            "/vod/media/0-ts/index.m3u8/../..",
        ] {
            assert!(matches!(of(path), Err(RouteError::Name(_))), "{path}");
        }
    }

    #[test]
    fn paths_of_playlists_are_escaped() {
        let asset = AssetPath::new("films/a b?#%.mp4").unwrap();
        assert_eq!(playlist_path(&asset, Container::Ts), "/vod/films/a%20b%3F%23%25.mp4/playlist.m3u8");
    }

    proptest! {
        #[test]
        fn paths_of_playlists_read_back(path in "([a-z%&?# +é.-]{1,6}/){0,3}[a-z%é][a-z%é.]{0,6}", fmp4: bool) {
            let container = if fmp4 { Container::Fmp4 } else { Container::Ts };
            if let Ok(path) = AssetPath::new(&path) {
                let read = route(&playlist_path(&path, container));
                prop_assert_eq!(read, Ok(Route { path, resource: Resource::Multivariant(container) }));
            }
        }

        #[test]
        fn no_path_panics(path in "/vod/(/|media|0-ts|a\\.mp4|playlist\\.m3u8|%2e|\\.\\.|\\PC){0,10}") {
            let _ = route(&path);
        }
    }
}
