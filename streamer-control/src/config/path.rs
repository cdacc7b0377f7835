//! Where a value stands in a configuration file, and what is wrong with it.

use std::fmt;

/// A step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Key(String),
    Index(usize),
}

/// The way from the root of a file to a value, shown as `apps[0].app_name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldPath(pub(crate) Vec<Segment>);

impl FieldPath {
    /// The way to the field `name` of the root.
    #[must_use]
    pub fn field(name: &str) -> Self {
        Self::default().key(name)
    }

    /// On to the field `name`.
    #[must_use]
    pub fn key(mut self, name: &str) -> Self {
        self.0.push(Segment::Key(name.into()));
        self
    }

    /// On to the element at `index`.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Segment::Index(index));
        self
    }

    /// On along `rest`, a way from the value here.
    #[must_use]
    pub fn join(mut self, rest: Self) -> Self {
        self.0.extend(rest.0);
        self
    }

    /// A problem with the value there.
    #[must_use]
    pub fn problem(self, message: impl Into<String>) -> Problem {
        Problem { path: self, message: message.into() }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if position == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A value that reads well and cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands.
    pub path: FieldPath,
    /// One sentence.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.0.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_like_code() {
        let path = FieldPath::field("apps").index(0).key("publish_auth").key("shared_key");
        assert_eq!(path.to_string(), "apps[0].publish_auth.shared_key");
        assert_eq!(path.problem("is bad").to_string(), "apps[0].publish_auth.shared_key: is bad");
        assert_eq!(FieldPath::default().problem("is bad").to_string(), "is bad");
    }
}
