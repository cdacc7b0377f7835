//! As much of a media playlist (RFC 8216, second edition) as load needs: what is listed, and what comes next.

use thiserror::Error;

/// Names a partial segment: media sequence number, and number of the part in that segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PartId {
    pub(crate) msn: u64,
    pub(crate) part: u64,
}

/// The text is no media playlist.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum PlaylistError {
    #[error("the playlist does not begin with #EXTM3U")]
    Beginning,
    #[error("no number in {line}")]
    Number { line: String },
}

/// Shows each part that is listed to `on_part`, oldest first, with its URI; returns the part that comes next.
pub(crate) fn read_parts<'a>(
    text: &'a str,
    mut on_part: impl FnMut(PartId, &'a str),
) -> Result<PartId, PlaylistError> {
    let mut next = PartId { msn: 0, part: 0 };
    let number = |line: &str, value: &str| {
        let digits = value.split(',').next().unwrap_or_default();
        digits.parse().map_err(|_| PlaylistError::Number { line: line.to_owned() })
    };
    let mut lines = text.lines();
    if lines.next() != Some("#EXTM3U") {
        return Err(PlaylistError::Beginning);
    }
    for line in lines {
        if let Some(attributes) = line.strip_prefix("#EXT-X-PART:") {
            on_part(next, quoted(attributes, "URI").unwrap_or_default());
            next.part += 1;
        } else if let Some(value) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
            next.msn = number(line, value)?;
        } else if let Some(value) = line.strip_prefix("#EXT-X-SKIP:SKIPPED-SEGMENTS=") {
            next.msn += number(line, value)?;
        } else if !line.is_empty() && !line.starts_with('#') {
            next = PartId { msn: next.msn + 1, part: 0 };
        }
    }
    Ok(next)
}

/// URIs of the segments, oldest first.
pub(crate) fn segments(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The path that `uri` in the playlist at `playlist_path` refers to (RFC 3986, 5.2, without dot segments).
pub(crate) fn resolve(playlist_path: &str, uri: &str) -> String {
    if uri.starts_with('/') {
        return uri.to_owned();
    }
    let path = playlist_path.split('?').next().unwrap_or_default();
    let folder = path.rfind('/').map_or("/", |slash| &path[..=slash]);
    format!("{folder}{uri}")
}

/// The value of a quoted attribute.
pub(super) fn quoted<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    attributes.split(',').find_map(|pair| {
        let (of, value) = pair.split_once('=')?;
        (of == name).then(|| value.trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-MAP:URI=\"r-0.mp4\"\n\
        #EXTINF:2.0,\nr-7.m4s\n#EXT-X-PART:DURATION=0.2,URI=\"r-8.0.m4s\",INDEPENDENT=YES\n\
        #EXT-X-PART:DURATION=0.2,URI=\"r-8.1.m4s\"\n#EXTINF:2.0,\nr-8.m4s\n\
        #EXT-X-PART:INDEPENDENT=YES,DURATION=0.2,URI=\"r-9.0.m4s\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"r-9.1.m4s\"\n";

    const fn id(msn: u64, part: u64) -> PartId {
        PartId { msn, part }
    }

    fn next(text: &str) -> Result<PartId, PlaylistError> {
        read_parts(text, |_, _| ())
    }

    #[test]
    fn parts_are_numbered_as_a_blocking_reload_asks_for_them() {
        let mut found = Vec::new();
        assert_eq!(read_parts(TEXT, |id, uri| found.push((id, uri))), Ok(id(9, 1)));
        assert_eq!(found, [(id(8, 0), "r-8.0.m4s"), (id(8, 1), "r-8.1.m4s"), (id(9, 0), "r-9.0.m4s")]);
        let delta = TEXT.replace("#EXTINF:2.0,\nr-7.m4s", "#EXT-X-SKIP:SKIPPED-SEGMENTS=1");
        assert_eq!(next(&delta), Ok(id(9, 1)));
        let whole = TEXT.rsplit_once("#EXT-X-PART:I").unwrap().0;
        assert_eq!(next(whole), Ok(id(9, 0)));
    }

    #[test]
    fn what_is_no_media_playlist_is_refused() {
        assert_eq!(next("<html>"), Err(PlaylistError::Beginning));
        let line = "#EXT-X-MEDIA-SEQUENCE:x".to_owned();
        assert_eq!(next(&format!("#EXTM3U\n{line}\n")), Err(PlaylistError::Number { line }));
    }

    #[test]
    fn segments_are_found_and_resolved() {
        assert_eq!(segments(TEXT).collect::<Vec<_>>(), ["r-7.m4s", "r-8.m4s"]);
        assert_eq!(resolve("/live/x/media/ts/index.m3u8?pass=1", "r-7.ts"), "/live/x/media/ts/r-7.ts");
        assert_eq!(resolve("/live/x.m3u8", "/r-7.ts"), "/r-7.ts");
    }
}
