//! Finds the line on which the value at a path stands.
//!
//! Checks across fields run on the typed configuration, which knows no lines. The text is then read once
//! more, along the path only, up to the value in question.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::path::{FieldPath, Segment};

/// Line and column (from 1) of the value at `path`, or of the deepest value on the way that is there.
pub(crate) fn locate(text: &str, path: &FieldPath) -> (usize, usize) {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    match (Walk { rest: &path.0 }).deserialize(&mut deserializer) {
        Ok(()) => (1, 1),
        Err(error) => (error.line(), error.column()),
    }
}

/// Walks `rest` and then fails on purpose: the error knows its place.
struct Walk<'a> {
    rest: &'a [Segment],
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

const FOUND: &str = "found";

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((Segment::Key(wanted), rest)) = self.rest.split_first() else {
            return Err(A::Error::custom(FOUND));
        };
        while let Some(key) = map.next_key::<String>()? {
            if key == *wanted {
                return map.next_value_seed(Walk { rest });
            }
            map.next_value::<IgnoredAny>()?;
        }
        Err(A::Error::custom(FOUND))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some((Segment::Index(wanted), rest)) = self.rest.split_first() else {
            return Err(A::Error::custom(FOUND));
        };
        for _ in 0..*wanted {
            if seq.next_element::<IgnoredAny>()?.is_none() {
                return Err(A::Error::custom(FOUND));
            }
        }
        seq.next_element_seed(Walk { rest })?;
        Err(A::Error::custom(FOUND))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Err(E::custom(FOUND))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Err(E::custom(FOUND))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Err(E::custom(FOUND))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Err(E::custom(FOUND))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Err(E::custom(FOUND))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Err(E::custom(FOUND))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "{\n  \"a\": 1,\n  \"list\": [\n    {\"x\": true},\n    {\n      \"y\": \"z\"\n    }\n  ]\n}\n";

    #[test]
    fn values_are_found_on_their_lines() {
        let line = |path: FieldPath| locate(TEXT, &path).0;
        assert_eq!(line(FieldPath::field("a")), 2);
        assert_eq!(line(FieldPath::field("list").index(0).key("x")), 4);
        assert_eq!(line(FieldPath::field("list").index(1).key("y")), 6);
    }

    #[test]
    fn what_is_missing_leads_to_the_end_of_what_holds_it() {
        assert_eq!(locate(TEXT, &FieldPath::field("list").index(0).key("absent")).0, 4);
        assert_eq!(locate(TEXT, &FieldPath::field("absent")).0, 9);
    }
}
