//! Stream metadata between AMF values and the core's flat pairs.

use super::amf::amf0::Value;
use crate::track::{Metadata, MetadataValue};

/// Most pairs kept of what a publisher says of its stream; the rest is left out. Encoders send some
/// twenty, and every viewer is sent all of them.
pub const MAX_METADATA_PAIRS: usize = 128;
/// Most bytes of names and texts kept of what a publisher says of its stream; pairs that do not fit are
/// left out. A stream holds this for as long as it lives.
pub const MAX_METADATA_BYTES: usize = 16 * 1024;
/// Deepest nesting of `colorInfo` that is unfolded. The specification has two levels below the name.
const MAX_COLOR_DEPTH: usize = 4;
/// The name of the metadata of a video packet, the only one defined.
const COLOR_INFO: &str = "colorInfo";

/// Collects pairs within the bounds.
#[derive(Default)]
struct Pairs {
    list: Metadata,
    bytes: usize,
}

impl Pairs {
    fn add(&mut self, name: &str, value: MetadataValue) {
        let text = match &value {
            MetadataValue::Text(text) => text.len(),
            MetadataValue::Number(_) | MetadataValue::Boolean(_) => 0,
        };
        let bytes = self.bytes.saturating_add(name.len()).saturating_add(text);
        if self.list.len() < MAX_METADATA_PAIRS && bytes <= MAX_METADATA_BYTES {
            self.bytes = bytes;
            self.list.push((name.to_owned(), value));
        }
    }
}

fn flat(value: &Value) -> Option<MetadataValue> {
    match value {
        // Not a number says nothing, and would make every repetition look like a change.
        Value::Number(number) if number.is_nan() => None,
        Value::Number(number) => Some(MetadataValue::Number(*number)),
        Value::Boolean(truth) => Some(MetadataValue::Boolean(*truth)),
        Value::String(text) => Some(MetadataValue::Text(text.clone())),
        _ => None,
    }
}

/// The flat pairs of the argument of `onMetaData`. Nested values are left out: they describe files.
pub(super) fn from_on_metadata(argument: &Value) -> Metadata {
    let mut pairs = Pairs::default();
    for (name, value) in argument.fields().unwrap_or_default() {
        if let Some(value) = flat(value) {
            pairs.add(name, value);
        }
    }
    pairs.list
}

/// The pairs of a video packet's metadata: `colorInfo`, names and values by turns, nested names joined by
/// dots (`colorInfo.colorConfig.bitDepth`).
pub(super) fn from_video_packet(values: &[Value]) -> Metadata {
    let mut pairs = Pairs::default();
    for pair in values.chunks_exact(2) {
        if let [Value::String(name), value] = pair
            && name == COLOR_INFO
        {
            unfold(name, value, MAX_COLOR_DEPTH, &mut pairs);
        }
    }
    pairs.list
}

fn unfold(name: &str, value: &Value, depth: usize, pairs: &mut Pairs) {
    if let Some(value) = flat(value) {
        pairs.add(name, value);
    } else if let Some(depth) = depth.checked_sub(1) {
        for (inner, value) in value.fields().unwrap_or_default() {
            unfold(&format!("{name}.{inner}"), value, depth, pairs);
        }
    }
}

/// Whether a pair came with the metadata of a video packet.
pub(super) fn is_color_info(name: &str) -> bool {
    name.strip_prefix(COLOR_INFO).is_some_and(|rest| rest.starts_with('.'))
}

/// The opposite of [`from_video_packet`]: name and object, or nothing if no pair belongs to it.
pub(super) fn to_video_packet(metadata: &Metadata) -> Option<[Value; 2]> {
    let mut fields = Vec::new();
    for (name, value) in metadata {
        let path = name.strip_prefix(COLOR_INFO).and_then(|rest| rest.strip_prefix('.'));
        if let Some(path) = path {
            fold(path, to_value(value), &mut fields);
        }
    }
    (!fields.is_empty()).then(|| [Value::from(COLOR_INFO), Value::Object(fields)])
}

