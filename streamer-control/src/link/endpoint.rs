//! A call between engine and manager: one type that client, server and documentation share.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// One call over HTTP with JSON both ways.
pub trait Endpoint {
    /// `GET`, `POST`, ...
    const METHOD: &'static str;
    /// Path, beginning with a slash.
    const PATH: &'static str;
    /// Body of the request; `()` for none.
    type Request: Serialize + DeserializeOwned + Send;
    /// The `data` of the answer.
    type Response: Serialize + DeserializeOwned + Send;
}
