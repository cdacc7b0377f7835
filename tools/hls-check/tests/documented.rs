//! The rule table of `docs/hls-check.md` is the one of the code.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

use hls_check::RULES;

#[test]
fn the_table_of_rules_is_the_code_s() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/hls-check.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, rules) = text.split_once("\n## Rules\n").unwrap();
    let documented: Vec<_> = rules.lines().filter(|line| line.starts_with("| `")).collect();
    let table: Vec<_> = RULES
        .iter()
        .map(|rule| format!("| `{}` | {} | {} | {} |", rule.id, rule.severity.word(), rule.clause, rule.what))
        .collect();
    assert_eq!(documented, table, "the table should be:\n{}", table.join("\n"));
}
