//! The one table of who may what: each route, and the least role and the scope that it needs.

use axum::http::Method;

use crate::accounts::{Area, Role, Scope};

/// What a route asks of whoever calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Open,
    /// To be somebody.
    Known,
    /// At least this role; and this scope, of a token that is limited to scopes.
    Role(Role, Scope),
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The method.
    pub method: &'static str,
    /// The path, names in braces.
    pub path: &'static str,
    /// What it needs.
    pub need: Need,
}

const fn open(method: &'static str, path: &'static str) -> Row {
    Row { method, path, need: Need::Open }
}

const fn known(method: &'static str, path: &'static str) -> Row {
    Row { method, path, need: Need::Known }
}

/// Looking, which everybody may.
const fn read(path: &'static str, area: Area) -> Row {
    Row { method: "GET", path, need: Need::Role(Role::Viewer, Scope::read(area)) }
}

/// Changing what concerns streams.
const fn operate(method: &'static str, path: &'static str, area: Area) -> Row {
    Row { method, path, need: Need::Role(Role::Operator, Scope::write(area)) }
}

/// Looking at what only administrators see.
const fn inspect(path: &'static str, area: Area) -> Row {
    Row { method: "GET", path, need: Need::Role(Role::Administrator, Scope::read(area)) }
}

/// Changing what only administrators change.
const fn administer(method: &'static str, path: &'static str, area: Area) -> Row {
    Row { method, path, need: Need::Role(Role::Administrator, Scope::write(area)) }
}

/// The table. A route that is not in it is refused.
pub const TABLE: &[Row] = &[
    open("GET", "/healthz"),
    open("GET", "/v1/openapi.json"),
    open("GET", "/v1/docs"),
    open("GET", "/v1/docs/reader.js"),
    open("GET", "/v1/docs/reader.css"),
    open("POST", "/v1/session"),
    known("GET", "/v1/session"),
    known("DELETE", "/v1/session"),
    known("PUT", "/v1/session/password"),
    read("/v1/app", Area::Apps),
    operate("POST", "/v1/app", Area::Apps),
    read("/v1/app/{app}", Area::Apps),
    operate("PUT", "/v1/app/{app}", Area::Apps),
    operate("PATCH", "/v1/app/{app}", Area::Apps),
    operate("DELETE", "/v1/app/{app}", Area::Apps),
    read("/v1/stream", Area::Streams),
    operate("POST", "/v1/stream", Area::Streams),
    read("/v1/stream/{app}/{stream}", Area::Streams),
    operate("PUT", "/v1/stream/{app}/{stream}", Area::Streams),
    operate("PATCH", "/v1/stream/{app}/{stream}", Area::Streams),
    operate("DELETE", "/v1/stream/{app}/{stream}", Area::Streams),
    operate("POST", "/v1/stream/{app}/{stream}/start", Area::Streams),
    operate("POST", "/v1/stream/{app}/{stream}/stop", Area::Streams),
    operate("DELETE", "/v1/stream/{app}/{stream}/publisher", Area::Streams),
    read("/v1/viewer", Area::Viewers),
    operate("DELETE", "/v1/viewer/{app}/{stream}/{id}", Area::Viewers),
    read("/v1/forward", Area::Forwards),
    operate("POST", "/v1/forward", Area::Forwards),
    read("/v1/forward/{app}/{name}", Area::Forwards),
    operate("PUT", "/v1/forward/{app}/{name}", Area::Forwards),
    operate("PATCH", "/v1/forward/{app}/{name}", Area::Forwards),
    operate("DELETE", "/v1/forward/{app}/{name}", Area::Forwards),
    operate("POST", "/v1/forward/{app}/{name}/start", Area::Forwards),
    operate("POST", "/v1/forward/{app}/{name}/stop", Area::Forwards),
    read("/v1/settings", Area::Settings),
    administer("PUT", "/v1/settings", Area::Settings),
    administer("PATCH", "/v1/settings", Area::Settings),
    inspect("/v1/user", Area::Accounts),
    administer("POST", "/v1/user", Area::Accounts),
    inspect("/v1/user/{name}", Area::Accounts),
    administer("PATCH", "/v1/user/{name}", Area::Accounts),
    administer("DELETE", "/v1/user/{name}", Area::Accounts),
    inspect("/v1/token", Area::Accounts),
    administer("POST", "/v1/token", Area::Accounts),
    administer("DELETE", "/v1/token/{name}", Area::Accounts),
    inspect("/v1/audit", Area::Accounts),
    read("/v1/event", Area::Events),
    read("/v1/event/feed", Area::Events),
    read("/v1/webhook", Area::Webhooks),
    administer("POST", "/v1/webhook", Area::Webhooks),
    read("/v1/webhook/{name}", Area::Webhooks),
    administer("PUT", "/v1/webhook/{name}", Area::Webhooks),
    administer("PATCH", "/v1/webhook/{name}", Area::Webhooks),
    administer("DELETE", "/v1/webhook/{name}", Area::Webhooks),
    read("/v1/webhook/{name}/delivery", Area::Webhooks),
    administer("POST", "/v1/webhook/{name}/delivery/{id}/redeliver", Area::Webhooks),
    read("/v1/config", Area::Config),
    read("/v1/config/history", Area::Config),
    read("/v1/config/history/{version}", Area::Config),
    read("/v1/config/diff", Area::Config),
    administer("POST", "/v1/config/rollback", Area::Config),
    inspect("/v1/config/export", Area::Config),
    administer("POST", "/v1/config/import", Area::Config),
    read("/v1/system", Area::System),
    read("/v1/vod", Area::Vod),
    read("/v1/vod/asset", Area::Vod),
    operate("DELETE", "/v1/vod/asset", Area::Vod),
    read("/v1/vod/upload", Area::Vod),
    operate("POST", "/v1/vod/upload", Area::Vod),
    read("/v1/vod/upload/{id}", Area::Vod),
    operate("PUT", "/v1/vod/upload/{id}", Area::Vod),
    operate("DELETE", "/v1/vod/upload/{id}", Area::Vod),
    operate("POST", "/v1/vod/upload/{id}/finish", Area::Vod),
];

