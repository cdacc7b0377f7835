//! The first run: what a player does until it has the first segment, and how long each step takes.

use std::net::SocketAddr;
use std::time::Instant;

use serde::Serialize;
use thiserror::Error;

use super::fetch::{FetchError, fetch};
use super::playlist::{quoted, resolve, segments};

/// Why a run has no figures.
#[derive(Debug, Error)]
pub(crate) enum FirstError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("{path} lists nothing")]
    Empty { path: String },
}

/// Times of the steps, connecting included, in microseconds; a step that was not needed took none.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    multivariant_us: u64,
    media_us: u64,
    /// The initialization section (RFC 8216, 4.3.2.5).
    section_us: u64,
    segment_us: u64,
    total_us: u64,
    segment_bytes: usize,
}

/// Fetches the playlist at `path`, what it refers to first, and so on to the first segment.
pub(crate) fn run(address: SocketAddr, path: &str) -> Result<Figures, FirstError> {
    let began = Instant::now();
    let mut figures = Figures::default();
    let mut path = path.to_owned();
    let (mut text, mut took_us) = text_at(address, &path)?;
    if text.contains("#EXT-X-STREAM-INF:") {
        figures.multivariant_us = took_us;
        path = listed_first(&text, &path)?;
        (text, took_us) = text_at(address, &path)?;
    }
    figures.media_us = took_us;
    let section = text.lines().find_map(|line| quoted(line.strip_prefix("#EXT-X-MAP:")?, "URI"));
    if let Some(uri) = section {
        (_, figures.section_us) = timed(address, &resolve(&path, uri))?;
    }
    let segment;
    (segment, figures.segment_us) = timed(address, &listed_first(&text, &path)?)?;
    figures.segment_bytes = segment.len();
    figures.total_us = began.elapsed().as_micros() as u64;
    Ok(figures)
}

fn listed_first(text: &str, path: &str) -> Result<String, FirstError> {
    let uri = segments(text).next().ok_or_else(|| FirstError::Empty { path: path.to_owned() })?;
    Ok(resolve(path, uri))
}

fn text_at(address: SocketAddr, path: &str) -> Result<(String, u64), FirstError> {
    let (body, took_us) = timed(address, path)?;
    Ok((String::from_utf8_lossy(&body).into_owned(), took_us))
}

fn timed(address: SocketAddr, path: &str) -> Result<(Vec<u8>, u64), FirstError> {
    let began = Instant::now();
    let body = fetch(address, path)?;
    Ok((body, began.elapsed().as_micros() as u64))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers each of `answers` on a connection of its own; gives back what was asked.
    fn serve(answers: Vec<&'static str>) -> (SocketAddr, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = thread::spawn(move || {
            let answer = |body: &str| {
                let (mut socket, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    socket.read_exact(&mut byte).unwrap();
                    request.push(byte[0]);
                }
                write!(socket, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
                String::from_utf8(request).unwrap().split(' ').nth(1).unwrap().to_owned()
            };
            answers.into_iter().map(answer).collect()
        });
        (address, serving)
    }

    #[test]
    fn a_player_goes_from_playlist_to_playlist_to_the_first_segment() {
        let answers = vec![
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nmedia/v.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\nb.m3u8\n",
            "#EXTM3U\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:6,\n0.m4s\n#EXTINF:6,\n1.m4s\n#EXT-X-ENDLIST\n",
            "section",
            "segment",
        ];
        let (address, serving) = serve(answers);
        let figures = run(address, "/vod/a.mp4/playlist.m3u8").unwrap();
        let folder = "/vod/a.mp4/media";
        let asked = [
            "/vod/a.mp4/playlist.m3u8".to_owned(),
            format!("{folder}/v.m3u8"),
            format!("{folder}/init.mp4"),
            format!("{folder}/0.m4s"),
        ];
        assert_eq!(serving.join().unwrap(), asked);
        assert_eq!(figures.segment_bytes, 7);
        let steps = figures.multivariant_us + figures.media_us + figures.section_us + figures.segment_us;
        assert!(figures.segment_us > 0 && steps <= figures.total_us, "{figures:?}");
    }

    #[test]
    fn a_playlist_of_nothing_has_no_first_segment() {
        let (address, serving) = serve(vec!["#EXTM3U\n#EXT-X-ENDLIST\n"]);
        assert!(matches!(run(address, "/x"), Err(FirstError::Empty { path }) if path == "/x"));
        serving.join().unwrap();
    }
}
