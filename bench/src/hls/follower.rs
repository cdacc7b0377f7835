//! A player of HLS that comes, follows the live edge and goes: what it asks for after each answer, without sockets.

use std::time::Duration;

use super::playlist::{read_parts, resolve, segments};
use crate::http::{AnswerError, Exchange};

/// A player of segments asks for the playlist so often.
const RELOAD: Duration = Duration::from_millis(500);

/// Which playlist is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Playlist {
    /// MPEG-TS, its newest segment after each reload.
    Segments,
    /// Low-Latency fMP4, its newest part after each blocking reload.
    Parts,
}

/// What follows a whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Ask(String),
    /// Again after this time.
    AskAfter(Duration, String),
    /// The playlist lists nothing to follow, or has ended.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Multivariant,
    Media,
    Piece,
}

/// The player.
#[derive(Debug)]
pub(crate) struct Follower {
    playlist: Playlist,
    exchange: Exchange,
    awaited: Awaited,
    asked: String,
    /// Path of the media playlist.
    media: String,
    /// The next reload, once a playlist was read.
    reload: String,
    newest: String,
    /// Segments or parts that have arrived whole.
    pub(crate) pieces: u64,
}

impl Follower {
    /// A player that has just appended its first request to `out`.
    pub(crate) fn new(playlist: Playlist, app: &str, stream: &str, out: &mut Vec<u8>) -> Self {
        let name = match playlist {
            Playlist::Segments => "playlist.m3u8",
            Playlist::Parts => "playlist_sfm4s.m3u8",
        };
        let mut this = Self {
            playlist,
            exchange: Exchange::new(true),
            awaited: Awaited::Multivariant,
            asked: String::new(),
            media: String::new(),
            reload: String::new(),
            newest: String::new(),
            pieces: 0,
        };
        this.ask(format!("/{app}/{stream}/{name}"), out);
        this
    }

    /// Appends the request for `path` to `out`.
    pub(crate) fn ask(&mut self, path: String, out: &mut Vec<u8>) {
        self.exchange.ask(&path, out);
        self.asked = path;
    }

    /// Takes received bytes; what follows when they complete an answer.
    pub(crate) fn handle_input(&mut self, input: &[u8]) -> Result<Option<Step>, AnswerError> {
        self.exchange.handle_input(input)?;
        if !self.exchange.is_whole() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(self.exchange.body());
        let step = match self.awaited {
            Awaited::Multivariant => match segments(&text).next() {
                Some(uri) => {
                    self.awaited = Awaited::Media;
                    self.media = resolve(&self.asked, uri);
                    Step::Ask(self.media.clone())
                }
                None => Step::Nothing,
            },
            Awaited::Media => match self.playlist.edge(&text, &self.media) {
                None => Step::Nothing,
                Some((reload, newest)) => {
                    self.reload = reload;
                    match newest.filter(|newest| *newest != self.newest) {
                        Some(newest) => {
                            self.awaited = Awaited::Piece;
                            self.newest.clone_from(&newest);
                            Step::Ask(newest)
                        }
                        None => self.playlist.reload(&self.reload),
                    }
                }
            },
            Awaited::Piece => {
                self.pieces += 1;
                self.awaited = Awaited::Media;
                self.playlist.reload(&self.reload)
            }
        };
        Ok(Some(step))
    }
}

impl Playlist {
    /// How the playlist is asked for again.
    fn reload(self, path: &str) -> Step {
        match self {
            Self::Segments => Step::AskAfter(RELOAD, path.to_owned()),
            Self::Parts => Step::Ask(path.to_owned()),
        }
    }

    /// The path of the next reload, and of the newest piece if one is listed; `None` at the end of the stream.
    fn edge(self, text: &str, media: &str) -> Option<(String, Option<String>)> {
        if text.contains("#EXT-X-ENDLIST") {
            return None;
        }
        match self {
            Self::Segments => {
                let newest = segments(text).last().map(|uri| resolve(media, uri));
                Some((media.to_owned(), newest))
            }
            Self::Parts => {
                let mut newest = None;
                let next = read_parts(text, |_, uri| newest = Some(resolve(media, uri))).ok()?;
                let joint = if media.contains('?') { '&' } else { '?' };
                let reload = format!("{media}{joint}_HLS_msn={}&_HLS_part={}", next.msn, next.part);
                Some((reload, newest))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(follower: &mut Follower, body: &str) -> Step {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let step = follower.handle_input(answer.as_bytes()).unwrap().unwrap();
        if let Step::Ask(path) | Step::AskAfter(_, path) = &step {
            follower.ask(path.clone(), &mut Vec::new());
        }
        step
    }

    fn ask(path: &str) -> Step {
        Step::Ask(path.to_owned())
    }

    const MULTIVARIANT: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nmedia/v.m3u8\n";

    #[test]
    fn segments_are_followed_one_after_another() {
        let follower = &mut Follower::new(Playlist::Segments, "live", "x", &mut Vec::new());
        assert_eq!(answered(follower, MULTIVARIANT), ask("/live/x/media/v.m3u8"));
        let media = "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:1\n#EXTINF:2,\n1.ts\n#EXTINF:2,\n2.ts\n";
        assert_eq!(answered(follower, media), ask("/live/x/media/2.ts"));
        let later = Step::AskAfter(RELOAD, "/live/x/media/v.m3u8".to_owned());
        assert_eq!(answered(follower, "segment"), later);
        assert_eq!(answered(follower, media), later, "the same again is nothing new");
        assert_eq!(follower.pieces, 1);
        assert_eq!(answered(follower, &format!("{media}#EXT-X-ENDLIST\n")), Step::Nothing);
    }

    #[test]
    fn parts_are_followed_with_blocking_reloads() {
        let follower = &mut Follower::new(Playlist::Parts, "live", "x", &mut Vec::new());
        assert_eq!(answered(follower, MULTIVARIANT), ask("/live/x/media/v.m3u8"));
        let media = "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:4\n#EXTINF:2,\n4.m4s\n#EXT-X-PART:URI=\"5.0.m4s\"\n";
        assert_eq!(answered(follower, media), ask("/live/x/media/5.0.m4s"));
        assert_eq!(answered(follower, "part"), ask("/live/x/media/v.m3u8?_HLS_msn=5&_HLS_part=1"));
        assert_eq!(follower.pieces, 1);
    }

    #[test]
    fn a_refusal_ends_it() {
        let mut follower = Follower::new(Playlist::Parts, "live", "x", &mut Vec::new());
        assert!(follower.handle_input(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").is_err());
    }
}
