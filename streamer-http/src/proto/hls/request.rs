//! The query of a request for a playlist or for media: delivery directives (second edition, 6.2.5),
//! time-shift, and the pass.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::delta::Skip;
use super::window::Window;

/// How far past the newest segment a blocking reload may ask (second edition, 6.2.5.2).
pub const MAX_SEGMENTS_AHEAD: u64 = 2;
/// Longest time-shift that can be asked for: a week, longer than anyone keeps live streams.
pub const MAX_SHIFT: Duration = Duration::from_secs(7 * 24 * 3_600);

/// A parameter that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum QueryError {
    /// No decimal number, or too large a one.
    #[error("{parameter} is no number in its range")]
    Number {
        /// The parameter.
        parameter: &'static str,
    },
    /// `_HLS_skip` is neither `YES` nor `v2`.
    #[error("_HLS_skip is either YES or v2")]
    Skip,
    /// `_HLS_part` without `_HLS_msn`.
    #[error("_HLS_part needs _HLS_msn")]
    PartAlone,
    /// A parameter stands there twice.
    #[error("{parameter} is given twice")]
    Twice {
        /// The parameter.
        parameter: &'static str,
    },
    /// `pass` is not one of ours.
    #[error("pass is malformed")]
    Pass,
}

/// What lets a viewer in again who was let in once: 128 random bits, 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pass(pub u128);

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Pass {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let plain = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let value = u128::from_str_radix(text, 16).ok().filter(|_| plain);
        value.map(Self).ok_or(QueryError::Pass)
    }
}

/// What a blocking reload waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reload {
    /// Media sequence number.
    pub msn: u64,
    /// A part of that segment, or the whole of it.
    pub part: Option<u32>,
}

impl Reload {
    /// Whether `window` is so far from this that waiting is no use: more than [`MAX_SEGMENTS_AHEAD`] segments, or
    /// more parts than three seconds have, counted from the newest of its segment.
    #[must_use]
    pub fn too_far_ahead(self, window: &Window) -> bool {
        let Some((newest, newest_part)) = window.last() else {
            return self.msn > window.first_msn.saturating_add(MAX_SEGMENTS_AHEAD);
        };
        if self.msn > newest.saturating_add(MAX_SEGMENTS_AHEAD) {
            return true;
        }
        match (self.part, newest_part, window.part_target) {
            (Some(part), Some(newest_part), Some(target)) if self.msn >= newest => {
                let per_three_seconds = 3_000_u128.div_ceil(target.as_millis().clamp(1, 1_000));
                let there = if self.msn == newest { newest_part } else { 0 };
                u128::from(part) > u128::from(there) + per_three_seconds
            }
            _ => false,
        }
    }
}

/// The query of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// `_HLS_msn` and `_HLS_part`.
    pub reload: Option<Reload>,
    /// `_HLS_skip`.
    pub skip: Option<Skip>,
    /// `shifttime`, whole seconds; zero is no shift.
    pub shift: Option<Duration>,
    /// `pass`.
    pub pass: Option<Pass>,
    /// Whether there is anything else, which is for the authorizer.
    pub credentials: bool,
}

impl Query {
    /// Reads `query`, which stands behind the question mark of a URL.
    ///
    /// # Errors
    /// [`QueryError`] for any parameter of ours that is not as it should be.
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        let mut read = Self::default();
        let (mut msn, mut part) = (None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "_HLS_msn" => once(&mut msn, "_HLS_msn", number("_HLS_msn", value)?)?,
                "_HLS_part" => once(&mut part, "_HLS_part", number("_HLS_part", value)?)?,
                "_HLS_skip" => once(&mut read.skip, "_HLS_skip", skip(value)?)?,
                "shifttime" => {
                    let shift = Duration::from_secs(number("shifttime", value)?);
                    if shift > MAX_SHIFT {
                        return Err(QueryError::Number { parameter: "shifttime" });
                    }
                    once(&mut read.shift, "shifttime", shift)?;
                }
                "pass" => once(&mut read.pass, "pass", value.parse()?)?,
                _ => read.credentials |= is_credential(pair),
            }
        }
        read.shift = read.shift.filter(|shift| !shift.is_zero());
        read.reload = match (msn, part) {
            (Some(msn), part) => Some(Reload { msn, part }),
            (None, Some(_)) => return Err(QueryError::PartAlone),
            (None, None) => None,
        };
        Ok(read)
    }
}

/// What of `query` is not ours and so for the authorizer, in the order it came.
#[must_use]
pub fn credentials(query: &str) -> String {
    let credentials: Vec<&str> = query.split('&').filter(|pair| is_credential(pair)).collect();
    credentials.join("&")
}

