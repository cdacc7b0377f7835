use std::sync::Arc;

use proptest::prelude::*;
use streamer_core::Timescale;

use super::*;
use crate::proto::hls::sample::{
    BEGIN_MEDIA_MS, BEGIN_UNIX_MS, audio, change, map, on_timeline, video, window,
};
use crate::proto::hls::{Rendition, SegmentBody, Window};

const LONG: ListOptions = ListOptions { length: Duration::from_secs(3_600) };
const REORDER: u64 = 3_600;

/// Video and audio with segments that last so long.
fn stream(millis: &[u64]) -> Presentation {
    let audio_scale = Timescale::new(48_000).unwrap();
    let rendition = |id, track, scale, reorder| {
        let window = on_timeline(window(millis), &track, scale, reorder);
        Rendition { id, tracks: vec![track], window }
    };
    Presentation {
        container: Container::Fmp4,
        renditions: vec![
            rendition(RenditionId::Video(0), video(), Timescale::MPEG, REORDER),
            rendition(RenditionId::Audio(0), audio(0), audio_scale, 0),
        ],
    }
}

fn of(presentation: &Presentation) -> String {
    manifest(presentation, "", LONG).unwrap()
}

/// What stands between `before` and the next quotation mark, each time.
fn values<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    text.split(before).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// Begins a timeline `later_ms` of wall clock after where the media before `msn` end.
fn discontinuity(presentation: &mut Presentation, msn: u64, later_ms: i64) {
    for rendition in &mut presentation.renditions {
        let count = rendition.window.segments.len() as u64;
        let before: Duration = rendition
            .window
            .segments
            .iter()
            .take_while(|held| held.msn < msn)
            .map(|held| held.duration)
            .sum();
        let before_ms = u64::try_from(before.as_millis()).unwrap();
        let timeline = Timeline {
            begin_ms: BEGIN_MEDIA_MS + before_ms,
            begin_unix_ms: BEGIN_UNIX_MS + i64::try_from(before_ms).unwrap() + later_ms,
        };
        for number in msn..count {
            change(&mut rendition.window, number, |segment| {
                segment.discontinuity = number == msn;
                segment.discontinuity_sequence += 1;
                segment.media_time.as_mut().unwrap().timeline = timeline;
            });
        }
    }
}

#[test]
fn a_live_stream() {
    assert_eq!(
        manifest(&stream(&[2_000, 2_000, 2_000, 1_960]), "", ListOptions::default()).unwrap(),
        r#"<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019" type="dynamic" availabilityStartTime="1970-01-01T00:00:00Z" publishTime="2026-01-02T03:04:13.638Z" minimumUpdatePeriod="PT2S" timeShiftBufferDepth="PT30S" suggestedPresentationDelay="PT6S" maxSegmentDuration="PT2.500S" minBufferTime="PT2S">
  <Period id="abc-0" start="PT1767323045.678S">
    <AdaptationSet id="0" contentType="video" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1">
      <Representation id="video0" codecs="avc1.64001e" bandwidth="1250000" width="640" height="360" frameRate="25">
        <SegmentTemplate timescale="90000" presentationTimeOffset="900000" startNumber="0" initialization="media/video0/abc-init0.mp4" media="media/video0/abc-$Number$.m4s">
          <SegmentTimeline>
            <S t="900000" d="180000" r="2"/>
            <S d="176400"/>
          </SegmentTimeline>
        </SegmentTemplate>
      </Representation>
    </AdaptationSet>
    <AdaptationSet id="1" contentType="audio" mimeType="audio/mp4" segmentAlignment="true" startWithSAP="1">
      <Representation id="audio0" codecs="mp4a.40.2" bandwidth="1250000" audioSamplingRate="48000">
        <AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="2"/>
        <SegmentTemplate timescale="48000" presentationTimeOffset="480000" startNumber="0" initialization="media/audio0/abc-init0.mp4" media="media/audio0/abc-$Number$.m4s">
          <SegmentTimeline>
            <S t="480000" d="96000" r="2"/>
            <S d="94080"/>
          </SegmentTimeline>
        </SegmentTemplate>
      </Representation>
    </AdaptationSet>
  </Period>
  <UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-head:2014" value="manifest.mpd"/>
</MPD>
"#
    );
}

