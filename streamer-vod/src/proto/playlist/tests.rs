//! Rates and texts of playlists.

use super::*;

#[test]
fn a_peak_is_that_of_a_run_near_the_target_duration() {
    let second = Duration::from_secs(1);
    let segments =
        [(100_000, 2 * second), (500_000, 2 * second), (100_000, 2 * second), (90_000, second / 10)];
    let rates = Rates::of(&segments, 2 * second);
    assert_eq!(rates.peak_bps, 2_000_000, "a tenth of a second is no run by itself");
    assert_eq!(rates.average_bps, 790_000 * 8 * 10 / 61 + 1);
    assert_eq!(Rates::of(&[], second), Rates::default());
}

#[test]
fn durations_are_exact_to_the_microsecond() {
    assert_eq!(seconds(Duration::from_nanos(6_006_000_499)), "6.006000");
    assert_eq!(seconds(Duration::from_nanos(5_999_999_500)), "6.000000");
    assert_eq!(seconds(Duration::from_millis(40)), "0.040000");
}

#[test]
fn languages_have_their_shortest_tags() {
    assert_eq!(language_tag(*b"eng"), "en");
    assert_eq!(language_tag(*b"ger"), "de");
    assert_eq!(language_tag(*b"yue"), "yue");
}
