//! Lists of networks: who is let in by address alone.

use std::net::SocketAddr;

use ipnet::IpNet;
use streamer_control::config::AuthConfig;
use streamer_core::{Denied, DeniedKind};

/// Networks that are let in and networks that are not.
#[derive(Debug)]
pub(super) struct AddressRule {
    allow: Vec<IpNet>,
    deny: Vec<IpNet>,
}

impl AddressRule {
    pub(super) fn of(config: &AuthConfig) -> Self {
        Self { allow: config.allow.clone(), deny: config.deny.clone() }
    }

    /// Whether `peer` is let in. Who has no address is on no list. An IPv4 address that came over an IPv6
    /// socket counts as what it is.
    pub(super) fn check(&self, peer: Option<SocketAddr>) -> Result<(), Denied> {
        let address = peer.map(|peer| peer.ip().to_canonical());
        let listed = |networks: &[IpNet]| {
            address.is_some_and(|address| networks.iter().any(|network| network.contains(&address)))
        };
        if listed(&self.deny) || !(self.allow.is_empty() || listed(&self.allow)) {
            return Err(Denied::new(DeniedKind::NotAllowed, "the address is not let in"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(allow: &[&str], deny: &[&str]) -> AddressRule {
        let networks = |list: &[&str]| list.iter().map(|network| network.parse().unwrap()).collect();
        AddressRule { allow: networks(allow), deny: networks(deny) }
    }

    #[test]
    fn deny_wins_and_an_empty_allow_lets_everybody() {
        let office = rule(&["10.0.0.0/8", "2001:db8::/32"], &["10.9.0.0/16"]);
        let open = rule(&[], &["10.9.0.0/16"]);
        for (address, by_office, by_open) in [
            ("10.1.2.3:1", true, true),
            ("10.9.2.3:1", false, false),
            ("11.1.2.3:1", false, true),
            ("[2001:db8::1]:1", true, true),
            ("[2001:db9::1]:1", false, true),
            ("[::ffff:10.1.2.3]:1", true, true),
            ("[::ffff:10.9.2.3]:1", false, false),
        ] {
            let peer = Some(address.parse().unwrap());
            assert_eq!(
                (office.check(peer).is_ok(), open.check(peer).is_ok()),
                (by_office, by_open),
                "{address}"
            );
        }
    }

    #[test]
    fn who_has_no_address_is_on_no_list() {
        assert!(rule(&["0.0.0.0/0", "::/0"], &[]).check(None).is_err());
        assert!(rule(&[], &["0.0.0.0/0"]).check(None).is_ok());
    }
}
