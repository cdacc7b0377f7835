//! From what clients put into `connect`, `publish` and `play` to an application, a stream and a query string.
//!
//! Clients split one URL in different places: `rtmp://host/live/cam?token=x` may arrive as application `live` and
//! stream `cam?token=x`, as application `live/cam` and an empty stream, or as application `live?token=x` and stream
//! `cam`. All of them mean the same here.

/// The longest application, stream name or `tcUrl` as sent, query string included: room for a signed token of
/// 3 KiB, and no more than one memory page for each.
pub const MAX_NAME_BYTES: usize = 4096;

/// Instance name that Flash Media Server adds to an application that has none.
const DEFAULT_INSTANCE: &str = "_definst_";

/// Kinds of file that Flash clients put before a stream name.
const PREFIXES: [&str; 4] = ["mp4:", "flv:", "mp3:", "f4v:"];

/// A stream as a client names it, taken apart and not judged: the parts may hold anything that fits into a string.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamAddress {
    /// The first segment of the path.
    pub app: String,
    /// The other segments, joined with slashes; without a file prefix and without `.flv` at the end, which known
    /// clients strip or add at will.
    pub name: String,
    /// The query strings of application and stream, joined with `&`, without `?`.
    pub query: String,
}

impl StreamAddress {
    /// Takes apart the `app` and `tcUrl` of `connect` and the name of `publish` or `play`.
    pub fn new(app: &str, tc_url: &str, name: &str) -> Self {
        let (app_path, app_query) = split_query(app);
        let app_query = if app_query.is_empty() { split_query(tc_url).1 } else { app_query };
        let (name_path, name_query) = split_query(name);
        let name_path =
            PREFIXES.iter().find_map(|prefix| name_path.strip_prefix(prefix)).unwrap_or(name_path);
        let mut app_segments = app_path.split('/').filter(|segment| !segment.is_empty());
        let app = app_segments.next().unwrap_or_default().to_owned();
        let mut segments: Vec<&str> = app_segments.filter(|segment| *segment != DEFAULT_INSTANCE).collect();
        segments.extend(name_path.split('/').filter(|segment| !segment.is_empty()));
        let name = segments.join("/");
        let name = name.strip_suffix(".flv").map_or(name.clone(), str::to_owned);
        let mut query = app_query.to_owned();
        if !name_query.is_empty() && name_query != app_query {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(name_query);
        }
        Self { app, name, query }
    }
}

/// Path and query of a name or URL; the question mark belongs to neither.
fn split_query(text: &str) -> (&str, &str) {
    text.split_once('?').unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(app: &str, tc_url: &str, name: &str) -> (String, String, String) {
        let StreamAddress { app, name, query } = StreamAddress::new(app, tc_url, name);
        (app, name, query)
    }

    fn expected(app: &str, name: &str, query: &str) -> (String, String, String) {
        (app.to_owned(), name.to_owned(), query.to_owned())
    }

    #[test]
    fn every_way_to_split_a_url_means_the_same() {
        let want = expected("live", "cam", "token=x");
        for (app, tc_url, name) in [
            ("live", "rtmp://h/live", "cam?token=x"),
            ("live/", "rtmp://h/live/", "/cam?token=x"),
            ("live/cam", "rtmp://h/live/cam", "?token=x"),
            ("live/cam?token=x", "rtmp://h/live/cam?token=x", ""),
            ("live?token=x", "rtmp://h/live?token=x", "cam"),
            ("live", "rtmp://h/live?token=x", "cam"),
            ("live/_definst_", "rtmp://h/live/_definst_", "cam?token=x"),
            ("live", "rtmp://h/live", "mp4:cam?token=x"),
            ("live", "rtmp://h/live", "cam.flv?token=x"),
            ("/live", "", "flv:cam?token=x"),
            ("live?token=x", "rtmp://h/live?token=x", "cam?token=x"),
        ] {
            assert_eq!(address(app, tc_url, name), want, "{app} {name}");
        }
    }

    #[test]
    fn queries_join_and_further_segments_belong_to_the_name() {
        assert_eq!(
            address("live/room?a=1", "", "x/cam.mp4?b=2?c"),
            expected("live", "room/x/cam.mp4", "a=1&b=2?c")
        );
        assert_eq!(address("", "", ""), expected("", "", ""));
    }

    #[test]
    fn hostile_names_come_out_as_they_are() {
        assert_eq!(address("live", "", "../\0<b>"), expected("live", "../\0<b>", ""));
    }

    proptest! {
        #[test]
        fn no_names_panic(app: String, tc_url: String, name: String) {
            let address = StreamAddress::new(&app, &tc_url, &name);
            prop_assert!(!address.app.contains('/') && !address.name.starts_with('/'));
        }
    }
}
