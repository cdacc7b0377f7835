//! HTTP: types, compression, caching, byte ranges.

use super::Faults;
use crate::m3u8::{MediaPlaylist, brief};
use crate::observation::{Asked, Observation, What};
use crate::rule;

/// Below this size compressing a playlist saves no packet.
const WORTH_COMPRESSING_BYTES: usize = 1_400;

/// Checks the answer to a playlist request.
pub(super) fn playlist(
    seen: &Observation,
    asked: Asked,
    playlist: Option<&MediaPlaylist>,
    faults: &mut Faults,
) {
    let response = &seen.response;
    let kind = response.header("content-type").unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !matches!(
        essence.as_str(),
        "application/vnd.apple.mpegurl" | "audio/mpegurl" | "application/x-mpegurl"
    ) {
        faults.push((rule::CONTENT_TYPE, format!("the playlist is served as {:?}", brief(kind))));
    }
    if response.header("content-encoding").is_none() && response.body.len() >= WORTH_COMPRESSING_BYTES {
        let length = response.body.len();
        faults.push((rule::NOT_COMPRESSED, format!("a playlist of {length} bytes came without compression")));
    }
    let Some(playlist) = playlist.filter(|playlist| playlist.live()) else { return };
    if playlist.part_target.is_some()
        && playlist.control.can_block_reload
        && !response.http2
        && seen.resource.url.starts_with("https:")
    {
        faults.push((rule::HTTP_1, "the playlist came over HTTP/1".to_owned()));
    }
    let targets = if asked.sequence.is_some() { 6 } else { 1 };
    let most = playlist.target_duration.unwrap_or(1).saturating_mul(targets);
    if let Some(age) = max_age(response.header("cache-control").unwrap_or_default())
        && age > most
    {
        faults.push((
            rule::CACHED_TOO_LONG,
            format!("a live playlist may be cached for {age} s, {most} s are right"),
        ));
    }
}

fn max_age(cache_control: &str) -> Option<u64> {
    let fields: Vec<_> = cache_control.split(',').map(str::trim).collect();
    if fields.iter().any(|field| matches!(*field, "no-store" | "no-cache" | "private")) {
        return None;
    }
    let find = |name: &str| fields.iter().find_map(|field| field.strip_prefix(name)?.parse().ok());
    find("s-maxage=").or_else(|| find("max-age="))
}

/// Checks the answer to a request for media; false when there are no bytes to go on with.
pub(super) fn resource(seen: &Observation, faults: &mut Faults) -> bool {
    let (response, resource) = (&seen.response, &seen.resource);
    if !response.ok() {
        // The server may drop what it hinted, and says so by 404; whether it did is known with the next part.
        if seen.what == What::Hint && response.status == Some(404) {
            return false;
        }
        let rule = match seen.what {
            What::Hint => rule::HINT_FAILED,
            What::Removed(_) => rule::REMOVED_TOO_SOON,
            _ => rule::RESOURCE_UNAVAILABLE,
        };
        faults.push((rule, format!("{}: {}", brief(&resource.url), response.outcome())));
        return false;
    }
    if let Some(length) = resource.length
        && response.body.len() as u64 != length
    {
        faults.push((
            rule::RANGE_NOT_HONOURED,
            format!(
                "{length} bytes from {} of {} were asked for, {} came with status {}",
                resource.start,
                brief(&resource.url),
                response.body.len(),
                response.status.unwrap_or(0)
            ),
        ));
        return false;
    }
    let kind = response.header("content-type").unwrap_or_default();
    let known = ["video/", "audio/", "application/mp4", "text/vtt"];
    if !known.iter().any(|known| kind.starts_with(known)) {
        faults.push((
            rule::MEDIA_CONTENT_TYPE,
            format!("{} is served as {:?}", brief(&resource.url), brief(kind)),
        ));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_caches_count_by_their_own_field() {
        assert_eq!(max_age("public, max-age=3"), Some(3));
        assert_eq!(max_age("max-age=3, s-maxage=9"), Some(9));
        assert_eq!(max_age("no-cache, max-age=3"), None);
        assert_eq!(max_age(""), None);
    }
}
