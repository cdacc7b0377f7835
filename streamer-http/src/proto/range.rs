//! Byte ranges of a body (RFC 9110, 14): a single one, or the whole.

use std::ops::Range;

use thiserror::Error;

/// No byte of the range is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the range begins past the end of {len_bytes} bytes")]
pub struct Unsatisfiable {
    /// Length of the whole.
    pub len_bytes: u64,
}

/// The bytes that a `Range` field asks for of `len_bytes`; `None` is the whole: for a field that is malformed, of
/// another unit or of several ranges, which a server may pass over (14.2).
///
/// # Errors
/// [`Unsatisfiable`]: the answer is 416.
pub fn byte_range(field: &str, len_bytes: u64) -> Result<Option<Range<u64>>, Unsatisfiable> {
    let Some((first, last)) = field.strip_prefix("bytes=").and_then(|set| set.trim().split_once('-')) else {
        return Ok(None);
    };
    if !first.bytes().chain(last.bytes()).all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if last < first => return Ok(None),
        (Some(first), last) => first..last.unwrap_or(u64::MAX).saturating_add(1).min(len_bytes),
        (None, Some(suffix)) => len_bytes.saturating_sub(suffix)..len_bytes,
        (None, None) => return Ok(None),
    };
    if range.is_empty() { Err(Unsatisfiable { len_bytes }) } else { Ok(Some(range)) }
}

/// The number that `digits` are; what is past 64 bits is past every end.
fn number(digits: &str) -> Option<u64> {
    (!digits.is_empty()).then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_range_of_any_form() {
        let range = |field| byte_range(field, 10);
        assert_eq!(range("bytes=0-3"), Ok(Some(0..4)));
        assert_eq!(range("bytes=4-"), Ok(Some(4..10)));
        assert_eq!(range("bytes=-3"), Ok(Some(7..10)));
        assert_eq!(range("bytes=-30"), Ok(Some(0..10)));
        assert_eq!(range("bytes=9-99999999999999999999999"), Ok(Some(9..10)));
        for past in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(range(past), Err(Unsatisfiable { len_bytes: 10 }), "{past}");
        }
        for whole in
            ["bytes=", "bytes=-", "bytes=3-2", "bytes=0-1,3-4", "bytes=a-b", "bytes=+1-2", "lines=1-2", ""]
        {
            assert_eq!(range(whole), Ok(None), "{whole}");
        }
    }

    proptest! {
        #[test]
        fn a_range_lies_within_the_whole(field in "(bytes=)?[0-9,-]{0,24}", len_bytes in any::<u64>()) {
            if let Ok(Some(range)) = byte_range(&field, len_bytes) {
                prop_assert!(range.start < range.end && range.end <= len_bytes);
            }
        }
    }
}