#[test]
fn a_discontinuity_begins_a_period_with_a_clock_of_its_own() {
    let mut presentation = stream(&[2_000; 6]);
    discontinuity(&mut presentation, 4, 30_000);
    let text = of(&presentation);
    assert_eq!(values(&text, "<Period id=\""), ["abc-0", "abc-1"]);
    assert_eq!(values(&text, " start=\""), ["PT1767323045.678S", "PT1767323083.678S"]);
    assert_eq!(values(&text, "presentationTimeOffset=\""), ["900000", "480000", "1620000", "864000"]);
    assert_eq!(values(&text, "startNumber=\""), ["0", "0", "4", "4"]);
    assert_eq!(values(&text, "<S t=\""), ["900000", "480000", "1620000", "864000"]);
    // The start of a period does not follow what leaves the window.
    for rendition in &mut presentation.renditions {
        rendition.window.segments.drain(..5);
    }
    let later = of(&presentation);
    assert_eq!(values(&later, "<Period id=\""), ["abc-1"]);
    assert_eq!(values(&later, " start=\""), ["PT1767323083.678S"]);
    assert_eq!(values(&later, "<S t=\""), ["1800000", "960000"]);
}

#[test]
fn a_period_says_what_its_own_initialization_section_describes() {
    let mut presentation = stream(&[2_000; 6]);
    discontinuity(&mut presentation, 3, 0);
    let other = streamer_core::codec::AacConfig::new(2, 44_100, 1).unwrap();
    let mut track = audio(0);
    track.codec = Codec::Aac(other);
    for msn in 3..6 {
        change(&mut presentation.renditions[1].window, msn, |segment| {
            segment.map = Some(map(2, track.clone()));
        });
    }
    let text = of(&presentation);
    assert_eq!(values(&text, "audioSamplingRate=\""), ["48000", "44100"]);
    assert_eq!(values(&text, " value=\""), ["2", "1", "manifest.mpd"]);
    assert_eq!(values(&text, "media/audio0/abc-init"), ["0.mp4", "2.mp4"]);
}

#[test]
fn what_stands_before_missing_media_is_left_out() {
    let mut presentation = stream(&[2_000; 6]);
    change(&mut presentation.renditions[1].window, 2, |segment| {
        (segment.body, segment.media_time) = (SegmentBody::Missing, None);
    });
    let text = of(&presentation);
    assert_eq!(values(&text, "startNumber=\""), ["0", "3"]);
    assert_eq!(values(&text, "<S t=\""), ["900000", "768000"]);
    // At the end, the sound is expected to come back.
    change(&mut presentation.renditions[1].window, 5, |segment| segment.body = SegmentBody::Missing);
    assert!(of(&presentation).contains("<S t=\"768000\" d=\"96000\" r=\"1\"/>"));
}

#[test]
fn a_period_waits_for_all_of_its_renditions() {
    let mut presentation = stream(&[2_000; 6]);
    discontinuity(&mut presentation, 5, 0);
    presentation.renditions[1].window.segments.pop_back();
    assert_eq!(values(&of(&presentation), "<Period id=\""), ["abc-0"]);
    let mut begun = stream(&[2_000]);
    begun.renditions[1].window.segments.clear();
    assert_eq!(manifest(&begun, "", LONG), None);
}

#[test]
fn a_stream_that_is_over_has_a_duration_and_no_updates() {
    let mut presentation = stream(&[2_000, 2_000, 1_000]);
    for rendition in &mut presentation.renditions {
        rendition.window.ended = true;
    }
    let text = of(&presentation);
    assert_eq!(values(&text, "mediaPresentationDuration=\""), ["PT1767323050.678S"]);
    assert!(text.contains("type=\"dynamic\"") && !text.contains("minimumUpdatePeriod"));
    assert!(!text.contains("timeShiftBufferDepth"), "nothing leaves any more");
}

#[test]
fn a_track_that_vanished_is_not_offered() {
    let mut presentation = stream(&[2_000; 6]);
    presentation.renditions[1].window.ended = true;
    presentation.renditions[1].window.segments.pop_back();
    assert!(!of(&presentation).contains("audio"));
    presentation.renditions[0].window.ended = true;
    assert!(!of(&presentation).contains("audio"), "not at the end either");
}

