//! The reader page of the API's document: a page of its own that loads nothing from elsewhere.

use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};

/// What the page may do: run and show what this server serves, and nothing else (CSP level 3).
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn page(content_type: &'static str, text: &'static str) -> Response {
    let headers: [(HeaderName, &'static str); 4] = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::CACHE_CONTROL, "no-cache"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, text).into_response()
}

/// Read this document
///
/// A page that shows this document; it works without any other server.
#[utoipa::path(get, path = "/v1/docs", tag = "document", responses((status = 200, content_type = "text/html", body = String)))]
pub(super) async fn index() -> Response {
    page("text/html; charset=utf-8", include_str!("reader/index.html"))
}

/// The script of the reader page
#[utoipa::path(get, path = "/v1/docs/reader.js", tag = "document", responses((status = 200, content_type = "text/javascript", body = String)))]
pub(super) async fn script() -> Response {
    page("text/javascript; charset=utf-8", include_str!("reader/reader.js"))
}

/// The style of the reader page
#[utoipa::path(get, path = "/v1/docs/reader.css", tag = "document", responses((status = 200, content_type = "text/css", body = String)))]
pub(super) async fn style() -> Response {
    page("text/css; charset=utf-8", include_str!("reader/reader.css"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_loads_nothing_from_elsewhere_and_has_no_script_of_its_own() {
        let page = include_str!("reader/index.html");
        for part in [page, include_str!("reader/reader.js"), include_str!("reader/reader.css")] {
            assert!(!part.contains("://") && !part.contains("innerHTML") && !part.contains("eval("));
        }
        assert_eq!(page.matches("<script").count(), 1);
        assert!(page.contains("defer></script>") && !page.contains("style=") && !page.contains("onclick"));
    }
}
