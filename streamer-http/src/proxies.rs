//! The proxies that are trusted: a list that can be exchanged while the port serves.

use std::sync::Arc;

use arc_swap::ArcSwap;
use ipnet::IpNet;

/// Networks of proxies whose word on the client's address is taken. Cloning clones a handle: what is set
/// reaches all clones.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<ArcSwap<Vec<IpNet>>>);

impl TrustedProxies {
    /// From now on these are trusted, and no others; requests that are being served keep what was found.
    pub fn set(&self, networks: Vec<IpNet>) {
        self.0.store(Arc::new(networks));
    }

    /// Those trusted now.
    #[must_use]
    pub fn get(&self) -> Arc<Vec<IpNet>> {
        self.0.load_full()
    }
}

impl From<Vec<IpNet>> for TrustedProxies {
    fn from(networks: Vec<IpNet>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(networks)))
    }
}

impl FromIterator<IpNet> for TrustedProxies {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        Self::from(networks.into_iter().collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_reaches_every_handle() {
        let network: IpNet = "10.0.0.0/8".parse().unwrap();
        let proxies: TrustedProxies = [network].into_iter().collect();
        let handle = proxies.clone();
        assert_eq!(*handle.get(), [network]);
        proxies.set(Vec::new());
        assert!(handle.get().is_empty());
    }
}
