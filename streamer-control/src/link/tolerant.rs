//! Reading the word of a newer version: fields that this version does not know are left out, not refused.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

/// Unknown fields left out of one document: more than any version adds to a configuration of two thousand streams.
pub const MAX_UNKNOWN_FIELDS: usize = 10_000;

/// Reads `bytes`. Configuration types refuse unknown fields, which is right for what a person wrote and wrong for
/// what the other daemon says; here each one found is taken out. Returns the value and the paths left out.
///
/// # Errors
/// Any other mistake in the document.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, Vec<String>), serde_json::Error> {
    from_value(serde_json::from_slice(bytes)?)
}

/// The same of a value that was read already.
///
/// # Errors
/// Any other mistake in it.
pub fn from_value<T: DeserializeOwned>(mut value: Value) -> Result<(T, Vec<String>), serde_json::Error> {
    let mut left_out = Vec::new();
    loop {
        match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(read) => return Ok((read, left_out)),
            Err(error) => {
                let path: Vec<Segment> = error.path().iter().cloned().collect();
                let shown = error.path().to_string();
                let error = error.into_inner();
                let unknown = error.to_string().starts_with("unknown field");
                if !unknown || left_out.len() >= MAX_UNKNOWN_FIELDS || !take_out(&mut value, &path) {
                    return Err(error);
                }
                left_out.push(shown);
            }
        }
    }
}

fn take_out(value: &mut Value, path: &[Segment]) -> bool {
    match (path, value) {
        ([Segment::Map { key }], Value::Object(map)) => map.remove(key).is_some(),
        ([Segment::Map { key }, rest @ ..], Value::Object(map)) => {
            map.get_mut(key).is_some_and(|value| take_out(value, rest))
        }
        ([Segment::Seq { index }, rest @ ..], Value::Array(list)) => {
            list.get_mut(*index).is_some_and(|value| take_out(value, rest))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ManagedConfig;

    #[test]
    fn what_is_not_known_is_left_out_wherever_it_stands() {
        let text = br#"{"new": 1, "apps": [{"app_name": "live", "source_type": "rtmp_push",
            "newer": {}, "hls": {"newest": [], "mode": "always"}}], "settings": {"quantum": true}}"#;
        let (config, left_out) = from_slice::<ManagedConfig>(text).unwrap();
        assert_eq!(config.apps[0].app_name.as_str(), "live");
        assert_eq!(left_out.len(), 4, "{left_out:?}");
    }

    #[test]
    fn another_mistake_stays_one() {
        assert!(from_slice::<ManagedConfig>(b"{\"apps\": 1}").is_err());
        assert!(from_slice::<ManagedConfig>(b"{\"apps\": ").is_err());
    }

    #[test]
    fn fields_left_out_at_their_limit() {
        let fields = |count: usize| {
            let fields: Vec<String> = (0..count).map(|number| format!("\"x{number}\": 0")).collect();
            from_slice::<ManagedConfig>(format!("{{{}}}", fields.join(",")).as_bytes()).is_ok()
        };
        assert!(fields(MAX_UNKNOWN_FIELDS));
        assert!(!fields(MAX_UNKNOWN_FIELDS + 1));
    }
}
