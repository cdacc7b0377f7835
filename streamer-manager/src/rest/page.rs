//! Pages of lists: a bounded number of entries in a stable order, and where the next page begins.

use serde::{Deserialize, Deserializer, de};
use utoipa::IntoParams;

use super::envelope::List;

/// Most entries of one page: some hundred kilobytes of streams.
pub const MAX_PAGE: usize = 1_000;
/// Entries of a page unless asked otherwise: what a person reads at once.
pub const DEFAULT_PAGE: usize = 100;
/// Longest cursor, in bytes: the longest name of anything, with its escapes.
pub const MAX_CURSOR_BYTES: usize = 1_100;
/// Longest text to look for, in bytes: the longest name of a stream with its application.
pub const MAX_TEXT_BYTES: usize = 200;

/// A number of entries, 1 to [`MAX_PAGE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit(pub(super) usize);

impl Limit {
    /// As a store is asked, to learn whether there is more.
    pub(super) fn one_more(self) -> u32 {
        u32::try_from(self.0 + 1).unwrap_or(u32::MAX)
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(DEFAULT_PAGE)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match usize::deserialize(deserializer)? {
            limit @ 1..=MAX_PAGE => Ok(Self(limit)),
            other => Err(de::Error::custom(format!("limit {other}: 1 to {MAX_PAGE} are allowed"))),
        }
    }
}

/// A text of a query, bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text<const MAX: usize>(pub(super) String);

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() > MAX {
            let message = format!("a text of {} bytes: at most {MAX} are allowed", text.len());
            return Err(de::Error::custom(message));
        }
        Ok(Self(text))
    }
}

/// Where a page begins.
pub(super) type Cursor = Text<MAX_CURSOR_BYTES>;
/// What to look for.
pub(super) type SearchText = Text<MAX_TEXT_BYTES>;

/// Which entries of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// Most entries of the page.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 1000, default = 100)]
    pub(super) limit: Limit,
    /// The `next` of the page before.
    #[param(value_type = Option<String>, max_length = 1100)]
    pub(super) after: Option<Cursor>,
    /// Only entries whose name holds this text, without regard to case.
    #[param(value_type = Option<String>, max_length = 200)]
    pub(super) text: Option<SearchText>,
}

/// Which entries of a list of which each belongs to an application.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamListParams {
    /// Most entries of the page.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 1000, default = 100)]
    pub(super) limit: Limit,
    /// The `next` of the page before.
    #[param(value_type = Option<String>, max_length = 1100)]
    pub(super) after: Option<Cursor>,
    /// Only entries whose name holds this text, without regard to case.
    #[param(value_type = Option<String>, max_length = 200)]
    pub(super) text: Option<SearchText>,
    /// Only entries of this application.
    #[param(value_type = Option<String>, max_length = 1100)]
    pub(super) app: Option<Cursor>,
    /// Only entries in this state.
    pub(super) state: Option<super::state::StreamState>,
}

/// A page of numbered entries, the newest first.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct NumberedParams {
    /// Most entries of the page.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 1000, default = 100)]
    pub(super) limit: Limit,
    /// The `next` of the page before.
    pub(super) after: Option<u64>,
}

/// Whether `name` holds `text`, without regard to the case of ASCII letters.
pub(super) fn holds(name: &str, text: Option<&SearchText>) -> bool {
    text.is_none_or(|text| name.to_ascii_lowercase().contains(&text.0.to_ascii_lowercase()))
}

/// The page of `entries` that `limit` and `after` ask for, in the order of their keys. Only its entries are `made`.
pub(super) fn paged<E, T>(
    mut entries: Vec<(String, E)>,
    limit: Limit,
    after: Option<&Cursor>,
    made: impl Fn(E) -> T,
) -> List<T> {
    entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let total = entries.len();
    let from = after.map_or(0, |after| entries.partition_point(|(key, _)| *key <= after.0));
    let more = total.saturating_sub(from) > limit.0;
    let mut next = None;
    let page = entries.into_iter().skip(from).take(limit.0);
    let list = page
        .map(|(key, entry)| {
            next = Some(key);
            made(entry)
        })
        .collect();
    List { list, total: Some(total), next: next.filter(|_| more), version: None }
}

/// The page of `rows`, of which one more than `limit` was asked for; `number` is what the next page begins after.
pub(super) fn numbered<R, T: From<R>>(mut rows: Vec<R>, limit: Limit, number: impl Fn(&R) -> u64) -> List<T> {
    let more = rows.len() > limit.0;
    rows.truncate(limit.0);
    let next = rows.last().filter(|_| more).map(|row| number(row).to_string());
    List { list: rows.into_iter().map(T::from).collect(), total: None, next, version: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn limits_of_a_page() {
        let read = |text: &str| serde_json::from_str::<Limit>(text);
        assert_eq!(read("1").unwrap(), Limit(1));
        assert_eq!(read(&MAX_PAGE.to_string()).unwrap(), Limit(MAX_PAGE));
        for wrong in ["0", "-1", &(MAX_PAGE + 1).to_string(), "\"x\""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_store_gives_one_more_than_the_largest_page() {
        use crate::store::accounts::MAX_AUDIT_PAGE;
        use crate::store::config::MAX_HISTORY_PAGE;
        use crate::store::deliveries::MAX_DELIVERY_PAGE;
        for most in [MAX_AUDIT_PAGE, MAX_HISTORY_PAGE, MAX_DELIVERY_PAGE] {
            assert_eq!(Limit(MAX_PAGE).one_more(), most);
        }
    }

    #[test]
    fn cursors_and_texts_at_their_limits() {
        let cursor = |len: usize| serde_json::from_str::<Cursor>(&format!("\"{}\"", "c".repeat(len)));
        assert!(cursor(MAX_CURSOR_BYTES).is_ok() && cursor(MAX_CURSOR_BYTES + 1).is_err());
        let text = |len: usize| serde_json::from_str::<SearchText>(&format!("\"{}\"", "c".repeat(len)));
        assert!(text(MAX_TEXT_BYTES).is_ok() && text(MAX_TEXT_BYTES + 1).is_err());
    }

    #[test]
    fn texts_are_found_without_regard_to_case() {
        let text = Text("AbC".into());
        assert!(holds("xxaBcxx", Some(&text)) && holds("anything", None) && !holds("ab", Some(&text)));
    }

    proptest! {
        #[test]
        fn pages_together_are_the_list(
            keys in proptest::collection::btree_set("[a-c/]{1,4}", 0..60),
            limit in 1_usize..20,
        ) {
            let entries: Vec<_> = keys.iter().rev().map(|key| (key.clone(), key.clone())).collect();
            let (mut all, mut after) = (Vec::new(), None);
            loop {
                let page = paged(entries.clone(), Limit(limit), after.as_ref(), |entry| entry);
                prop_assert_eq!(page.total, Some(keys.len()));
                prop_assert!(page.list.len() <= limit);
                all.extend(page.list);
                match page.next {
                    Some(next) => after = Some(Text(next)),
                    None => break,
                }
            }
            prop_assert_eq!(all, keys.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn a_page_of_numbers_knows_whether_there_is_more(count in 0_usize..40, limit in 1_usize..20) {
            let rows: Vec<u64> = (0..count as u64).rev().take(limit + 1).collect();
            let page: List<u64> = numbered(rows, Limit(limit), |row| *row);
            prop_assert_eq!(page.list.len(), count.min(limit));
            prop_assert_eq!(page.next.is_some(), count > limit);
        }
    }
}
