use std::sync::Arc;

use proptest::prelude::*;
use streamer_core::container::fmp4::Protection;

use super::super::sample::{self, BEGIN_UNIX_MS, change, fmp4, map, part, ts, window, with_part};
use super::*;

const SHORT: ListOptions = ListOptions { length: Duration::ZERO };
const LONG: ListOptions = ListOptions { length: Duration::from_secs(3_600) };

fn of(window: Window, options: ListOptions) -> String {
    media_playlist(&ts(window), RenditionId::Ts, &MediaView::LIVE, options).unwrap()
}

fn video(window: &Window, skip: Option<Skip>, options: ListOptions) -> String {
    let view = MediaView { skip, ..MediaView::LIVE };
    media_playlist(&fmp4(window), RenditionId::Video(0), &view, options).unwrap()
}

fn range(id: &str) -> DateRange {
    DateRange {
        id: id.to_owned(),
        start_unix_ms: BEGIN_UNIX_MS,
        planned_duration: Some(Duration::from_secs(30)),
        scte35: vec![0xfc, 0x02].into(),
        kind: DateRangeKind::Out,
    }
}

#[test]
fn a_live_playlist_of_transport_streams() {
    let mut window = window(&[2_000, 2_000, 2_000, 1_960, 1_234, 2_000]);
    for msn in 1..6 {
        change(&mut window, msn, |segment| segment.discontinuity_sequence = 1 + u64::from(msn > 2));
    }
    change(&mut window, 1, |segment| segment.discontinuity = true);
    change(&mut window, 3, |segment| {
        segment.discontinuity = true;
        segment.date_ranges.push(range("1"));
    });
    change(&mut window, 4, |segment| segment.body = SegmentBody::Missing);
    assert_eq!(
        of(window, SHORT),
        "#EXTM3U\n\
         #EXT-X-VERSION:3\n\
         #EXT-X-TARGETDURATION:2\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-MEDIA-SEQUENCE:1\n\
         #EXT-X-DISCONTINUITY\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:07.678Z\n\
         #EXTINF:2.00000,\n\
         abc-1.ts\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:09.678Z\n\
         #EXTINF:2.00000,\n\
         abc-2.ts\n\
         #EXT-X-DISCONTINUITY\n\
         #EXT-X-DATERANGE:ID=\"1\",START-DATE=\"2026-01-02T03:04:05.678Z\",PLANNED-DURATION=30.00000,SCTE35-OUT=0xFC02\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:11.678Z\n\
         #EXTINF:1.96000,\n\
         abc-3.ts\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:13.638Z\n\
         #EXT-X-GAP\n\
         #EXTINF:1.23400,\n\
         abc-4.ts\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:14.872Z\n\
         #EXTINF:2.00000,\n\
         abc-5.ts\n"
    );
}

#[test]
fn discontinuities_that_fell_out_are_counted() {
    let mut window = window(&[2_000; 5]);
    for msn in 0..5 {
        change(&mut window, msn, |segment| segment.discontinuity_sequence = 7);
    }
    let sequence = "#EXT-X-DISCONTINUITY-SEQUENCE:";
    assert!(of(window.clone(), SHORT).contains(&format!("{sequence}7\n")));
    change(&mut window, 1, |segment| segment.discontinuity = true);
    assert!(of(window, SHORT).contains(&format!("{sequence}6\n")), "this one is listed still");
}

