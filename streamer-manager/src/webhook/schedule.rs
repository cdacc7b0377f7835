//! When a delivery that failed is tried again, and when it is given up.

use std::time::Duration;

/// Pauses before the second, third, ... try: the first ones for a restart of the receiver, the later ones for an
/// outage that somebody has to see to.
pub const RETRY_PAUSES: [Duration; 9] = [
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(3 * 60 * 60),
    Duration::from_secs(6 * 60 * 60),
    Duration::from_secs(12 * 60 * 60),
];

/// The pause after `tries` failed tries, `None` when no more are made. `random` is any number uniform over `u32`; the
/// pause is spread by a quarter, so that what failed together does not come back together.
#[must_use]
pub fn next_pause(tries: u32, random: u32) -> Option<Duration> {
    let index = usize::try_from(tries.checked_sub(1)?).ok()?;
    let pause = *RETRY_PAUSES.get(index)?;
    Some(pause + (pause / 4).mul_f64(f64::from(random) / f64::from(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_it_is_given_up() {
        let pauses: Vec<Duration> = (1..).map_while(|tries| next_pause(tries, 0)).collect();
        assert_eq!(pauses, RETRY_PAUSES);
        assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(next_pause(1, u32::MAX), Some(RETRY_PAUSES[0] * 5 / 4));
        assert_eq!((next_pause(0, 0), next_pause(10, 0)), (None, None));
    }
}
