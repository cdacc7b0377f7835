//! An address of loopback that no other test uses, so that a daemon which comes back has its ports still.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process;

use crate::Outcome;

/// The port whose owner has the address.
const CLAIM_PORT: u16 = 20_000;
/// Addresses that are tried: more than tests run at once.
const TRIES: u32 = 1_000;

/// An address, until it is dropped. Its ports below those that the system gives out are the tests' alone.
#[derive(Debug)]
pub struct Place {
    address: Ipv4Addr,
    _claim: UdpSocket,
}

impl Place {
    /// Takes the next one that is free.
    ///
    /// # Errors
    /// When the system has none.
    pub fn claim() -> Outcome<Self> {
        for number in process::id()..process::id().saturating_add(TRIES) {
            let [_, high, middle, low] = number.to_be_bytes();
            // 127.0.x.y and 127.255.x.y are left to others.
            let address = Ipv4Addr::new(127, high % 250 + 1, middle, low);
            if let Ok(claim) = UdpSocket::bind((address, CLAIM_PORT)) {
                return Ok(Self { address, _claim: claim });
            }
        }
        Err("no address of loopback is free".into())
    }

    /// The address itself.
    #[must_use]
    pub const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The port at which the tests have what users have at `documented`.
    #[must_use]
    pub fn port(&self, documented: u16) -> SocketAddr {
        (self.address, CLAIM_PORT + documented).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_have_one_address() {
        let places: Vec<_> = (0..3).map(|_| Place::claim().unwrap()).collect();
        let mut addresses: Vec<_> = places.iter().map(Place::address).collect();
        addresses.dedup();
        assert_eq!(addresses.len(), 3);
        assert_eq!(places[0].port(1935).port(), 21_935);
    }
}