#[test]
fn a_low_latency_playlist_names_the_next_part() {
    let text = video(&with_part(window(&[2_000; 8])), None, ListOptions { length: Duration::from_secs(10) });
    let (head, tail) = text.split_once("#EXT-X-PART:").unwrap();
    assert_eq!(
        head,
        "#EXTM3U\n\
         #EXT-X-VERSION:6\n\
         #EXT-X-TARGETDURATION:2\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.50000,HOLD-BACK=6.00000\n\
         #EXT-X-PART-INF:PART-TARGET=0.50000\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-MEDIA-SEQUENCE:3\n\
         #EXT-X-MAP:URI=\"abc-init0.mp4\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:11.678Z\n\
         #EXTINF:2.00000,\n\
         abc-3.m4s\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:13.678Z\n\
         #EXTINF:2.00000,\n\
         abc-4.m4s\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:15.678Z\n",
        "a segment that ends more than three target durations before the end has no parts"
    );
    assert!(tail.starts_with("DURATION=0.50000,URI=\"abc-5.0.m4s\",INDEPENDENT=YES\n"), "{tail}");
    assert!(tail.ends_with(
        "#EXTINF:2.00000,\n\
         abc-7.m4s\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:21.678Z\n\
         #EXT-X-PART:DURATION=0.50000,URI=\"abc-8.0.m4s\",INDEPENDENT=YES\n\
         #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"abc-8.1.m4s\"\n\
         #EXT-X-RENDITION-REPORT:URI=\"../audio0/index.m3u8\",LAST-MSN=8,LAST-PART=0\n"
    ));
    assert_eq!(tail.matches("EXT-X-PART:").count(), 3 * 4);
}

#[test]
fn between_two_segments_the_next_part_is_the_first_of_the_next() {
    let mut window = with_part(window(&[2_000; 4]));
    window.open = None;
    let text = video(&window, None, SHORT);
    assert!(text.contains("PRELOAD-HINT:TYPE=PART,URI=\"abc-4.0.m4s\"\n"), "{text}");
    assert!(text.contains("LAST-MSN=3,LAST-PART=3\n"), "{text}");
}

#[test]
fn a_part_that_may_not_be_made_is_not_hinted() {
    let mut window = with_part(window(&[2_000; 4]));
    for (parts, hint) in [(1, Some("abc-4.1.m4s")), (3, Some("abc-4.3.m4s")), (4, None), (5, None)] {
        window.open.as_mut().unwrap().parts = vec![part(500, true); parts];
        let text = video(&window, None, SHORT);
        let hinted = text.lines().find_map(|line| line.strip_prefix("#EXT-X-PRELOAD-HINT:TYPE=PART,URI="));
        assert_eq!(hinted, hint.map(|uri| format!("\"{uri}\"")).as_deref(), "{text}");
    }
}

#[test]
fn a_new_initialization_section_is_named_where_it_begins() {
    let mut window = with_part(window(&[2_000; 4]));
    let second = Some(map(1, sample::video()));
    change(&mut window, 3, |segment| segment.map.clone_from(&second));
    window.open.as_mut().unwrap().map.clone_from(&second);
    let text = video(&window, None, LONG);
    assert_eq!(text.matches("#EXT-X-MAP:").count(), 2);
    let (before, after) = text.split_once("#EXT-X-MAP:URI=\"abc-init1.mp4\"\n").unwrap();
    assert!(before.ends_with("abc-2.m4s\n") && after.contains("abc-3.m4s"));
}

#[test]
fn a_run_that_broke_the_promise_does_not_give_it_again() {
    let tag = "#EXT-X-INDEPENDENT-SEGMENTS";
    let mut window = with_part(window(&[2_000; 8]));
    assert!(video(&window, None, SHORT).contains(tag));
    window.independent = false;
    assert!(!video(&window, None, SHORT).contains(tag));
}

#[test]
fn what_has_ended_has_an_end_and_no_next_part() {
    let mut window = with_part(window(&[2_000; 4]));
    (window.open, window.ended) = (None, true);
    let text = video(&window, None, SHORT);
    assert!(text.ends_with("abc-3.m4s\n#EXT-X-ENDLIST\n"), "{text}");
    assert!(!text.contains("PRELOAD-HINT") && !text.contains("RENDITION-REPORT"));
}

#[test]
fn a_viewer_in_the_past_has_a_plain_playlist() {
    let presentation = fmp4(&with_part(window(&[2_000; 20])));
    let view = MediaView { edge: Edge::Before(9), skip: Some(Skip::Segments), query: "?pass=7" };
    let text = media_playlist(&presentation, RenditionId::Audio(0), &view, SHORT).unwrap();
    assert!(
        text.starts_with("#EXTM3U\n#EXT-X-VERSION:6\n") && text.ends_with("abc-8.m4s?pass=7\n"),
        "{text}"
    );
    for tag in ["PART", "SERVER-CONTROL", "PRELOAD-HINT", "RENDITION-REPORT", "SKIP", "ENDLIST"] {
        assert!(!text.contains(tag), "{tag}");
    }
}

