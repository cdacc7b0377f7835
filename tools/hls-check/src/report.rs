//! What a run found: collected once each, as text and as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::check::Counts;
use crate::rule::{Finding, Severity};

/// Findings that are listed of one rule in one playlist; the others are counted.
pub const MAX_LISTED_PER_RULE: usize = 10;

/// A finding and when it was made, from the beginning of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What was found.
    pub finding: Finding,
    /// When.
    pub at: Duration,
}

impl Serialize for Listed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Listed", 6)?;
        fields.serialize_field("rule", self.finding.rule.id)?;
        fields.serialize_field("severity", &self.finding.rule.severity)?;
        fields.serialize_field("clause", self.finding.rule.clause)?;
        fields.serialize_field("playlist", &self.finding.playlist)?;
        fields.serialize_field("message", &self.finding.message)?;
        fields.serialize_field("at_ms", &u64::try_from(self.at.as_millis()).unwrap_or(u64::MAX))?;
        fields.end()
    }
}

/// What a run found.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The URL that was checked.
    pub url: String,
    /// How much was looked at.
    pub checked: Counts,
    /// Breaches of a MUST, listed or not.
    pub errors: u64,
    /// Breaches of a SHOULD, listed or not.
    pub warnings: u64,
    /// Breaches of rules that are allowed.
    pub allowed: u64,
    /// What was found, in order of time; [`MAX_LISTED_PER_RULE`] of each rule and playlist.
    pub findings: Vec<Listed>,
    /// What could not be checked, and why.
    pub notes: Vec<String>,
}

impl Report {
    /// No MUST was broken.
    pub fn passed(&self) -> bool {
        self.errors == 0
    }

    /// The ids of the rules that were broken.
    pub fn rules(&self) -> BTreeSet<&'static str> {
        self.findings.iter().map(|listed| listed.finding.rule.id).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Listed { finding, at } in &self.findings {
            let Finding { rule, playlist, message } = finding;
            let (id, clause, severity) = (rule.id, rule.clause, rule.severity.word());
            writeln!(f, "{severity}: {id} [{clause}] at {:.3} s: {message}", at.as_secs_f64())?;
            writeln!(f, "    {playlist}")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        let c = &self.checked;
        writeln!(
            f,
            "checked: {} renditions, {} playlist loads ({} blocking, {} deltas of which {} compared), {} rendition reports, \
             {} maps, {} segments ({} read, {} joined from parts), {} parts, {} hints, {} encrypted, {} bytes",
            c.renditions,
            c.playlists,
            c.blocking_reloads,
            c.delta_updates,
            c.deltas_compared,
            c.rendition_reports,
            c.maps,
            c.segments,
            c.segments_read,
            c.segments_joined,
            c.parts,
            c.hints,
            c.encrypted,
            c.media_bytes
        )?;
        let verdict = if self.passed() { "ok" } else { "FAILED" };
        write!(f, "{verdict}: {} errors, {} warnings", self.errors, self.warnings)?;
        if self.allowed > 0 {
            write!(f, ", {} allowed", self.allowed)?;
        }
        Ok(())
    }
}

/// Collects findings, each once.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    allow: Vec<String>,
    seen: BTreeSet<(&'static str, String, String)>,
    of_rule: BTreeMap<(&'static str, String), usize>,
    report: Report,
}

impl Collector {
    pub(crate) fn new(url: &str, allow: &[String]) -> Self {
        let report = Report { url: url.to_owned(), ..Report::default() };
        Self { allow: allow.to_vec(), report, ..Self::default() }
    }

    pub(crate) fn add(&mut self, findings: Vec<Finding>, at: Duration) {
        for finding in findings {
            let id = finding.rule.id;
            let count = self.of_rule.entry((id, finding.playlist.clone())).or_default();
            // What is wrong in a playlist is wrong in its next load too. Past the bound the texts are not kept.
            if *count < MAX_LISTED_PER_RULE
                && !self.seen.insert((id, finding.playlist.clone(), finding.message.clone()))
            {
                continue;
            }
            if self.allow.iter().any(|allowed| allowed == id) {
                self.report.allowed += 1;
                continue;
            }
            *count += 1;
            match finding.rule.severity {
                Severity::Error => self.report.errors += 1,
                Severity::Warning => self.report.warnings += 1,
            }
            if *count <= MAX_LISTED_PER_RULE {
                self.report.findings.push(Listed { finding, at });
            }
        }
    }

    pub(crate) fn finish(mut self, checked: Counts) -> Report {
        for ((rule, playlist), count) in &self.of_rule {
            if let Some(more) = count.checked_sub(MAX_LISTED_PER_RULE).filter(|more| *more > 0) {
                self.report.notes.push(format!("{more} more of {rule} in {playlist}"));
            }
        }
        if checked.encrypted > 0 {
            let count = checked.encrypted;
            self.report.notes.push(format!(
                "{count} segments and parts are encrypted as a whole: their media was not looked into, nor were they held \
                 against one another"
            ));
        }
        let unread = checked.segments.saturating_sub(checked.segments_read + checked.encrypted);
        if unread > 0 {
            self.report.notes.push(format!("{unread} segments carry no timestamps that can be read here"));
        }
        self.report.checked = checked;
        self.report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule;

    fn finding(number: usize) -> Finding {
        Finding { rule: rule::SEGMENT_CHANGED, playlist: "p".to_owned(), message: number.to_string() }
    }

    #[test]
    fn findings_are_listed_up_to_their_limit_and_counted_past_it() {
        let mut collector = Collector::new("u", &[]);
        collector.add((0..MAX_LISTED_PER_RULE).map(finding).collect(), Duration::ZERO);
        collector.add(vec![finding(0)], Duration::ZERO);
        collector.add(vec![finding(MAX_LISTED_PER_RULE + 1)], Duration::ZERO);
        let report = collector.finish(Counts::default());
        assert_eq!(report.findings.len(), MAX_LISTED_PER_RULE);
        assert!(report.errors > MAX_LISTED_PER_RULE as u64 && !report.passed());
        assert!(
            report.notes.iter().any(|note| note.contains("more of segment-changed")),
            "{:?}",
            report.notes
        );
    }

    #[test]
    fn the_same_finding_counts_once_and_allowed_ones_not_at_all() {
        let mut collector = Collector::new("u", &[]);
        collector.add(vec![finding(1), finding(1)], Duration::ZERO);
        assert_eq!(collector.finish(Counts::default()).errors, 1);
        let mut collector = Collector::new("u", &["segment-changed".to_owned()]);
        collector.add(vec![finding(1)], Duration::ZERO);
        let report = collector.finish(Counts::default());
        assert!(report.passed() && report.allowed == 1 && report.findings.is_empty());
    }

    #[test]
    fn json_names_rule_clause_and_values() {
        let mut collector = Collector::new("u", &[]);
        collector.add(vec![finding(1)], Duration::from_millis(1500));
        let json = serde_json::to_value(collector.finish(Counts::default())).unwrap();
        let first = &json["findings"][0];
        assert_eq!(
            (&first["rule"], &first["severity"], &first["at_ms"]),
            (&"segment-changed".into(), &"error".into(), &1500.into())
        );
    }
}
