//! How often a login may be tried: a token bucket for each address and each user name.

use std::collections::HashMap;
use std::net::IpAddr;

use sha2::{Digest, Sha256};

/// Failed logins in a row from one address: a person who looks for the right password.
pub const ADDRESS_BURST: u32 = 10;
/// After them one more each so many milliseconds.
pub const ADDRESS_REFILL_MS: u64 = 6_000;
/// Failed logins in a row for one user name, from wherever: more than one address, so that one stranger alone
/// does not shut a user out.
pub const NAME_BURST: u32 = 30;
/// After them one more each so many milliseconds: some 43 000 guesses a day.
pub const NAME_REFILL_MS: u64 = 2_000;
/// Addresses and names that are remembered; past it the one that is nearest to forgotten goes.
pub const MAX_THROTTLED: usize = 8_192;

/// Who is throttled. Names are kept as hashes, so that a long one costs no memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    /// An IPv4 address, or the network of 64 bits of an IPv6 address: its owner has all the rest of it.
    Address(IpAddr),
    Name([u8; 16]),
}

impl Key {
    const fn refill_ms(self) -> u64 {
        match self {
            Self::Address(_) => ADDRESS_REFILL_MS,
            Self::Name(_) => NAME_REFILL_MS,
        }
    }

    fn debt_limit_ms(self) -> u64 {
        match self {
            Self::Address(_) => u64::from(ADDRESS_BURST) * ADDRESS_REFILL_MS,
            Self::Name(_) => u64::from(NAME_BURST) * NAME_REFILL_MS,
        }
    }
}

/// What was taken and is not refilled yet: a bucket is full when there is none.
#[derive(Clone, Copy)]
struct Debt {
    ms: u64,
    as_of_unix_ms: u64,
}

impl Debt {
    /// The rest of it.
    const fn rest(self, now_unix_ms: u64) -> u64 {
        self.ms.saturating_sub(now_unix_ms.saturating_sub(self.as_of_unix_ms))
    }
}

/// Counts attempts.
#[derive(Default)]
pub(crate) struct Throttle {
    debts: HashMap<Key, Debt>,
}

impl Throttle {
    /// Counts an attempt, or says in how many milliseconds it would be let through.
    pub(crate) fn attempt(
        &mut self,
        address: Option<IpAddr>,
        name: &str,
        now_unix_ms: u64,
    ) -> Result<(), u64> {
        let keys = keys(address, name);
        for key in &keys {
            if let Some(debt) = self.debts.get_mut(key) {
                // A clock that was set back refills nothing, and what is owed is refilled by it from there on.
                debt.as_of_unix_ms = debt.as_of_unix_ms.min(now_unix_ms);
            }
        }
        let wait = keys
            .iter()
            .map(|key| {
                let rest = self.debts.get(key).map_or(0, |debt| debt.rest(now_unix_ms));
                (rest + key.refill_ms()).saturating_sub(key.debt_limit_ms())
            })
            .max()
            .unwrap_or(0);
        if wait > 0 {
            return Err(wait);
        }
        for key in keys {
            let rest = self.debts.get(&key).map_or(0, |debt| debt.rest(now_unix_ms));
            self.put(key, Debt { ms: rest + key.refill_ms(), as_of_unix_ms: now_unix_ms });
        }
        Ok(())
    }

    /// Gives the attempt back: it was right.
    pub(crate) fn give_back(&mut self, address: Option<IpAddr>, name: &str) {
        for key in keys(address, name) {
            if let Some(debt) = self.debts.get_mut(&key) {
                debt.ms = debt.ms.saturating_sub(key.refill_ms());
            }
        }
    }

    fn put(&mut self, key: Key, debt: Debt) {
        if self.debts.len() >= MAX_THROTTLED && !self.debts.contains_key(&key) {
            let now = debt.as_of_unix_ms;
            self.debts.retain(|_, debt| debt.rest(now) > 0);
            if self.debts.len() >= MAX_THROTTLED
                && let Some(least) =
                    self.debts.iter().min_by_key(|(_, debt)| debt.rest(now)).map(|(key, _)| *key)
            {
                self.debts.remove(&least);
            }
        }
        self.debts.insert(key, debt);
    }
}