/// What `method` on the route `path` needs; `None` when it is not in the table. `HEAD` is as `GET`.
#[must_use]
pub fn need(method: &Method, path: &str) -> Option<Need> {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    TABLE.iter().find(|row| row.method == method && row.path == path).map(|row| row.need)
}

/// The methods that the route `path` takes, as the header field `Allow` lists them.
#[must_use]
pub fn allowed(path: &str) -> String {
    let mut methods: Vec<&str> = TABLE.iter().filter(|row| row.path == path).map(|row| row.method).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_route_stands_twice_and_only_named_ones_are_open() {
        for (index, row) in TABLE.iter().enumerate() {
            let twice =
                TABLE[..index].iter().any(|other| (other.method, other.path) == (row.method, row.path));
            assert!(!twice, "{} {}", row.method, row.path);
        }
        let open: Vec<_> = TABLE.iter().filter(|row| row.need == Need::Open).map(|row| row.path).collect();
        let expected =
            ["/healthz", "/v1/openapi.json", "/v1/docs", "/v1/docs/reader.js", "/v1/docs/reader.css"];
        assert_eq!(open[..5], expected);
        assert_eq!(open[5..], ["/v1/session"]);
    }

    #[test]
    fn only_reading_is_for_viewers() {
        for row in TABLE {
            if let Need::Role(role, scope) = row.need {
                assert_eq!(scope.write, row.method != "GET", "{row:?}");
                assert!(role > Role::Viewer || !scope.write, "{row:?}");
            }
        }
    }

    #[test]
    fn what_is_not_in_the_table_needs_what_nobody_has() {
        assert_eq!(need(&Method::GET, "/v1/secret"), None);
        assert_eq!(need(&Method::POST, "/v1/settings"), None);
        assert_eq!(need(&Method::HEAD, "/healthz"), Some(Need::Open));
        assert_eq!(allowed("/v1/settings"), "GET, PUT, PATCH, HEAD");
    }
}
