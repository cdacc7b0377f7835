//! Content codings that a client takes (RFC 9110, 12.5.3).

/// Whether a client that sent this `Accept-Encoding` takes gzip.
#[must_use]
pub fn accepts_gzip(field: &str) -> bool {
    let weight = |name: &str| {
        let item = field.split(',').find(|item| {
            item.split(';').next().is_some_and(|coding| coding.trim().eq_ignore_ascii_case(name))
        })?;
        let weight = item.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("q="));
        Some(weight.map_or(1.0, |weight| weight.trim().parse::<f32>().unwrap_or(0.0)))
    };
    weight("gzip").or_else(|| weight("*")).is_some_and(|weight| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for yes in ["gzip", "deflate, GZIP;q=0.5, br", "*", "br;q=1.0, *;q=0.1", "gzip;q=1"] {
            assert!(accepts_gzip(yes), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "*, gzip;q=0", "gzip;q=0.000", "identity", "gzipped", "gzip;q=x"] {
            assert!(!accepts_gzip(no), "{no}");
        }
    }
}