#[test]
fn a_pass_goes_with_every_address() {
    let text = manifest(&stream(&[2_000; 3]), "?pass=1&more=2", LONG).unwrap();
    assert_eq!(text.matches("?pass=1&amp;more=2").count(), 2 + 2 * 2, "{text}");
    assert!(text.contains("<Location>manifest.mpd?pass=1&amp;more=2</Location>"));
    assert_eq!(text.matches('&').count(), text.matches("&amp;").count());
}

#[test]
fn segments_that_begin_anyhow_promise_nothing() {
    let mut presentation = stream(&[2_000; 4]);
    change(&mut presentation.renditions[0].window, 2, |segment| segment.independent = false);
    assert_eq!(of(&presentation).matches("startWithSAP").count(), 1);
}

#[test]
fn without_media_there_is_no_manifest() {
    assert_eq!(manifest(&Presentation::new(Container::Fmp4), "", LONG), None);
    let bare = Window { target_duration_s: Some(2), ..window(&[2_000; 4]) };
    assert_eq!(manifest(&crate::proto::hls::sample::ts(bare), "", LONG), None);
}

proptest! {
    /// What a player makes of the timeline is what the window lists, by number and by time, and all of it fits
    /// between its period's start and the next one's.
    #[test]
    fn the_timeline_is_the_window(millis in prop::collection::vec(1u64..3_000, 2..40), at in 1u64..39, later_ms in 0i64..5_000, length_s in 0u64..40) {
        let mut presentation = stream(&millis);
        for rendition in &mut presentation.renditions {
            rendition.window.target_duration_s = Some(3);
        }
        if at < millis.len() as u64 {
            discontinuity(&mut presentation, at, later_ms);
        }
        let options = ListOptions { length: Duration::from_secs(length_s) };
        let text = manifest(&presentation, "", options).unwrap();
        let window = &presentation.renditions[0].window;
        let listed = crate::proto::hls::Listed::of(window, crate::proto::hls::Edge::Live, options);
        let mut found = Vec::new();
        for template in text.split("<SegmentTemplate timescale=\"90000\"").skip(1) {
            let template = template.split("</SegmentTemplate>").next().unwrap();
            let number = |text: &str| text.parse::<u64>().unwrap();
            let mut msn = number(values(template, "startNumber=\"")[0]);
            let mut now = None;
            for run in template.split("<S ").skip(1) {
                let run = format!(" {}", run.split("/>").next().unwrap());
                let begin = values(&run, " t=\"").first().map(|begin| number(begin));
                prop_assert_eq!(begin.is_some(), now.is_none(), "only the first has a time");
                let ticks = number(values(&run, " d=\"")[0]);
                for _ in 0..=values(&run, " r=\"").first().map_or(0, |repeated| number(repeated)) {
                    let at = begin.filter(|_| now.is_none()).or(now).unwrap();
                    found.push((msn, at, ticks));
                    (msn, now) = (msn + 1, Some(at + ticks));
                }
            }
        }
        let expected: Vec<_> = listed
            .segments
            .iter()
            .map(|segment| {
                let time = segment.media_time.unwrap();
                (segment.msn, time.decode_time + REORDER, time.ticks)
            })
            .collect();
        prop_assert_eq!(found, expected);
    }

    /// The same state is the same bytes, and a segment more moves nothing that was there.
    #[test]
    fn periods_and_times_are_constant(count in 4usize..30) {
        let millis = vec![2_000; count];
        let (before, mut after) = (stream(&millis), stream(&[&millis[..], &[1_960]].concat()));
        prop_assert_eq!(of(&before), of(&before.clone()));
        for rendition in &mut after.renditions {
            Arc::make_mut(rendition.window.segments.back_mut().unwrap()).len_bytes = 0;
        }
        let (before, after) = (of(&before), of(&after));
        for what in ["<Period id=\"", " start=\"", "presentationTimeOffset=\"", "<S t=\"", " initialization=\"", " media=\""] {
            prop_assert_eq!(values(&before, what), values(&after, what));
        }
    }
}
