//! Where a webhook may go: not to this machine or its link, unless the operator allows that network.
//!
//! The rule holds for the addresses a name resolves to, at the moment of connecting: a name that is looked up again
//! cannot lead elsewhere.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;
use url::{Host, Url};

/// Why a target is not called.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{address} is not an address that webhooks may be sent to: it is {what}; `webhooks.allowed_networks` in server.json can allow it"
)]
pub struct TargetRefused {
    /// The address.
    pub address: IpAddr,
    /// What it is.
    pub what: &'static str,
}

/// The rule, and the networks excepted from it.
#[derive(Clone, Debug, Default)]
pub struct TargetPolicy {
    allowed: Vec<IpNet>,
}

impl TargetPolicy {
    /// The rule, with `allowed` excepted from it.
    #[must_use]
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed }
    }

    /// Whether `address` may be called.
    ///
    /// # Errors
    /// [`TargetRefused`].
    pub fn check(&self, address: IpAddr) -> Result<(), TargetRefused> {
        let plain = plain(address);
        let what = match plain {
            _ if plain.is_unspecified() => "no host's",
            _ if plain.is_loopback() => "this machine's own",
            _ if plain.is_multicast() => "a group's",
            IpAddr::V4(v4) if v4.is_link_local() => "of this link alone",
            IpAddr::V4(v4) if v4.is_broadcast() || v4.octets()[0] == 0 => "no host's",
            IpAddr::V6(v6) if v6.is_unicast_link_local() => "of this link alone",
            _ => return Ok(()),
        };
        if self.allowed.iter().any(|network| network.contains(&plain) || network.contains(&address)) {
            return Ok(());
        }
        Err(TargetRefused { address, what })
    }

    /// Whether the host of `url` may be called as far as the URL alone tells: a name is decided on when it is resolved.
    ///
    /// # Errors
    /// [`TargetRefused`].
    pub fn check_url(&self, url: &Url) -> Result<(), TargetRefused> {
        match url.host() {
            Some(Host::Ipv4(address)) => self.check(address.into()),
            Some(Host::Ipv6(address)) => self.check(address.into()),
            Some(Host::Domain(_)) | None => Ok(()),
        }
    }
}

/// The IPv4 address that an IPv6 address carries (RFC 4291 2.5.5, RFC 6052 2.1, RFC 3056), or the address itself.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let carried = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        // `::` and `::1` are of IPv6 itself.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => carried(high, low),
        _ => address,
    }
}

/// Resolves names with the system's resolver and keeps the addresses that the rule allows.
#[derive(Clone, Debug)]
pub(super) struct GuardedResolver(pub(super) TargetPolicy);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let mut refused = None;
            let allowed: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| match policy.check(address.ip()) {
                    Ok(()) => true,
                    Err(error) => {
                        refused.get_or_insert(error);
                        false
                    }
                })
                .collect();
            match (allowed.is_empty(), refused) {
                (true, Some(error)) => Err(error.into()),
                (true, None) => {
                    Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address").into())
                }
                (false, _) => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(policy: &TargetPolicy, address: &str) -> bool {
        policy.check(address.parse().unwrap()).is_err()
    }

    #[test]
    fn this_machine_and_its_link_are_refused_in_every_spelling() {
        let policy = TargetPolicy::default();
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
        ] {
            assert!(refused(&policy, address), "{address}");
        }
        for address in
            ["93.184.216.34", "10.0.0.1", "192.168.1.1", "2606:2800:220::1", "fd00::1", "::ffff:8.8.8.8"]
        {
            assert!(!refused(&policy, address), "{address}");
        }
    }

    #[test]
    fn what_is_allowed_is_excepted_and_nothing_beside_it() {
        let policy = TargetPolicy::new(vec!["127.0.0.1/32".parse().unwrap(), "::1/128".parse().unwrap()]);
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(!refused(&policy, address), "{address}");
        }
        assert!(refused(&policy, "127.0.0.2"));
    }

    #[test]
    fn an_address_in_a_url_is_looked_at_however_it_is_written() {
        let policy = TargetPolicy::default();
        for url in [
            "http://127.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://[::1]:80/",
            "http://017700000001/",
        ] {
            assert!(policy.check_url(&Url::parse(url).unwrap()).is_err(), "{url}");
        }
        assert!(
            policy.check_url(&Url::parse("http://localhost/").unwrap()).is_ok(),
            "names are decided on later"
        );
    }

    #[tokio::test]
    async fn a_name_is_judged_by_its_addresses() {
        let resolve =
            |policy| async move { GuardedResolver(policy).resolve("localhost".parse().unwrap()).await };
        let error = resolve(TargetPolicy::default()).await.err().unwrap();
        assert!(error.to_string().contains("this machine's own"), "{error}");
        let loopback = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        assert!(resolve(TargetPolicy::new(loopback)).await.unwrap().count() > 0);
    }
}
