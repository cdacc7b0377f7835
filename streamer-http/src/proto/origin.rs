//! Which web pages may read what is served: CORS of the Fetch standard, and the origin of a WebSocket.

/// The pages allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// Every page.
    #[default]
    Any,
    /// The pages of these origins (`https://example.org`, scheme and port included); programs that are no
    /// browser send no origin and are let in.
    Listed(Vec<String>),
    /// None: no CORS field is ever sent, and no page may open a WebSocket.
    None,
}

/// What a page of some origin is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginVerdict<'a> {
    /// The value of `Access-Control-Allow-Origin`, if it is sent.
    pub allow: Option<&'a str>,
    /// Whether the answer depends on the origin, so that caches must keep one per origin.
    pub varies: bool,
    /// Whether the page may open a WebSocket, which browsers leave to the server.
    pub websocket: bool,
}

impl AllowedOrigins {
    /// Judges the value of an `Origin` field. Nothing of it is passed on: what is sent back is the
    /// configured text.
    #[must_use]
    pub fn judge(&self, origin: Option<&str>) -> OriginVerdict<'_> {
        let websocket = origin.is_none();
        match self {
            Self::Any => OriginVerdict { allow: Some("*"), varies: false, websocket: true },
            Self::Listed(list) => {
                let listed = list.iter().find(|listed| {
                    origin.is_some_and(|origin| origin.eq_ignore_ascii_case(listed.trim_end_matches('/')))
                });
                let allow = listed.map(|listed| listed.trim_end_matches('/'));
                OriginVerdict { allow, varies: true, websocket: websocket || allow.is_some() }
            }
            Self::None => OriginVerdict { allow: None, varies: false, websocket },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_page_or_only_those_listed_or_none() {
        let any = AllowedOrigins::Any.judge(Some("https://evil.test"));
        assert_eq!(any, OriginVerdict { allow: Some("*"), varies: false, websocket: true });

        let listed = AllowedOrigins::Listed(vec!["https://a.test".into(), "https://b.test:8443/".into()]);
        let verdict = |origin| listed.judge(origin);
        assert_eq!(verdict(Some("https://B.test:8443")).allow, Some("https://b.test:8443"));
        for refused in ["https://b.test", "http://a.test", "https://a.test.evil.test", "null", ""] {
            let verdict = verdict(Some(refused));
            assert_eq!(verdict, OriginVerdict { allow: None, varies: true, websocket: false }, "{refused}");
        }
        assert!(verdict(None).websocket, "a program is no page");

        assert_eq!(AllowedOrigins::None.judge(Some("https://a.test")).allow, None);
        assert!(!AllowedOrigins::None.judge(Some("https://a.test")).websocket);
        assert!(AllowedOrigins::None.judge(None).websocket);
    }
}