#[test]
fn a_query_follows_every_uri() {
    let presentation = fmp4(&with_part(window(&[2_000; 4])));
    let view = MediaView { query: "?pass=7", ..MediaView::LIVE };
    let text = media_playlist(&presentation, RenditionId::Video(0), &view, SHORT).unwrap();
    let uris = text.lines().filter(|line| !line.starts_with('#') || line.contains("URI="));
    assert!(uris.clone().count() > 10);
    for line in uris {
        assert!(line.contains("?pass=7"), "{line}");
    }
}

#[test]
fn without_a_complete_segment_there_is_no_playlist() {
    let window = with_part(window(&[]));
    assert_eq!(media_playlist(&fmp4(&window), RenditionId::Video(0), &MediaView::LIVE, SHORT), None);
    let none = media_playlist(&ts(window), RenditionId::Audio(0), &MediaView::LIVE, SHORT);
    assert_eq!(none, None, "nor without the rendition");
}

#[test]
fn date_ranges_outlive_skipped_segments_unless_the_client_keeps_them() {
    let mut window = with_part(window(&[2_000; 30]));
    for msn in [0, 4, 8, 11, 29] {
        change(&mut window, msn, |segment| segment.date_ranges.push(range(&msn.to_string())));
    }
    // Segments 10 to 29 are listed; those from 24 on are within the boundary of 12 s.
    let options = ListOptions { length: Duration::from_secs(40) };
    let plain = video(&window, Some(Skip::Segments), options);
    assert!(plain.contains("#EXT-X-VERSION:9\n"));
    let skip = "#EXT-X-SKIP:SKIPPED-SEGMENTS=14";
    assert!(plain.contains(&format!("{skip}\n#EXT-X-DATERANGE:ID=\"11\"")), "{plain}");
    let second = video(&window, Some(Skip::SegmentsAndDateRanges), options);
    assert!(second.contains("#EXT-X-VERSION:10\n"));
    assert!(second.contains(&format!("{skip},RECENTLY-REMOVED-DATERANGES=\"4\t8\"\n")), "{second}");
    assert!(!second.contains("ID=\"11\"") && second.contains("ID=\"29\""));
}

#[test]
fn a_short_list_gives_no_delta_update() {
    let window = with_part(window(&[2_000; 30]));
    let options = ListOptions { length: Duration::from_secs(12) };
    let full = video(&window, None, options);
    assert!(!full.contains("CAN-SKIP-UNTIL"));
    assert_eq!(video(&window, Some(Skip::Segments), options), full);
}

proptest! {
    /// Second edition, 6.2.5.1: with the lines of the skipped segments in place of the tag, and without the version
    /// that the tag needs, it is the full playlist.
    #[test]
    fn a_delta_update_stands_for_the_full_playlist(millis in prop::collection::vec(1u64..4, 1..60), length_s in 13u64..60) {
        let millis: Vec<u64> = millis.into_iter().map(|half| half * 500).collect();
        let window = with_part(window(&millis));
        let options = ListOptions { length: Duration::from_secs(length_s) };
        let full = video(&window, None, options);
        let delta = video(&window, Some(Skip::Segments), options);
        let Some((before, after)) = delta.split_once("#EXT-X-SKIP:SKIPPED-SEGMENTS=") else {
            prop_assert_eq!(full, delta);
            return Ok(());
        };
        prop_assert!(full.contains("CAN-SKIP-UNTIL=12.00000,CAN-SKIP-DATERANGES=YES\n"));
        let (count, after) = after.split_once('\n').unwrap();
        let before = before.replace("VERSION:9", "VERSION:6");
        let middle = full.strip_prefix(&before).unwrap().strip_suffix(after).unwrap();
        prop_assert_eq!(middle.matches("#EXTINF").count(), count.parse::<usize>().unwrap());
        prop_assert!(middle.ends_with(".m4s\n"));
        // What is left is no shorter than the boundary.
        let left: f64 = after
            .lines()
            .filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(',')?.parse::<f64>().ok())
            .sum();
        prop_assert!(left + 0.5 >= 12.0, "{}", left);
    }
}

