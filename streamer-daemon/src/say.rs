//! What a start says: labelled lines, and URLs under which this machine reaches a listener.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// Appends one line: `label`, `value` in its column, `note` behind it.
pub fn line(text: &mut String, label: &str, value: &str, note: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "  {label:<20} {value}{note}");
}

/// Appends the line of a listener, unless it is off.
pub fn listens(text: &mut String, name: &str, addresses: &[SocketAddr]) {
    if !addresses.is_empty() {
        let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        line(text, &format!("listens: {name}"), &list.join(", "), "");
    }
}

/// The beginning of a URL under which this machine reaches the first of `addresses`.
#[must_use]
pub fn url(scheme: &str, addresses: &[SocketAddr], default_port: u16) -> Option<String> {
    let address = addresses.first()?;
    let host = match address.ip() {
        ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    };
    let port = address.port();
    Some(if port == default_port {
        format!("{scheme}://{host}")
    } else {
        format!("{scheme}://{host}:{port}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_ports_and_addresses_are_named() {
        assert_eq!(url("rtmp", &["[::1]:1936".parse().unwrap()], 1935).unwrap(), "rtmp://[::1]:1936");
        assert_eq!(url("rtmp", &["0.0.0.0:1935".parse().unwrap()], 1935).unwrap(), "rtmp://127.0.0.1");
        assert_eq!(url("rtmp", &[], 1935), None);
    }

    #[test]
    fn a_listener_that_is_off_is_not_shown() {
        let mut text = String::new();
        listens(&mut text, "rtmps", &[]);
        assert_eq!(text, "");
        listens(&mut text, "rtmp", &["[::]:1935".parse().unwrap(), "0.0.0.0:1935".parse().unwrap()]);
        assert_eq!(text, "  listens: rtmp        [::]:1935, 0.0.0.0:1935\n");
    }
}
