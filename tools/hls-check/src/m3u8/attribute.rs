//! Attribute lists (clause 4.2).

use super::{ByteRange, Micros, Problem, brief, parse_seconds};
use crate::rule;

/// The attributes of one tag, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Attributes {
    tag: String,
    list: Vec<(String, Value)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Quoted(String),
    Bare(String),
}

impl Attributes {
    /// Reads the list of `tag`; what cannot be read is left out and named in `problems`.
    pub(crate) fn parse(tag: &str, text: &str, problems: &mut Vec<Problem>) -> Self {
        let mut attributes = Self { tag: tag.to_owned(), list: Vec::new() };
        let mut rest = text.trim_end();
        while !rest.is_empty() {
            let Some((name, after)) = rest.split_once('=') else {
                attributes.malformed(&format!("has {:?} without a value", brief(rest)), problems);
                break;
            };
            let (value, after) = if let Some(quoted) = after.strip_prefix('"') {
                let Some((value, after)) = quoted.split_once('"') else {
                    attributes.malformed(&format!("does not close the quotes of {}", brief(name)), problems);
                    break;
                };
                (Value::Quoted(value.to_owned()), after)
            } else {
                let end = after.find(',').unwrap_or(after.len());
                let (value, after) = after.split_at(end);
                (Value::Bare(value.to_owned()), after)
            };
            let legal = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-';
            if name.is_empty() || !name.bytes().all(legal) {
                attributes.malformed(&format!("has an attribute named {:?}", brief(name)), problems);
            }
            if attributes.list.iter().any(|(known, _)| known == name) {
                problems.push(Problem {
                    rule: rule::DUPLICATE_ATTRIBUTE,
                    message: format!("{tag} names {} twice", brief(name)),
                });
            } else {
                attributes.list.push((name.to_owned(), value));
            }
            rest = match after.strip_prefix(',') {
                Some(next) => next,
                None if after.is_empty() => "",
                None => {
                    attributes.malformed(&format!("goes on with {:?}", brief(after)), problems);
                    break;
                }
            };
        }
        attributes
    }

    fn malformed(&self, what: &str, problems: &mut Vec<Problem>) {
        problems.push(Problem { rule: rule::MALFORMED_TAG, message: format!("{} {what}", self.tag) });
    }

    fn find(&self, name: &str) -> Option<&Value> {
        self.list.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// A quoted string.
    pub(crate) fn quoted(&self, name: &str, problems: &mut Vec<Problem>) -> Option<String> {
        match self.find(name)? {
            Value::Quoted(value) => Some(value.clone()),
            Value::Bare(value) => {
                self.malformed(&format!("gives {name} without quotes"), problems);
                Some(value.clone())
            }
        }
    }

    /// A quoted string that must be there.
    pub(crate) fn required(&self, name: &str, problems: &mut Vec<Problem>) -> Option<String> {
        let value = self.quoted(name, problems);
        if value.is_none() {
            self.malformed(&format!("has no {name}"), problems);
        }
        value
    }

    /// An unquoted value.
    pub(crate) fn bare(&self, name: &str, problems: &mut Vec<Problem>) -> Option<&str> {
        match self.find(name)? {
            Value::Bare(value) => Some(value),
            Value::Quoted(value) => {
                self.malformed(&format!("gives {name} in quotes"), problems);
                Some(value)
            }
        }
    }

    /// An enumerated `YES`; `NO` where `no_too`, which some attributes define.
    pub(crate) fn yes(&self, name: &str, no_too: bool, problems: &mut Vec<Problem>) -> bool {
        let value = self.bare(name, problems).map(str::to_owned);
        match value.as_deref() {
            None => false,
            Some("YES") => true,
            Some("NO") if no_too => false,
            Some(value) => {
                self.malformed(&format!("has {name}={}", brief(value)), problems);
                false
            }
        }
    }

    pub(crate) fn integer(&self, name: &str, problems: &mut Vec<Problem>) -> Option<u64> {
        let value = self.bare(name, problems)?.to_owned();
        let number = value.parse().ok().filter(|_| value.bytes().all(|byte| byte.is_ascii_digit()));
        if number.is_none() {
            self.malformed(&format!("has {name}={}", brief(&value)), problems);
        }
        number
    }

    pub(crate) fn seconds(&self, name: &str, problems: &mut Vec<Problem>) -> Option<Micros> {
        let value = self.bare(name, problems)?.to_owned();
        let micros = parse_seconds(&value);
        if micros.is_none() {
            self.malformed(&format!("has {name}={}", brief(&value)), problems);
        }
        micros
    }

    /// A quoted byte range; where it gives no offset, it starts at `next`.
    pub(crate) fn range(
        &self,
        name: &str,
        next: Option<u64>,
        problems: &mut Vec<Problem>,
    ) -> Option<ByteRange> {
        let value = self.quoted(name, problems)?;
        let range = parse_range(&value, next);
        if range.is_none() {
            self.malformed(&format!("has {name}={:?}", brief(&value)), problems);
        }
        range
    }
}

/// `n[@o]`; without offset the range starts at `next`.
pub(super) fn parse_range(text: &str, next: Option<u64>) -> Option<ByteRange> {
    let (length, start) = match text.split_once('@') {
        Some((length, start)) => (length, start.parse().ok()?),
        None => (text, next?),
    };
    let length: u64 = length.parse().ok()?;
    start.checked_add(length).map(|_| ByteRange { start, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_may_hold_commas_and_equal_signs() {
        let mut problems = Vec::new();
        let list = Attributes::parse("T", r#"URI="a,b=c",DURATION=1.5,INDEPENDENT=YES"#, &mut problems);
        assert_eq!(list.quoted("URI", &mut problems).as_deref(), Some("a,b=c"));
        assert_eq!(list.seconds("DURATION", &mut problems), Some(1_500_000));
        assert!(list.yes("INDEPENDENT", false, &mut problems));
        assert_eq!(problems, []);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for text in ["A", "A=\"x", "a=1", "A=\"x\"B=1", "=1"] {
            let mut problems = Vec::new();
            Attributes::parse("T", text, &mut problems);
            assert_eq!(problems.first().map(|problem| problem.rule), Some(rule::MALFORMED_TAG), "{text}");
        }
        let mut problems = Vec::new();
        Attributes::parse("T", "A=1,A=2", &mut problems);
        assert_eq!(problems.first().map(|problem| problem.rule), Some(rule::DUPLICATE_ATTRIBUTE));
    }

    #[test]
    fn a_range_goes_on_where_the_last_one_ended() {
        assert_eq!(parse_range("10@5", None), Some(ByteRange { start: 5, length: 10 }));
        assert_eq!(parse_range("10", Some(15)), Some(ByteRange { start: 15, length: 10 }));
        assert_eq!(parse_range("10", None), None);
        assert_eq!(parse_range("2@18446744073709551615", None), None);
    }
}