fn key(number: u32) -> Option<Arc<Key>> {
    Some(Arc::new(Key::aes_128(number, [7; 16])))
}

#[test]
fn a_key_is_told_where_it_changes() {
    let mut window = window(&[2_000; 4]);
    for msn in 0..4 {
        change(&mut window, msn, |segment| segment.key = key(u32::from(msn > 1)));
    }
    let view = MediaView { query: "?pass=1", ..MediaView::LIVE };
    let text = media_playlist(&ts(window), RenditionId::Ts, &view, SHORT).unwrap();
    let lines: Vec<_> =
        text.lines().filter(|line| !line.contains("DATE-TIME") && !line.contains("INF")).collect();
    assert_eq!(
        lines[1..],
        [
            "#EXT-X-VERSION:3",
            "#EXT-X-TARGETDURATION:2",
            "#EXT-X-INDEPENDENT-SEGMENTS",
            "#EXT-X-MEDIA-SEQUENCE:0",
            "#EXT-X-KEY:METHOD=AES-128,URI=\"abc-0.key?pass=1\"",
            "abc-0.ts?pass=1",
            "abc-1.ts?pass=1",
            "#EXT-X-KEY:METHOD=AES-128,URI=\"abc-1.key?pass=1\"",
            "abc-2.ts?pass=1",
            "abc-3.ts?pass=1",
        ]
    );
}

#[test]
fn initialization_sections_are_clear_where_segments_are_not() {
    let mut window = with_part(window(&[2_000; 4]));
    (window.open, window.part_target) = (None, None);
    for msn in 0..4 {
        change(&mut window, msn, |segment| segment.key = key(0));
    }
    change(&mut window, 2, |segment| {
        segment.map = Some(map(1, sample::video()));
    });
    change(&mut window, 3, |segment| (segment.map, segment.key) = (None, None));
    let text = video(&window, None, SHORT);
    let wanted = ["EXT-X-KEY", "EXT-X-MAP", "m4s"];
    let lines: Vec<_> =
        text.lines().filter(|line| wanted.iter().any(|wanted| line.contains(wanted))).collect();
    assert_eq!(
        lines,
        [
            "#EXT-X-MAP:URI=\"abc-init0.mp4\"",
            "#EXT-X-KEY:METHOD=AES-128,URI=\"abc-0.key\"",
            "abc-0.m4s",
            "abc-1.m4s",
            "#EXT-X-KEY:METHOD=NONE",
            "#EXT-X-MAP:URI=\"abc-init1.mp4\"",
            "#EXT-X-KEY:METHOD=AES-128,URI=\"abc-0.key\"",
            "abc-2.m4s",
            "#EXT-X-KEY:METHOD=NONE",
            "abc-3.m4s",
        ]
    );
}

#[test]
fn keys_of_samples_are_told_before_parts() {
    let sample_aes = |number| {
        let protection = Protection { key_id: [1; 16], constant_iv: [0xab; 16] };
        Some(Arc::new(Key::sample_aes(number, [7; 16], protection)))
    };
    let mut window = with_part(window(&[2_000; 8]));
    for msn in 0..8 {
        change(&mut window, msn, |segment| segment.key = sample_aes(0));
    }
    let open = window.open.as_mut().unwrap();
    open.key = sample_aes(1);
    open.map = Some(map(1, sample::video()));
    let tag = |number: u32| {
        let iv = "AB".repeat(16);
        format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"abc-{number}.key\",IV=0x{iv},KEYFORMAT=\"identity\"\n")
    };
    let full = video(&window, None, LONG);
    assert!(
        full.contains(&format!("{}#EXT-X-PROGRAM", tag(0)))
            && full.starts_with("#EXTM3U\n#EXT-X-VERSION:6\n")
    );
    let (_, tail) = full.split_once("abc-7.m4s\n").unwrap();
    assert!(tail.starts_with(&format!("#EXT-X-MAP:URI=\"abc-init1.mp4\"\n{}", tag(1))), "{tail}");
    let update = video(&window, Some(Skip::Segments), LONG);
    assert!(update.contains("#EXT-X-SKIP:"));
    assert_eq!(update.matches("EXT-X-KEY").count(), 1, "a client knows the key of what is skipped");
}