fn fold(path: &str, value: Value, fields: &mut Vec<(String, Value)>) {
    let Some((outer, rest)) = path.split_once('.') else {
        fields.push((path.to_owned(), value));
        return;
    };
    let held = fields.iter_mut().find_map(|(name, held)| match held {
        Value::Object(fields) if name == outer => Some(fields),
        _ => None,
    });
    if let Some(held) = held {
        fold(rest, value, held);
    } else {
        let mut inner = Vec::new();
        fold(rest, value, &mut inner);
        fields.push((outer.to_owned(), Value::Object(inner)));
    }
}

pub(super) fn to_value(value: &MetadataValue) -> Value {
    match value {
        MetadataValue::Number(number) => Value::Number(*number),
        MetadataValue::Boolean(truth) => Value::Boolean(*truth),
        MetadataValue::Text(text) => Value::String(text.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(fields: &[(&str, Value)]) -> Value {
        Value::Object(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }

    #[test]
    fn only_flat_pairs_are_kept_in_their_order() {
        let argument = object(&[
            ("width", Value::from(64.0)),
            ("keyframes", object(&[("times", Value::StrictArray(vec![]))])),
            ("encoder", Value::from("x")),
            ("stereo", Value::from(true)),
            ("nothing", Value::Null),
        ]);
        let expected = vec![
            ("width".to_owned(), MetadataValue::Number(64.0)),
            ("encoder".to_owned(), MetadataValue::Text("x".to_owned())),
            ("stereo".to_owned(), MetadataValue::Boolean(true)),
        ];
        assert_eq!(from_on_metadata(&argument), expected);
        assert_eq!(from_on_metadata(&Value::Null), vec![]);
    }

    #[test]
    fn pairs_and_bytes_at_their_limits() {
        let names: Vec<String> = (0..=MAX_METADATA_PAIRS).map(|index| format!("n{index}")).collect();
        let fields: Vec<_> = names.iter().map(|name| (name.as_str(), Value::from(1.0))).collect();
        let kept = from_on_metadata(&object(&fields));
        assert_eq!(kept.len(), MAX_METADATA_PAIRS);
        assert_eq!(kept.last().map(|pair| pair.0.as_str()), Some("n127"));
        let fitting = "x".repeat(MAX_METADATA_BYTES - 1);
        assert_eq!(from_on_metadata(&object(&[("a", Value::from(fitting.clone()))])).len(), 1);
        // One that does not fit does not keep out those behind it.
        let fields = [("aa", Value::from(fitting)), ("b", Value::from(true))];
        assert_eq!(from_on_metadata(&object(&fields)), vec![("b".to_owned(), MetadataValue::Boolean(true))]);
    }

    #[test]
    fn color_info_goes_both_ways() {
        let color = object(&[
            ("colorConfig", object(&[("bitDepth", Value::from(10.0)), ("colorPrimaries", Value::from(9.0))])),
            ("hdrCll", object(&[("maxFall", Value::from(400.0))])),
        ]);
        let values = [Value::from("colorInfo"), color];
        let pairs = from_video_packet(&values);
        assert_eq!(pairs[1], ("colorInfo.colorConfig.colorPrimaries".to_owned(), MetadataValue::Number(9.0)));
        assert!(pairs.iter().all(|(name, _)| is_color_info(name)));
        assert_eq!(to_video_packet(&pairs), Some(values));
        assert_eq!(
            to_video_packet(&vec![("colorInformation".to_owned(), MetadataValue::Boolean(true))]),
            None
        );
        assert_eq!(from_video_packet(&[Value::from("other"), object(&[("a", Value::from(1.0))])]), vec![]);
    }

    #[test]
    fn color_info_is_unfolded_to_a_bounded_depth() {
        let mut value = Value::from(1.0);
        for _ in 0..MAX_COLOR_DEPTH {
            value = object(&[("n", value)]);
        }
        assert_eq!(from_video_packet(&[Value::from("colorInfo"), value.clone()]).len(), 1);
        assert_eq!(from_video_packet(&[Value::from("colorInfo"), object(&[("n", value)])]), vec![]);
    }
}
