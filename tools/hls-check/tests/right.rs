//! Streams that are right: nothing is found, and much was looked at.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

mod support;

use hls_check::Report;
use support::origin::{Origin, Shape};
use support::sim::follow;

fn right(shape: Shape, url: &str) -> Report {
    let report =
        follow(&Origin::right(shape), |options| options.url = format!("http://origin.test/live/{url}"));
    assert!(report.findings.is_empty(), "{report}");
    report
}

#[test]
fn low_latency_with_fmp4() {
    let report = right(Shape::low_latency(), "video.m3u8");
    let checked = report.checked;
    assert!(checked.blocking_reloads > 100 && checked.deltas_compared > 30, "{report}");
    assert!(checked.segments_joined > 10 && checked.segments_read == checked.segments, "{report}");
    assert!(checked.parts > 100 && checked.hints > 100, "{report}");
    assert_eq!(report.notes, [""; 0]);
}

#[test]
fn low_latency_with_ts_over_the_wrap_of_its_clock() {
    let report = right(Shape { ts: true, ..Shape::low_latency() }, "video.m3u8");
    assert!(report.checked.segments_read > 10 && report.checked.segments_joined > 10, "{report}");
}

#[test]
fn low_latency_with_parts_that_are_byte_ranges() {
    let report = right(Shape { ranges: true, ..Shape::low_latency() }, "video.m3u8");
    assert!(report.checked.parts > 100 && report.checked.segments_joined > 10, "{report}");
    assert!(report.checked.hints > 100, "{report}");
}

#[test]
fn without_low_latency() {
    for ts in [false, true] {
        let report = right(Shape { ts, ..Shape::plain() }, "video.m3u8");
        assert!(report.checked.segments_read > 10 && report.checked.blocking_reloads == 0, "{report}");
    }
}

#[test]
fn two_renditions_that_report_each_other() {
    let report = right(Shape { reports: true, ..Shape::low_latency() }, "main.m3u8");
    assert_eq!(report.checked.renditions, 2);
    assert!(report.checked.rendition_reports > 100, "{report}");
}

#[test]
fn a_discontinuity_that_comes_and_leaves() {
    let report = right(Shape { discontinuity: Some(32), ..Shape::low_latency() }, "video.m3u8");
    assert!(report.checked.segments_joined > 10, "{report}");
    right(Shape { discontinuity: Some(26), ..Shape::low_latency() }, "video.m3u8");
}

#[test]
fn a_stream_that_ends() {
    for shape in [Shape::low_latency(), Shape::plain()] {
        let report = right(Shape { ends_ms: Some(70_000), ..shape }, "video.m3u8");
        assert!(report.checked.segments > 4, "{report}");
    }
}
