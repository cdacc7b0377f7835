//! The few AMF 0 values a client writes and reads (AMF 0 specification, 2.2 to 2.7).

/// Appends a string.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(2);
    key(out, text);
}

/// Appends a number.
pub(super) fn number(out: &mut Vec<u8>, value: f64) {
    out.push(0);
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends a null.
pub(super) fn null(out: &mut Vec<u8>) {
    out.push(5);
}

/// The value of a property.
pub(super) enum Value<'a> {
    String(&'a str),
    Number(f64),
}

/// Appends an anonymous object.
pub(super) fn object(out: &mut Vec<u8>, properties: &[(&str, Value<'_>)]) {
    out.push(3);
    for (name, value) in properties {
        key(out, name);
        match value {
            Value::String(text) => string(out, text),
            Value::Number(value) => number(out, *value),
        }
    }
    out.extend_from_slice(&[0, 0, 9]);
}

fn key(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Reads a string and returns it with what follows.
pub(super) fn read_string(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (&[marker, high, low], rest) = bytes.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let (text, rest) = rest.split_at_checked(length)?;
    (marker == 2).then_some((std::str::from_utf8(text).ok()?, rest))
}

/// Reads a number and returns it with what follows.
pub(super) fn read_number(bytes: &[u8]) -> Option<(f64, &[u8])> {
    let (marker, rest) = bytes.split_first()?;
    let (value, rest) = rest.split_first_chunk()?;
    (*marker == 0).then_some((f64::from_be_bytes(*value), rest))
}
