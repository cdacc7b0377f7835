//! The client's address behind proxies: `X-Forwarded-For` and `Forwarded` (RFC 7239), believed only as far
//! as trusted proxies wrote them.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

/// Which field the trusted proxies write.
///
/// Only this one is read: a proxy that writes one of them passes the other on as the client sent it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`: addresses separated by commas.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of the client whose request came in from `peer`.
///
/// The field is read from its end: each address in it was written by the hop after it, so it is believed
/// as long as that hop is in `trusted`. What does not read as an address (`unknown`, `_hidden`, garbage)
/// ends the walk at the hop that wrote it. The port is 0 where the field does not say it.
#[must_use]
pub fn client_address(
    peer: SocketAddr,
    headers: &HeaderMap,
    trusted: &[IpNet],
    field: ProxyHeader,
) -> SocketAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut client = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    if !is_trusted(client.ip()) {
        return client;
    }
    let name = match field {
        ProxyHeader::XForwardedFor => X_FORWARDED_FOR,
        ProxyHeader::Forwarded => header::FORWARDED,
    };
    let lines: Vec<&str> = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or("")).collect();
    for element in lines.iter().rev().flat_map(|line| elements_from_end(line)) {
        let node = match field {
            ProxyHeader::XForwardedFor => Some(element),
            ProxyHeader::Forwarded => forwarded_for(element),
        };
        let Some(address) = node.and_then(parse_node) else { break };
        client = address;
        if !is_trusted(client.ip()) {
            break;
        }
    }
    client
}

/// The elements between the commas that stand outside quoted strings, last one first.
///
/// Read from the end: what the trusted proxies appended is well formed, and a quote that a client left open
/// before it must not swallow it.
fn elements_from_end(line: &str) -> Vec<&str> {
    let bytes = line.as_bytes();
    let (mut elements, mut end, mut quoted) = (Vec::new(), line.len(), false);
    for (index, byte) in bytes.iter().enumerate().rev() {
        match byte {
            b'"' if !escaped(bytes.get(..index).unwrap_or_default()) => quoted = !quoted,
            b',' if !quoted => {
                elements.extend(line.get(index + 1..end));
                end = index;
            }
            _ => {}
        }
    }
    elements.extend(line.get(..end));
    elements
}

/// Whether the byte behind `before` is escaped (RFC 9110, 5.6.4).
fn escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// The value of `for` in one element of `Forwarded`, without its quotes.
fn forwarded_for(element: &str) -> Option<&str> {
    element
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))
        .map(|(_, value)| value.trim().trim_matches('"'))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn parse_node(node: &str) -> Option<SocketAddr> {
    let node = node.trim();
    let bare = node.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(node);
    let address = match bare.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, 0),
        Err(_) => node.parse().ok()?,
    };
    Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn client(peer: &str, trusted: &[&str], field: ProxyHeader, lines: &[&str]) -> String {
        let name = match field {
            ProxyHeader::XForwardedFor => X_FORWARDED_FOR,
            ProxyHeader::Forwarded => header::FORWARDED,
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&name, line.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &trusted, field).to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let said = |peer, trusted| client(peer, trusted, ProxyHeader::XForwardedFor, &["192.0.2.7"]);
        assert_eq!(said("203.0.113.5:1000", &[]), "203.0.113.5:1000");
        assert_eq!(said("203.0.113.5:1000", &["10.0.0.0/8"]), "203.0.113.5:1000");
        assert_eq!(said("10.1.2.3:1000", &["10.0.0.0/8"]), "192.0.2.7:0");
        assert_eq!(said("[::ffff:10.1.2.3]:1000", &["10.0.0.0/8"]), "192.0.2.7:0");
    }

    #[test]
    fn the_walk_ends_at_the_first_hop_that_is_not_trusted() {
        let said = |lines| client("10.0.0.1:1", &["10.0.0.0/8"], ProxyHeader::XForwardedFor, lines);
        assert_eq!(said(&["1.1.1.1, 192.0.2.7, 10.0.0.9"]), "192.0.2.7:0");
        assert_eq!(said(&["1.1.1.1", "192.0.2.7", "10.0.0.9"]), "192.0.2.7:0");
        assert_eq!(said(&["10.0.0.3, 10.0.0.2"]), "10.0.0.3:0", "all trusted: the farthest");
        assert_eq!(said(&["1.1.1.1, nonsense, 10.0.0.9"]), "10.0.0.9:0");
        assert_eq!(said(&["1.1.1.1,"]), "10.0.0.1:1");
        assert_eq!(said(&["[2001:db8::1]:4711"]), "[2001:db8::1]:4711");
        assert_eq!(said(&["2001:db8::1"]), "[2001:db8::1]:0");
        assert_eq!(said(&[]), "10.0.0.1:1");
    }

    #[test]
    fn the_standard_field() {
        let said = |lines| client("10.0.0.1:1", &["10.0.0.0/8"], ProxyHeader::Forwarded, lines);
        assert_eq!(said(&["for=192.0.2.60;proto=http;by=203.0.113.43"]), "192.0.2.60:0");
        assert_eq!(said(&["proto=https; FOR=\"[2001:db8:cafe::17]:4711\""]), "[2001:db8:cafe::17]:4711");
        assert_eq!(said(&["for=1.1.1.1, for=\"192.0.2.9\", for=10.0.0.2"]), "192.0.2.9:0");
        assert_eq!(said(&["for=1.1.1.1;x=\"a,b\", for=192.0.2.9"]), "192.0.2.9:0");
        assert_eq!(said(&["for=1.1.1.1, for=unknown"]), "10.0.0.1:1");
        assert_eq!(said(&["for=1.1.1.1, for=_hidden, for=10.0.0.2"]), "10.0.0.2:0");
        assert_eq!(said(&["by=1.1.1.1"]), "10.0.0.1:1");
        assert_eq!(said(&["for=1.1.1.1;x=\", for=192.0.2.9"]), "192.0.2.9:0", "a quote left open");
    }

    proptest! {
        #[test]
        fn what_strangers_write_before_the_last_hop_never_matters(noise in "[ -~]{0,60}") {
            for (field, last) in [(ProxyHeader::XForwardedFor, "192.0.2.1"), (ProxyHeader::Forwarded, "for=192.0.2.1;host=\"a\\\"b,c\"")] {
                let line = format!("{noise},{last}");
                prop_assert_eq!(client("10.0.0.1:1", &["10.0.0.0/8"], field, &[&line]), "192.0.2.1:0");
            }
        }

        #[test]
        fn any_field_gives_an_address(line in "[ -~]{0,80}") {
            for field in [ProxyHeader::XForwardedFor, ProxyHeader::Forwarded] {
                client("10.0.0.1:1", &["10.0.0.0/8"], field, &[&line]);
            }
        }
    }
}
