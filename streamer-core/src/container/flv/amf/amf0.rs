//! AMF 0 decoding and encoding (AMF 0 specification 2).
//!
//! Two liberties, both because encoders in use need them: the count of an ECMA array is not believed (it
//! is informative, and often wrong), and an ECMA array may end with the message instead of an end marker.

use bytes::{BufMut, BytesMut};

pub use super::budget::{AmfError, MAX_AMF_DEPTH, MAX_AMF_STRING_BYTES, MAX_AMF_TEXT_BYTES, MAX_AMF_VALUES};
pub use super::value::Value;

use super::amf3;
use super::budget::Budget;
use super::input::Input;

mod marker {
    pub(super) const NUMBER: u8 = 0x00;
    pub(super) const BOOLEAN: u8 = 0x01;
    pub(super) const STRING: u8 = 0x02;
    pub(super) const OBJECT: u8 = 0x03;
    pub(super) const NULL: u8 = 0x05;
    pub(super) const UNDEFINED: u8 = 0x06;
    pub(super) const REFERENCE: u8 = 0x07;
    pub(super) const ECMA_ARRAY: u8 = 0x08;
    pub(super) const OBJECT_END: u8 = 0x09;
    pub(super) const STRICT_ARRAY: u8 = 0x0a;
    pub(super) const DATE: u8 = 0x0b;
    pub(super) const LONG_STRING: u8 = 0x0c;
    pub(super) const UNSUPPORTED: u8 = 0x0d;
    pub(super) const XML: u8 = 0x0f;
    pub(super) const TYPED_OBJECT: u8 = 0x10;
    pub(super) const AVMPLUS: u8 = 0x11;
}

/// Decodes the value at the front of `input` and moves `input` behind it. Offsets in errors count from
/// where `input` began; on an error `input` stays where it was.
///
/// # Errors
/// [`AmfError`] when the bytes end early, hold an undefined marker or pass a limit.
pub fn decode(input: &mut &[u8]) -> Result<Value, AmfError> {
    let mut decoder = Decoder::new(input);
    let value = decoder.value(1)?;
    *input = decoder.input.rest();
    Ok(value)
}

/// Decodes all values of a message body (message types 18 and 20, FLV script tags). The limits hold for
/// all of them together.
///
/// # Errors
/// [`AmfError`] of the first value refused.
pub fn decode_all(bytes: &[u8]) -> Result<Vec<Value>, AmfError> {
    let mut decoder = Decoder::new(bytes);
    let mut values = Vec::new();
    while !decoder.input.is_empty() {
        values.push(decoder.value(1)?);
    }
    Ok(values)
}

/// Decodes all values of the body of an RTMP message of type 15 or 17 (AMF 3 data and command): a format
/// selector of 0, then AMF 0 values which switch to AMF 3 one by one. Senders that leave the selector
/// out are understood as well: no command or data name begins with a number marker.
///
/// # Errors
/// [`AmfError`] of the first value refused.
pub fn decode_all_selected(bytes: &[u8]) -> Result<Vec<Value>, AmfError> {
    decode_all(bytes.strip_prefix(&[0]).unwrap_or(bytes))
}

struct Decoder<'a> {
    input: Input<'a>,
    budget: Budget,
    // One context per message, so that references reach back over several AMF 3 values of it.
    amf3: amf3::Context<'a>,
}

