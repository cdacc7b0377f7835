//! What is remembered of a playlist stays bounded, however long it is followed.

use std::time::Duration;

use super::*;

const URL: &str = "http://h/p.m3u8";
/// Segments of a second that are listed.
const WINDOW: u64 = 10;

/// The playlist whose oldest segment is `first`.
fn text(first: u64, skipped: usize) -> MediaPlaylist {
    let (version, skip) = match skipped {
        0 => (3, String::new()),
        _ => (9, format!("#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}\n")),
    };
    let segments: String = (first + skipped as u64..first + WINDOW)
        .map(|number| format!("#EXTINF:1.0,\n{number}.ts\n"))
        .collect();
    let text = format!(
        "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:1\n\
        #EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=6.0\n#EXT-X-MEDIA-SEQUENCE:{first}\n{skip}{segments}"
    );
    let crate::m3u8::Playlist::Media(playlist) = crate::m3u8::parse(text.as_bytes()) else { panic!() };
    *playlist
}

/// A rendition in steady state: each load, a second after the one before, lists one segment more.
struct Steady {
    rendition: Rendition,
    counts: Counts,
    loads: u64,
}

impl Steady {
    fn new() -> Self {
        let rendition = Rendition::new(LowLatency::Auto, true);
        Self { rendition, counts: Counts::default(), loads: 0 }
    }

    fn answer(&mut self, playlist: MediaPlaylist, asked: Asked) {
        let at = Duration::from_secs(self.loads);
        let response = Response { status: Some(200), sent: at, done: at, ..Response::default() };
        let resource = Resource { url: URL.to_owned(), start: 0, length: None, open_range: false };
        let seen = Observation { playlist: URL.to_owned(), what: What::Playlist(asked), resource, response };
        let mut faults = Faults::new();
        self.rendition.playlist(playlist, &seen, asked, &mut self.counts, &mut faults);
        assert!(faults.is_empty(), "{faults:?}");
    }

    fn load(&mut self) {
        self.answer(text(self.loads, 0), Asked::default());
        self.loads += 1;
    }
}

#[test]
fn playlists_to_hold_delta_updates_against_at_their_limit() {
    let oldest = |steady: &Steady| steady.rendition.fulls.front().map(|full| full.media_sequence);
    let mut steady = Steady::new();
    for _ in 0..MAX_REMEMBERED_PLAYLISTS {
        steady.load();
    }
    assert_eq!(oldest(&steady), Some(0), "at the limit");
    steady.load();
    assert_eq!(steady.rendition.fulls.len(), MAX_REMEMBERED_PLAYLISTS);
    assert_eq!(oldest(&steady), Some(1), "the oldest goes");
    let newest = steady.loads - 1;
    steady.answer(text(newest, 4), Asked { skip: true, ..Asked::default() });
    assert_eq!(steady.counts.deltas_compared, 1, "the newest is held against");
}

#[test]
fn past_ends_at_their_limit() {
    let mut steady = Steady::new();
    for _ in 0..MAX_REMEMBERED_EDGES {
        steady.load();
    }
    let oldest = |steady: &Steady| steady.rendition.edges.front().map(|(at, _)| *at);
    assert_eq!((steady.rendition.edges.len(), oldest(&steady)), (MAX_REMEMBERED_EDGES, Some(0)));
    steady.load();
    assert_eq!((steady.rendition.edges.len(), oldest(&steady)), (MAX_REMEMBERED_EDGES, Some(1_000_000)));
}

#[test]
fn requests_for_what_was_removed_at_their_limit() {
    let mut steady = Steady::new();
    let mut asked = Vec::new();
    for _ in 0..MAX_REMOVED_PROBES * 2 {
        steady.load();
        let wants = steady.rendition.wants().into_iter().map(|want| want.what);
        asked.extend(wants.filter(|what| matches!(what, What::Removed(_))));
    }
    let first: Vec<_> = (0..MAX_REMOVED_PROBES as u64).map(What::Removed).collect();
    assert_eq!(asked, first, "one a load, until the limit");
    assert_eq!(steady.rendition.gone.len(), MAX_REMOVED_PROBES);
}
