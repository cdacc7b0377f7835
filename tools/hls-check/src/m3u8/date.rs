//! ISO 8601 dates as they stand in EXT-X-PROGRAM-DATE-TIME.

use super::{Micros, SECOND};

/// Microseconds since 1970 of `YYYY-MM-DDThh:mm:ss[.fff][Z|±hh[:]mm]`; without a zone it is UTC.
pub(crate) fn parse_date(text: &str) -> Option<Micros> {
    let (date, time) = text.split_once('T')?;
    let mut parts = date.splitn(3, '-');
    let mut number = |digits: usize| -> Option<i64> {
        let part = parts.next()?;
        (part.len() == digits && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    let split = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at_checked(split)?;
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let (hour, rest) = whole.split_once(':')?;
    let (minute, second) = rest.split_once(':')?;
    let two = |text: &str, most: i64| -> Option<i64> {
        let value =
            (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?;
        value.filter(|value| *value <= most)
    };
    let (hour, minute, second) = (two(hour, 24)?, two(minute, 59)?, two(second, 60)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !fraction.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let offset = match zone.split_at_checked(1) {
        None | Some(("Z", "")) => 0,
        Some((sign @ ("+" | "-"), offset)) => {
            let (hours, minutes) = match offset.split_once(':') {
                Some(pair) => pair,
                None => offset.split_at_checked(2)?,
            };
            let minutes = two(hours, 23)? * 60 + if minutes.is_empty() { 0 } else { two(minutes, 59)? };
            if sign == "-" { -minutes } else { minutes }
        }
        Some(_) => return None,
    };
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute - offset) * 60 + second;
    Some(seconds * SECOND + micros)
}

/// Days from 1970-01-01 to that day of the proleptic Gregorian calendar; years of four digits only.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so the leap day is the last of a year.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_all_forms() {
        assert_eq!(parse_date("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse_date("2000-03-01T00:00:00.5"), Some(951_868_800_500_000));
        assert_eq!(parse_date("2010-02-19T14:54:23.031+08:00"), Some(1_266_562_463_031_000));
        assert_eq!(parse_date("2024-02-29T23:59:59-0130"), Some(1_709_256_599_000_000));
        for bad in [
            "",
            "2024",
            "2024-13-01T00:00:00Z",
            "2024-01-01 00:00:00",
            "2024-01-01T00:00:00X",
            "2024-01-01T0:00:00Z",
            "2024-01-01T00:00:00.é",
        ] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }
}