fn keys(address: Option<IpAddr>, name: &str) -> Vec<Key> {
    let mut hash = [0; 16];
    hash.copy_from_slice(&Sha256::digest(name.to_ascii_lowercase().as_bytes())[..16]);
    let network = address.map(|address| match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    });
    network.map(Key::Address).into_iter().chain([Key::Name(hash)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    /// How many attempts in a row are let through at once.
    fn burst(throttle: &mut Throttle, now: u64, mut who: impl FnMut(u32) -> (Option<IpAddr>, String)) -> u32 {
        (0..1_000)
            .take_while(|&number| {
                let (address, name) = who(number);
                throttle.attempt(address, &name, now).is_ok()
            })
            .count() as u32
    }

    #[test]
    fn an_address_at_its_limit_comes_back_with_time() {
        let mut throttle = Throttle::default();
        let one = |number: u32| (address("192.0.2.1"), format!("user{number}"));
        assert_eq!(burst(&mut throttle, 0, one), ADDRESS_BURST);
        assert_eq!(throttle.attempt(address("192.0.2.1"), "other", 0), Err(ADDRESS_REFILL_MS));
        assert_eq!(throttle.attempt(address("192.0.2.1"), "other", ADDRESS_REFILL_MS - 1), Err(1));
        assert!(throttle.attempt(address("192.0.2.2"), "other", 0).is_ok());
        assert!(throttle.attempt(address("192.0.2.1"), "other", ADDRESS_REFILL_MS).is_ok());
        assert_eq!(burst(&mut throttle, u64::MAX, one), ADDRESS_BURST);
    }

    #[test]
    fn a_name_at_its_limit_whatever_its_case_and_the_address() {
        let mut throttle = Throttle::default();
        let many = |number: u32| {
            let name = if number.is_multiple_of(2) { "admin" } else { "ADMIN" };
            (Some(IpAddr::from(number.to_be_bytes())), name.to_owned())
        };
        assert_eq!(burst(&mut throttle, 0, many), NAME_BURST);
        assert!(throttle.attempt(address("198.51.100.7"), "Admin", 0).is_err());
        assert!(throttle.attempt(address("198.51.100.7"), "eve", 0).is_ok());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let mut throttle = Throttle::default();
        let many = |number: u32| {
            let address: IpAddr = format!("2001:db8:0:1::{number:x}").parse().unwrap();
            (Some(address), format!("user{number}"))
        };
        assert_eq!(burst(&mut throttle, 0, many), ADDRESS_BURST);
        assert!(throttle.attempt(address("2001:db8:0:2::1"), "other", 0).is_ok());
        let mapped = |number: u32| (address("::ffff:192.0.2.1"), format!("user{number}"));
        assert_eq!(burst(&mut throttle, 0, mapped), ADDRESS_BURST);
        assert!(throttle.attempt(address("192.0.2.1"), "other", 0).is_err());
    }

    #[test]
    fn what_was_right_is_given_back() {
        let mut throttle = Throttle::default();
        for _ in 0..1_000 {
            throttle.attempt(address("192.0.2.1"), "a", 0).unwrap();
            throttle.give_back(address("192.0.2.1"), "a");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_lets_nobody_in_and_shuts_nobody_out() {
        let mut throttle = Throttle::default();
        let one = |number: u32| (address("192.0.2.1"), format!("user{number}"));
        let now = 1_000_000_000;
        assert_eq!(burst(&mut throttle, now, one), ADDRESS_BURST);
        let before = now - 500_000_000;
        assert_eq!(throttle.attempt(address("192.0.2.1"), "x", before), Err(ADDRESS_REFILL_MS));
        assert!(throttle.attempt(address("192.0.2.1"), "x", before + ADDRESS_REFILL_MS).is_ok());
    }

    #[test]
    fn what_is_remembered_at_its_limit() {
        let mut throttle = Throttle::default();
        let guilty = |_| (address("192.0.2.1"), "guilty".to_owned());
        burst(&mut throttle, 0, guilty);
        for number in 0..MAX_THROTTLED as u32 {
            let address = Some(IpAddr::from((0x0a00_0000 + number).to_be_bytes()));
            let _ = throttle.attempt(address, &format!("n{number}"), 0);
        }
        assert_eq!(throttle.debts.len(), MAX_THROTTLED);
        assert!(throttle.attempt(address("192.0.2.1"), "new", 0).is_err(), "the guilty one is not forgotten");
    }
}