impl<'a> Decoder<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { input: Input::new(bytes), budget: Budget::new(), amf3: amf3::Context::new() }
    }

    fn value(&mut self, depth: usize) -> Result<Value, AmfError> {
        let offset = self.input.offset();
        let marker = self.input.u8()?;
        if marker == marker::AVMPLUS {
            return self.amf3.decode(&mut self.input, &mut self.budget, depth);
        }
        self.budget.value(depth)?;
        Ok(match marker {
            marker::NUMBER => Value::Number(self.input.f64()?),
            marker::BOOLEAN => Value::Boolean(self.input.u8()? != 0),
            marker::STRING => Value::String(self.short_text()?),
            marker::OBJECT => Value::Object(self.fields(depth, false)?),
            marker::NULL => Value::Null,
            marker::UNDEFINED => Value::Undefined,
            marker::REFERENCE => Value::Reference(self.input.u16()?),
            marker::ECMA_ARRAY => {
                self.input.u32()?;
                Value::EcmaArray(self.fields(depth, true)?)
            }
            marker::STRICT_ARRAY => {
                let count = self.input.u32()?;
                // Not reserved ahead: the count is only a claim.
                let mut elements = Vec::new();
                for _ in 0..count {
                    elements.push(self.value(depth + 1)?);
                }
                Value::StrictArray(elements)
            }
            marker::DATE => Value::Date { unix_ms: self.input.f64()?, zone: self.input.i16()? },
            marker::LONG_STRING => Value::String(self.long_text()?),
            marker::UNSUPPORTED => Value::Unsupported,
            marker::XML => Value::Xml(self.long_text()?),
            marker::TYPED_OBJECT => {
                let class = self.short_text()?;
                Value::TypedObject { class, fields: self.fields(depth, false)? }
            }
            _ => return Err(AmfError::Marker { marker, offset }),
        })
    }

    fn fields(&mut self, depth: usize, end_may_lack: bool) -> Result<Vec<(String, Value)>, AmfError> {
        let mut fields = Vec::new();
        loop {
            if end_may_lack && self.input.is_empty() {
                return Ok(fields);
            }
            let name = self.short_text()?;
            if name.is_empty() && self.input.rest().first() == Some(&marker::OBJECT_END) {
                self.input.u8()?;
                return Ok(fields);
            }
            fields.push((name, self.value(depth + 1)?));
        }
    }

    fn short_text(&mut self) -> Result<String, AmfError> {
        let len = usize::from(self.input.u16()?);
        self.budget.text(self.input.string(len)?)
    }

    fn long_text(&mut self) -> Result<String, AmfError> {
        let len = usize::try_from(self.input.u32()?).unwrap_or(usize::MAX);
        self.budget.text(self.input.string(len)?)
    }
}

/// Appends `value`. Strings above 65 535 bytes become long strings; names of fields and classes, which
/// have no long form, are cut there.
pub fn encode(value: &Value, out: &mut BytesMut) {
    match value {
        Value::Number(number) => {
            out.put_u8(marker::NUMBER);
            out.put_f64(*number);
        }
        Value::Boolean(truth) => {
            out.put_u8(marker::BOOLEAN);
            out.put_u8(u8::from(*truth));
        }
        Value::String(text) => encode_string(text, out),
        Value::Object(fields) => {
            out.put_u8(marker::OBJECT);
            encode_fields(fields, out);
        }
        Value::Null => out.put_u8(marker::NULL),
        Value::Undefined => out.put_u8(marker::UNDEFINED),
        Value::Reference(index) => {
            out.put_u8(marker::REFERENCE);
            out.put_u16(*index);
        }
        Value::EcmaArray(fields) => {
            out.put_u8(marker::ECMA_ARRAY);
            out.put_u32(u32::try_from(fields.len()).unwrap_or(u32::MAX));
            encode_fields(fields, out);
        }
        Value::StrictArray(elements) => {
            out.put_u8(marker::STRICT_ARRAY);
            let count = u32::try_from(elements.len()).unwrap_or(u32::MAX);
            out.put_u32(count);
            for element in elements {
                encode(element, out);
            }
        }
        Value::Date { unix_ms, zone } => {
            out.put_u8(marker::DATE);
            out.put_f64(*unix_ms);
            out.put_i16(*zone);
        }
        Value::Xml(text) => {
            out.put_u8(marker::XML);
            put_long_text(text, out);
        }
        Value::TypedObject { class, fields } => {
            out.put_u8(marker::TYPED_OBJECT);
            put_short_text(class, out);
            encode_fields(fields, out);
        }
        Value::Unsupported => out.put_u8(marker::UNSUPPORTED),
    }
}

/// The bytes of `values`, one after another.
#[must_use]
pub fn encode_all<'v>(values: impl IntoIterator<Item = &'v Value>) -> BytesMut {
    let mut out = BytesMut::new();
    for value in values {
        encode(value, &mut out);
    }
    out
}

fn encode_string(text: &str, out: &mut BytesMut) {
    if text.len() > usize::from(u16::MAX) {
        out.put_u8(marker::LONG_STRING);
        put_long_text(text, out);
    } else {
        out.put_u8(marker::STRING);
        put_short_text(text, out);
    }
}

fn encode_fields(fields: &[(String, Value)], out: &mut BytesMut) {
    for (name, value) in fields {
        put_short_text(name, out);
        encode(value, out);
    }
    out.put_u16(0);
    out.put_u8(marker::OBJECT_END);
}

fn put_short_text(text: &str, out: &mut BytesMut) {
    let text = cut(text, usize::from(u16::MAX));
    out.put_u16(u16::try_from(text.len()).unwrap_or(u16::MAX));
    out.put_slice(text.as_bytes());
}

fn put_long_text(text: &str, out: &mut BytesMut) {
    let text = cut(text, usize::try_from(u32::MAX).unwrap_or(usize::MAX));
    out.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
    out.put_slice(text.as_bytes());
}

