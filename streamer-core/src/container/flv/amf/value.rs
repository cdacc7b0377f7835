//! One AMF value, whichever of the two formats it came in.

/// A value of AMF 0 (AMF 0 specification 2). AMF 3 values are converted into these.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Number (2.2): the only kind of number there is.
    Number(f64),
    /// Boolean (2.3).
    Boolean(bool),
    /// String (2.4) or long string (2.14).
    String(String),
    /// Anonymous object (2.5): names and values in the order given.
    Object(Vec<(String, Value)>),
    /// Null (2.7).
    Null,
    /// Undefined (2.8).
    Undefined,
    /// Reference (2.9) to an earlier object of the same message, by its ordinal. Not resolved.
    Reference(u16),
    /// ECMA array (2.10): names and values in the order given.
    EcmaArray(Vec<(String, Value)>),
    /// Strict array (2.12).
    StrictArray(Vec<Value>),
    /// Date (2.13).
    Date {
        /// Milliseconds since the Unix epoch, UTC.
        unix_ms: f64,
        /// Time zone; reserved, should be 0.
        zone: i16,
    },
    /// XML document (2.17).
    Xml(String),
    /// Object of a named class (2.18).
    TypedObject {
        /// Name of the class.
        class: String,
        /// Names and values in the order given.
        fields: Vec<(String, Value)>,
    },
    /// Unsupported (2.15): what the sender could not serialise.
    Unsupported,
}

impl Value {
    /// The text of a string or XML document.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) | Self::Xml(text) => Some(text),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The truth value.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(truth) => Some(*truth),
            _ => None,
        }
    }

    /// Names and values of an object, typed object or ECMA array.
    #[must_use]
    pub fn fields(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::Object(fields) | Self::EcmaArray(fields) | Self::TypedObject { fields, .. } => Some(fields),
            _ => None,
        }
    }

    /// The first value named `name` of an object, typed object or ECMA array.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.fields()?.iter().find(|(held, _)| held == name).map(|(_, value)| value)
    }

    /// The elements of a strict array.
    #[must_use]
    pub fn elements(&self) -> Option<&[Self]> {
        match self {
            Self::StrictArray(elements) => Some(elements),
            _ => None,
        }
    }

    /// Whether this is null or undefined.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        matches!(self, Self::Null | Self::Undefined)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn getters_answer_for_their_own_kind_only() {
        let fields = vec![("a".to_owned(), Value::from(1.0)), ("a".to_owned(), Value::from(2.0))];
        for value in [
            Value::Object(fields.clone()),
            Value::EcmaArray(fields.clone()),
            Value::TypedObject { class: "c".to_owned(), fields },
        ] {
            assert_eq!(value.get("a").and_then(Value::as_f64), Some(1.0));
            assert_eq!(value.get("b"), None);
            assert_eq!(value.as_str(), None);
            assert_eq!(value.elements(), None);
        }
        assert_eq!(Value::Xml("<a/>".to_owned()).as_str(), Some("<a/>"));
        assert_eq!(Value::from(true).as_bool(), Some(true));
        assert_eq!(Value::from("1").as_f64(), None);
        assert!(
            Value::Null.is_nothing() && Value::Undefined.is_nothing() && !Value::from(false).is_nothing()
        );
    }
}
