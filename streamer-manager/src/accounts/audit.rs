//! The audit log: who did what, when, from where, and how it went.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Longest text of one field of the audit log, in bytes; what is longer is cut.
pub const MAX_AUDIT_TEXT_BYTES: usize = 512;

/// How something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was not allowed.
    Refused,
    /// It was allowed and could not be done.
    Failed,
}

impl Outcome {
    /// Its spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// The outcome called `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Done, Self::Refused, Self::Failed].into_iter().find(|outcome| outcome.as_str() == name)
    }
}

/// Something to be noted. Every text is kept as it is, whatever it holds: it is data of a stranger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When, Unix milliseconds.
    pub at_unix_ms: u64,
    /// Who: `user:name`, `token:name`, `system`, or the name that was tried.
    pub actor: String,
    /// From where.
    pub address: Option<IpAddr>,
    /// What: `login`, `POST /v1/app`.
    pub action: String,
    /// What it was done to.
    pub target: String,
    /// How it went.
    pub outcome: Outcome,
    /// Why, or what else is to be known.
    pub detail: String,
}

impl AuditEntry {
    /// The same with texts of at most [`MAX_AUDIT_TEXT_BYTES`].
    #[must_use]
    pub fn bounded(mut self) -> Self {
        for text in [&mut self.actor, &mut self.action, &mut self.target, &mut self.detail] {
            cut(text, MAX_AUDIT_TEXT_BYTES);
        }
        self
    }
}

/// Cuts `text` at the end of the last character that ends within `max_bytes`.
pub(crate) fn cut(text: &mut String, max_bytes: usize) {
    if text.len() > max_bytes {
        let end = (0..=max_bytes).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
    }
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Its number; later ones are larger.
    pub id: u64,
    /// What was noted.
    #[serde(flatten)]
    pub entry: AuditEntry,
}

/// Which entries to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only those before this number.
    pub before: Option<u64>,
    /// Only those of this actor.
    pub actor: Option<String>,
    /// Only those of this action.
    pub action: Option<String>,
    /// Only those with this outcome.
    pub outcome: Option<Outcome>,
    /// At most so many.
    pub limit: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_at_their_limit() {
        let cut = |text: String| {
            let entry = AuditEntry {
                at_unix_ms: 0,
                actor: text,
                address: None,
                action: String::new(),
                target: String::new(),
                outcome: Outcome::Done,
                detail: String::new(),
            };
            entry.bounded().actor.len()
        };
        assert_eq!(cut("a".repeat(MAX_AUDIT_TEXT_BYTES)), MAX_AUDIT_TEXT_BYTES);
        assert_eq!(cut("a".repeat(MAX_AUDIT_TEXT_BYTES + 1)), MAX_AUDIT_TEXT_BYTES);
        assert_eq!(cut(format!("{}é", "a".repeat(MAX_AUDIT_TEXT_BYTES - 1))), MAX_AUDIT_TEXT_BYTES - 1);
    }
}