/// The longest beginning of `text` that has at most `max` bytes and cuts no character.
fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes_of(value: &Value) -> Vec<u8> {
        encode_all([value]).to_vec()
    }

    fn nested(depth: usize) -> Vec<u8> {
        // Strict arrays of one element, a null at the bottom.
        let mut bytes = [0x0a, 0, 0, 0, 1].repeat(depth - 1);
        bytes.push(0x05);
        bytes
    }

    #[test]
    fn decodes_a_connect_command() {
        // "connect", 1, {app: "live", audioCodecs: 3575}
        let bytes = b"\x02\x00\x07connect\x00\x3f\xf0\0\0\0\0\0\0\x03\x00\x03app\x02\x00\x04live\
            \x00\x0baudioCodecs\x00\x40\xab\xee\0\0\0\0\0\0\0\x09";
        let values = decode_all(bytes).unwrap();
        assert_eq!(values[0].as_str(), Some("connect"));
        assert_eq!(values[1].as_f64(), Some(1.0));
        assert_eq!(values[2].get("app").and_then(Value::as_str), Some("live"));
        assert_eq!(values[2].get("audioCodecs").and_then(Value::as_f64), Some(3575.0));
        assert_eq!(encode_all(&values), &bytes[..]);
    }

    #[test]
    fn decode_moves_behind_the_value_and_only_then() {
        let bytes = [0x05, 0x01, 0x01, 0x02, 0x00];
        let mut input = &bytes[..];
        assert_eq!(decode(&mut input), Ok(Value::Null));
        assert_eq!(decode(&mut input), Ok(Value::Boolean(true)));
        assert_eq!(input.len(), 2);
        assert_eq!(decode(&mut input), Err(AmfError::Truncated { offset: 2 }));
        assert_eq!(input.len(), 2);
    }

    #[test]
    fn the_count_of_an_ecma_array_is_not_believed() {
        for count in [0u32, 1, 7, u32::MAX] {
            let mut bytes = vec![0x08];
            bytes.extend(count.to_be_bytes());
            bytes.extend(b"\x00\x01a\x05\x00\x01b\x06\x00\x00\x09");
            let fields = vec![("a".to_owned(), Value::Null), ("b".to_owned(), Value::Undefined)];
            assert_eq!(decode_all(&bytes), Ok(vec![Value::EcmaArray(fields)]), "{count}");
        }
    }

    #[test]
    fn an_ecma_array_may_end_with_the_message_and_an_object_may_not() {
        let array = b"\x08\0\0\0\x01\x00\x01a\x05";
        assert_eq!(decode_all(array), Ok(vec![Value::EcmaArray(vec![("a".to_owned(), Value::Null)])]));
        // Only between two fields.
        assert!(matches!(decode_all(b"\x08\0\0\0\x01\x00\x01a"), Err(AmfError::Truncated { .. })));
        assert_eq!(decode_all(b"\x03\x00\x01a\x05"), Err(AmfError::Truncated { offset: 5 }));
    }

    #[test]
    fn an_empty_name_is_a_name_unless_the_end_marker_follows() {
        let object = Value::Object(vec![(String::new(), Value::Null), ("z".to_owned(), Value::Null)]);
        assert_eq!(decode_all(&bytes_of(&object)), Ok(vec![object]));
    }

    #[test]
    fn reserved_markers_are_refused_where_they_stand() {
        for marker in [0x04, 0x09, 0x0e, 0x12, 0xff] {
            assert_eq!(decode_all(&[0x05, marker]), Err(AmfError::Marker { marker, offset: 1 }));
        }
    }

    #[test]
    fn nesting_at_its_limit() {
        assert!(decode_all(&nested(MAX_AMF_DEPTH)).is_ok());
        assert_eq!(decode_all(&nested(MAX_AMF_DEPTH + 1)), Err(AmfError::TooDeep { max: MAX_AMF_DEPTH }));
        // Far past the limit: neither stack nor time is spent.
        assert!(decode_all(&nested(1_000_000)).is_err());
        let objects = b"\x03\x00\x01a".repeat(100_000);
        assert_eq!(decode_all(&objects), Err(AmfError::TooDeep { max: MAX_AMF_DEPTH }));
    }

    #[test]
    fn values_at_their_limit() {
        assert_eq!(decode_all(&vec![0x05; MAX_AMF_VALUES]).map(|values| values.len()), Ok(MAX_AMF_VALUES));
        let error = Err(AmfError::TooManyValues { max: MAX_AMF_VALUES });
        assert_eq!(decode_all(&vec![0x05; MAX_AMF_VALUES + 1]), error);
        // A strict array that claims 2^32 - 1 elements allocates for those it has.
        assert_eq!(decode_all(b"\x0a\xff\xff\xff\xff\x05"), Err(AmfError::Truncated { offset: 6 }));
    }

    #[test]
    fn strings_at_their_limit() {
        let text = |len: usize| bytes_of(&Value::String("x".repeat(len)));
        assert!(decode_all(&text(MAX_AMF_STRING_BYTES)).is_ok());
        assert_eq!(
            decode_all(&text(MAX_AMF_STRING_BYTES + 1)),
            Err(AmfError::StringTooLong { len: MAX_AMF_STRING_BYTES + 1, max: MAX_AMF_STRING_BYTES })
        );
        // The claim is refused before any byte of it is awaited.
        assert!(matches!(decode_all(b"\x0c\xff\xff\xff\xff"), Err(AmfError::StringTooLong { .. })));
        let most = MAX_AMF_TEXT_BYTES / MAX_AMF_STRING_BYTES;
        let mut all = text(MAX_AMF_STRING_BYTES).repeat(most);
        assert!(decode_all(&all).is_ok());
        all.extend(text(1));
        assert_eq!(decode_all(&all), Err(AmfError::TooMuchText { max: MAX_AMF_TEXT_BYTES }));
    }

    #[test]
    fn invalid_utf8_is_replaced_and_paid_for_as_replaced() {
        assert_eq!(decode_all(b"\x02\x00\x03a\xe9b"), Ok(vec![Value::from("a\u{fffd}b")]));
        let mut latin = vec![0x0c];
        latin.extend(u32::try_from(MAX_AMF_STRING_BYTES).unwrap().to_be_bytes());
        latin.extend(vec![0xe9; MAX_AMF_STRING_BYTES]);
        assert!(decode_all(&latin).is_ok());
        assert_eq!(decode_all(&latin.repeat(2)), Err(AmfError::TooMuchText { max: MAX_AMF_TEXT_BYTES }));
    }

    #[test]
    fn long_texts_take_the_long_form_and_long_names_are_cut_between_characters() {
        assert_eq!(bytes_of(&Value::String("x".repeat(65_535)))[0], 0x02);
        assert_eq!(bytes_of(&Value::String("x".repeat(65_536)))[0], 0x0c);
        let name = "\u{fffd}".repeat(30_000);
        let value = Value::Object(vec![(name, Value::Null)]);
        let Value::Object(fields) = decode_all(&bytes_of(&value)).unwrap().remove(0) else { panic!() };
        assert_eq!(fields[0].0, "\u{fffd}".repeat(21_845));
    }

    #[test]
    fn a_selector_may_stand_before_the_values_of_an_amf3_message() {
        let expected = Ok(vec![Value::from("a"), Value::from(5.0)]);
        assert_eq!(decode_all_selected(b"\x00\x02\x00\x01a\x11\x04\x05"), expected);
        assert_eq!(decode_all_selected(b"\x02\x00\x01a\x11\x04\x05"), expected);
    }

    fn any_text() -> impl Strategy<Value = String> {
        "\\PC{0,12}"
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<f64>().prop_filter("NaN is not equal to itself", |n| !n.is_nan()).prop_map(Value::Number),
            any::<bool>().prop_map(Value::Boolean),
            any_text().prop_map(Value::String),
            Just(Value::Null),
            Just(Value::Undefined),
            Just(Value::Unsupported),
            any::<u16>().prop_map(Value::Reference),
            (-1e15..1e15f64, any::<i16>()).prop_map(|(unix_ms, zone)| Value::Date { unix_ms, zone }),
            any_text().prop_map(Value::Xml),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            let fields = || proptest::collection::vec((any_text(), inner.clone()), 0..6);
            prop_oneof![
                fields().prop_map(Value::Object),
                fields().prop_map(Value::EcmaArray),
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::StrictArray),
                (any_text(), fields()).prop_map(|(class, fields)| Value::TypedObject { class, fields }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(values in proptest::collection::vec(any_value(), 0..5)) {
            let bytes = encode_all(&values);
            prop_assert_eq!(decode_all(&bytes), Ok(values));
        }

        #[test]
        fn every_beginning_of_an_object_is_incomplete(value in any_value()) {
            let bytes = encode_all([&Value::Object(vec![("v".to_owned(), value)])]);
            for len in 1..bytes.len() {
                let error = decode_all(&bytes[..len]);
                prop_assert_eq!(error, Err(AmfError::Truncated { offset: len }));
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode_all(&bytes);
            let _ = decode_all_selected(&bytes);
        }

        #[test]
        fn no_bytes_of_likely_markers_panic(
            bytes in proptest::collection::vec(prop_oneof![0u8..0x13, any::<u8>()], 0..400),
        ) {
            let _ = decode_all(&bytes);
        }
    }
}