fn is_credential(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or(pair);
    // What begins like a directive is one; those that are not known are passed over (6.2.5).
    !(pair.is_empty() || name.starts_with("_HLS_") || matches!(name, "shifttime" | "pass"))
}

fn once<T>(held: &mut Option<T>, parameter: &'static str, value: T) -> Result<(), QueryError> {
    match held.replace(value) {
        None => Ok(()),
        Some(_) => Err(QueryError::Twice { parameter }),
    }
}

fn number<N: FromStr>(parameter: &'static str, value: &str) -> Result<N, QueryError> {
    let plain = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|_| plain).ok_or(QueryError::Number { parameter })
}

fn skip(value: &str) -> Result<Skip, QueryError> {
    match value {
        "YES" => Ok(Skip::Segments),
        "v2" => Ok(Skip::SegmentsAndDateRanges),
        _ => Err(QueryError::Skip),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sample::{window, with_part};
    use super::*;

    #[test]
    fn directives_are_read_strictly() {
        let read = Query::parse("_HLS_msn=12&_HLS_part=3&_HLS_skip=v2&shifttime=60").unwrap();
        assert_eq!(read.reload, Some(Reload { msn: 12, part: Some(3) }));
        assert_eq!(
            (read.skip, read.shift),
            (Some(Skip::SegmentsAndDateRanges), Some(Duration::from_secs(60)))
        );
        assert_eq!(Query::parse("_HLS_skip=YES").unwrap().skip, Some(Skip::Segments));
        for bad in ["", "x", "-1", "+1", "1.5", "18446744073709551616", " 1"] {
            let query = format!("_HLS_msn={bad}");
            assert_eq!(Query::parse(&query), Err(QueryError::Number { parameter: "_HLS_msn" }), "{bad}");
        }
        assert_eq!(Query::parse("_HLS_part=0"), Err(QueryError::PartAlone));
        assert_eq!(Query::parse("_HLS_skip=yes"), Err(QueryError::Skip));
        assert_eq!(Query::parse("_HLS_msn=1&_HLS_msn=1"), Err(QueryError::Twice { parameter: "_HLS_msn" }));
        assert_eq!(Query::parse("shifttime=604800").unwrap().shift, Some(MAX_SHIFT));
        assert_eq!(Query::parse("shifttime=604801"), Err(QueryError::Number { parameter: "shifttime" }));
    }

    #[test]
    fn whatever_is_not_ours_is_for_the_authorizer() {
        assert!(!Query::parse("").unwrap().credentials);
        assert!(!Query::parse("_HLS_msn=1&_HLS_push=2&shifttime=0&").unwrap().credentials);
        assert!(Query::parse("token=abc").unwrap().credentials);
        assert!(Query::parse("_HLS_msn=1&x").unwrap().credentials);
        assert_eq!(credentials("a=1&_HLS_msn=1&b&shifttime=5&&pass=x"), "a=1&b");
    }

    #[test]
    fn a_pass_has_one_spelling() {
        let pass = Pass(0xab);
        assert_eq!(pass.to_string().parse(), Ok(pass));
        for bad in ["", "ab", &"A".repeat(32), &"+".repeat(32), &"0".repeat(33)] {
            assert_eq!(bad.parse::<Pass>(), Err(QueryError::Pass));
        }
    }

    #[test]
    fn nobody_waits_for_what_is_far_ahead() {
        let window = with_part(window(&[2_000; 4]));
        let far = |msn, part| Reload { msn, part }.too_far_ahead(&window);
        assert!(!far(6, None) && far(7, None) && far(u64::MAX, Some(0)));
        assert!(!far(4, Some(6)) && far(4, Some(7)), "six parts of half a second");
        assert!(!far(3, Some(1_000)), "what has passed is there");
        let empty = super::super::sample::window(&[]);
        assert!(!Reload { msn: 2, part: None }.too_far_ahead(&empty));
        assert!(Reload { msn: 3, part: None }.too_far_ahead(&empty));
    }

    proptest! {
        #[test]
        fn no_query_is_too_strange(query in ".*") {
            let _ = Query::parse(&query);
        }

        #[test]
        fn what_is_asked_is_read(msn in any::<u64>(), part in any::<u32>()) {
            let read = Query::parse(&format!("_HLS_part={part}&token=1&_HLS_msn={msn}")).unwrap();
            prop_assert_eq!(read.reload, Some(Reload { msn, part: Some(part) }));
        }
    }
}
