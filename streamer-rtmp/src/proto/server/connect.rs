//! `connect` on the server's side: what the peer says, and the answers to it (RTMP 1.0 section 7.2.1.1).

use streamer_core::container::flv::amf0::Value;

use super::super::capabilities::Capabilities;
use super::super::chunk::ChunkError;
use super::super::command::{Answer, Command};
use super::super::message::{BandwidthLimit, ControlMessage};
use super::super::outbox::Outbox;
use super::super::status::{Status, codes};
use super::super::stream_name::{MAX_NAME_BYTES, StreamAddress};
use super::event::ConnectInfo;
use super::options::ServerOptions;

/// The server that legacy players believe to talk to; some check the major version.
const FMS_VERSION: &str = "FMS/3,5,7,7009";

/// What players of that server expect in `capabilities`.
const FMS_CAPABILITIES: f64 = 31.0;

impl ConnectInfo {
    /// Reads the command object of `connect`; what is missing or of the wrong type is left empty.
    pub(super) fn from_object(object: &Value) -> Self {
        let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (app_as_sent, tc_url) = (text("app"), text("tcUrl"));
        let StreamAddress { app, query, .. } = StreamAddress::new(&app_as_sent, &tc_url, "");
        Self {
            app,
            app_as_sent,
            query,
            tc_url,
            flash_ver: clip(text("flashVer")),
            swf_url: clip(text("swfUrl")),
            page_url: clip(text("pageUrl")),
            amf3: object.get("objectEncoding").and_then(Value::as_f64) == Some(3.0),
            capabilities: Capabilities::from_properties(object),
        }
    }

    /// Whether what streams are named by is short enough.
    pub(super) fn fits(&self) -> bool {
        self.app_as_sent.len() <= MAX_NAME_BYTES && self.tc_url.len() <= MAX_NAME_BYTES
    }
}

/// Cuts what is only informative to the length of a name.
fn clip(mut text: String) -> String {
    if text.len() > MAX_NAME_BYTES {
        let mut end = MAX_NAME_BYTES;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.shrink_to_fit();
    }
    text
}

/// Answers `connect`: windows, chunk size, `_result`, `onBWDone`.
pub(super) fn accept(
    outbox: &mut Outbox,
    options: &ServerOptions,
    transaction: f64,
    amf3: bool,
    enhanced: bool,
) -> Result<(), ChunkError> {
    let bytes = options.window_ack_bytes;
    outbox.control(ControlMessage::WindowAckSize { bytes })?;
    outbox.control(ControlMessage::SetPeerBandwidth { bytes, limit: BandwidthLimit::Dynamic })?;
    outbox.control(ControlMessage::SetChunkSize(options.chunk_size))?;
    let mut properties = vec![
        ("fmsVer".to_owned(), Value::from(FMS_VERSION)),
        ("capabilities".to_owned(), Value::Number(FMS_CAPABILITIES)),
    ];
    if enhanced {
        properties.extend(options.capabilities.to_properties());
    }
    let status = Status::new(codes::CONNECT_SUCCESS, "Connection succeeded.")
        .with("objectEncoding", if amf3 { 3.0 } else { 0.0 });
    let answer = Answer { transaction, object: Value::Object(properties), values: vec![status.to_info()] };
    outbox.command(0, &Command::Result(answer))?;
    // Players of Flash Media Server's time begin nothing before it.
    let done =
        Command::Other { procedure: "onBWDone".to_owned(), transaction: 0.0, arguments: vec![Value::Null] };
    outbox.command(0, &done)
}

/// Refuses `connect`, and names another server where `redirect` is given.
pub(super) fn reject(
    outbox: &mut Outbox,
    transaction: f64,
    code: &str,
    description: &str,
    redirect: Option<&str>,
) -> Result<(), ChunkError> {
    let mut status = Status::error(code, description);
    if let Some(url) = redirect {
        let ex = Value::Object(vec![
            ("code".to_owned(), Value::Number(302.0)),
            ("redirect".to_owned(), Value::from(url)),
        ]);
        status.more.push(("ex".to_owned(), ex));
    }
    let answer = Answer { transaction, object: Value::Null, values: vec![status.to_info()] };
    outbox.command(0, &Command::Error(answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_odd_properties_are_empty() {
        let object =
            Value::Object(vec![("app".to_owned(), Value::Null), ("objectEncoding".to_owned(), 3.0.into())]);
        let info = ConnectInfo::from_object(&object);
        assert_eq!(info, ConnectInfo { amf3: true, ..ConnectInfo::default() });
        assert_eq!(ConnectInfo::from_object(&Value::Null), ConnectInfo::default());
    }

    #[test]
    fn names_up_to_the_limit_fit_and_the_rest_is_cut() {
        let info = |bytes: usize| {
            let text = Value::String("é".repeat(bytes / 2) + &"x".repeat(bytes % 2));
            let fields = ["app", "flashVer"].map(|name| (name.to_owned(), text.clone()));
            ConnectInfo::from_object(&Value::Object(fields.to_vec()))
        };
        assert!(info(MAX_NAME_BYTES).fits());
        assert!(!info(MAX_NAME_BYTES + 1).fits());
        assert_eq!(info(MAX_NAME_BYTES).flash_ver.len(), MAX_NAME_BYTES);
        assert_eq!(info(65_000).flash_ver.len(), MAX_NAME_BYTES);
    }
}
