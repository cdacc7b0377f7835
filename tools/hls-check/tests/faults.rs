//! One fault for each rule, put into a right stream: the run finds that rule broken, and no other.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

mod support;

use std::collections::BTreeSet;

use hls_check::{LowLatency, Options, RULES};
use support::origin::{Answer, Call, Origin, Shape, Spec};
use support::sim::follow;

type OnAnswer = fn(&Call, &mut Answer);
type OnMedia = fn(&mut Spec);

/// A fault: the rule it breaks, the stream it is put into, and what it does.
struct Fault {
    rule: &'static str,
    origin: Origin,
    options: fn(&mut Options),
}

fn fault(rule: &'static str, shape: Shape, answer: OnAnswer) -> Fault {
    Fault { rule, origin: Origin { answer, ..Origin::right(shape) }, options: |_| {} }
}

fn media(rule: &'static str, shape: Shape, media: OnMedia) -> Fault {
    Fault { rule, origin: Origin { media, ..Origin::right(shape) }, options: |_| {} }
}

fn with(fault: Fault, options: fn(&mut Options)) -> Fault {
    Fault { options, ..fault }
}

fn multivariant(fault: Fault) -> Fault {
    with(fault, |options| options.url = "http://origin.test/live/main.m3u8".to_owned())
}

fn two() -> Shape {
    Shape { reports: true, ..Shape::low_latency() }
}

/// Leaves out the lines that begin with `start`.
fn without(text: &str, start: &str) -> String {
    text.lines().filter(|line| !line.starts_with(start)).map(|line| format!("{line}\n")).collect()
}

/// Leaves out the last line that begins with `start`, and `more` lines after it.
fn without_last(text: &str, start: &str, more: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    let last = lines.iter().rposition(|line| line.starts_with(start)).unwrap();
    let kept = lines.iter().enumerate().filter(|(n, _)| !(last..=last + more).contains(n));
    kept.map(|(_, line)| format!("{line}\n")).collect()
}

macro_rules! replace {
    ($from:expr, $to:expr) => {
        |_, answer| answer.edit(|text| text.replace($from, $to))
    };
    ($from:expr, $to:expr; $($from2:expr, $to2:expr);+) => {
        |_, answer| answer.edit(|text| text.replace($from, $to)$(.replace($from2, $to2))+)
    };
}

macro_rules! append {
    ($line:expr) => {
        |_, answer| answer.edit(|text| text + $line + "\n")
    };
}

fn playlists() -> Vec<Fault> {
    let ll = Shape::low_latency;
    let plain = Shape::plain;
    vec![
        fault("encoding", plain(), |_, answer| {
            answer.edit(|text| text.replace("#EXTM3U\n", "#EXTM3U\n# \u{7}\n"));
        }),
        fault("no-extm3u", ll(), |_, answer| answer.edit(|text| text.replace("#EXTM3U\n", ""))),
        fault("malformed-tag", plain(), replace!("#EXTINF:", "#EXT-X-BITRATE:fast\n#EXTINF:")),
        fault(
            "duplicate-attribute",
            ll(),
            replace!("CAN-BLOCK-RELOAD=YES", "CAN-BLOCK-RELOAD=YES,CAN-BLOCK-RELOAD=YES"),
        ),
        fault("duplicate-tag", plain(), append!("#EXT-X-INDEPENDENT-SEGMENTS")),
        fault("unknown-tag", plain(), append!("#EXT-X-HELLO:1")),
        multivariant(fault("mixed-playlist", two(), |call, answer| {
            if call.file == "main.m3u8" {
                answer.edit(|text| text + "#EXT-X-TARGETDURATION:2\n");
            }
        })),
        fault("version-too-low", ll(), replace!("VERSION:6", "VERSION:5")),
        fault("version-too-high", plain(), replace!("VERSION:6", "VERSION:7")),
        fault("target-duration-missing", plain(), |call, answer| {
            if call.now > 70_000 {
                answer.edit(|text| text.replace("#EXT-X-TARGETDURATION:2\n", ""));
            }
        }),
        fault("target-duration-exceeded", Shape { parts: 15, ..plain() }, |_, _| {}),
        fault("extinf-missing", ll(), |call, answer| {
            if (66_100..66_200).contains(&answer.at) && call.sequence.is_some() || call.now < 60_100 {
                answer.edit(|text| {
                    let last = text.rfind("#EXTINF:2.00000,\n").unwrap();
                    text[..last].to_owned() + &text[last..].replacen("#EXTINF:2.00000,\n", "", 1)
                });
            }
        }),
        fault("sequence-tag-late", plain(), |_, answer| {
            answer.edit(|text| {
                let line =
                    text.lines().find(|line| line.starts_with("#EXT-X-MEDIA-SEQUENCE")).unwrap().to_owned();
                without(&text, "#EXT-X-MEDIA-SEQUENCE") + &line + "\n"
            });
        }),
        fault("segment-tag-late", ll(), |_, answer| {
            answer.edit(|text| {
                let mut lines: Vec<_> = text.lines().collect();
                let date = lines.iter().rposition(|line| line.starts_with("#EXT-X-PROGRAM")).unwrap();
                if lines[date + 1].starts_with("#EXT-X-PART") {
                    lines.swap(date, date + 1);
                }
                lines.join("\n") + "\n"
            });
        }),
        fault("date-range-unanchored", plain(), |_, answer| {
            answer.edit(|text| {
                without(&text, "#EXT-X-PROGRAM")
                    + "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2024-01-01T00:00:00Z\"\n"
            });
        }),
        // Segment 23 is listed and too old to be fetched.
        fault("date-time-drift", plain(), replace!("T00:00:46.000Z", "T00:00:46.500Z")),
        fault("hold-back-short", ll(), replace!(",HOLD-BACK=6.0", ",HOLD-BACK=5.0")),
        fault("skip-boundary-short", ll(), replace!("CAN-SKIP-UNTIL=12.0", "CAN-SKIP-UNTIL=11.0")),
        fault("skip-date-ranges-alone", ll(), replace!("CAN-SKIP-UNTIL=12.0", "CAN-SKIP-DATERANGES=YES")),
        with(fault("not-low-latency", plain(), |_, _| {}), |options| {
            options.low_latency = LowLatency::Require;
        }),
        with(
            fault("part-inf-missing", ll(), |_, answer| {
                answer.edit(|text| without(&text, "#EXT-X-PART-INF"));
            }),
            |o| {
                o.low_latency = LowLatency::Auto;
            },
        ),
        fault("part-hold-back-missing", ll(), replace!("PART-HOLD-BACK=0.6,", "")),
        fault("part-hold-back-short", ll(), replace!("PART-HOLD-BACK=0.6", "PART-HOLD-BACK=0.3")),
        fault("part-hold-back-tight", ll(), replace!("PART-HOLD-BACK=0.6", "PART-HOLD-BACK=0.5")),
        fault("part-duration-exceeded", ll(), replace!("PART-TARGET=0.2", "PART-TARGET=0.19")),
        fault(
            "part-duration-short",
            ll(),
            replace!("PART-TARGET=0.2", "PART-TARGET=0.3"; "PART-HOLD-BACK=0.6", "PART-HOLD-BACK=1.0"),
        ),
        fault("parts-sum", ll(), replace!("#EXTINF:2.00000", "#EXTINF:1.98000")),
        fault("parts-removed-early", ll(), |_, answer| {
            answer.edit(|text| {
                let Some(end) = text.rfind("#EXTINF") else { return text };
                without(&text[..end], "#EXT-X-PART:") + &text[end..]
            });
        }),
        fault("parts-kept-long", Shape { parts_kept: 9, ..ll() }, |_, _| {}),
        fault("preload-hint-missing", ll(), |_, answer| answer.edit(|text| without(&text, "#EXT-X-PRELOAD"))),
        fault("preload-hint-after-end", Shape { ends_ms: Some(66_000), ..ll() }, |_, answer| {
            answer.edit(|text| {
                text.replace(
                    "#EXT-X-ENDLIST\n",
                    "#EXT-X-ENDLIST\n#EXT-X-PRELOAD-HINT:TYPE=MAP,URI=\"vinit.mp4\"\n",
                )
            });
        }),
        fault("date-time-missing", ll(), |_, answer| answer.edit(|text| without(&text, "#EXT-X-PROGRAM"))),
        multivariant(fault("rendition-report-missing", Shape::low_latency(), |_, _| {})),
        multivariant(fault("rendition-report-uri", two(), replace!("REPORT:URI=\"", "REPORT:URI=\"/live/"))),
        multivariant(fault(
            "rendition-report-stale",
            two(),
            replace!("LAST-MSN=3", "LAST-MSN=2"; "LAST-MSN=4", "LAST-MSN=2"),
        )),
    ]
}

fn reloads() -> Vec<Fault> {
    let ll = Shape::low_latency;
    let plain = Shape::plain;
    vec![
        multivariant(fault("playlist-unavailable", two(), |call, answer| {
            if call.file == "audio.m3u8" {
                answer.status = 404;
            }
        })),
        fault("media-sequence-went-back", plain(), |call, answer| {
            if (67_900..68_900).contains(&call.now) {
                let stale = Origin::right(Shape::plain()).render(62_000, false, false);
                answer.edit(|_| stale);
            }
        }),
        fault("playlist-shrank", plain(), |call, answer| {
            if (67_900..68_900).contains(&call.now) {
                answer.edit(|text| {
                    without_last(&without_last(&text, "#EXT-X-PROGRAM", 2), "#EXT-X-PROGRAM", 2)
                });
            }
        }),
        fault("segment-changed", plain(), |call, answer| {
            if call.now > 66_000 {
                answer.edit(|text| text.replace("vs25.mp4", "vs25.mp4?new"));
            }
        }),
        fault("part-changed", ll(), |_, answer| {
            if answer.at > 66_000 {
                answer.edit(|text| text.replace("\"vp32-3.mp4\"", "\"vp32-3.mp4\",INDEPENDENT=YES"));
            }
        }),
        fault("target-duration-changed", plain(), |call, answer| {
            if call.now > 70_000 {
                answer.edit(|text| text.replace("TARGETDURATION:2", "TARGETDURATION:3"));
            }
        }),
        fault("part-target-changed", ll(), |_, answer| {
            answer.edit(|text| text.replace("PART-HOLD-BACK=0.6", "PART-HOLD-BACK=1.0"));
            if answer.at > 70_000 {
                answer.edit(|text| text.replace("PART-TARGET=0.2", "PART-TARGET=0.205"));
            }
        }),
        fault(
            "discontinuity-sequence-wrong",
            Shape { discontinuity: Some(26), ..plain() },
            replace!("DISCONTINUITY-SEQUENCE:1", "DISCONTINUITY-SEQUENCE:0"),
        ),
        fault("window-short", Shape { window: 2, ..plain() }, |_, _| {}),
        fault("playlist-not-updated", plain(), |call, answer| {
            if (66_000..74_000).contains(&call.now) {
                let frozen = Origin::right(Shape::plain()).render(66_000, false, false);
                answer.edit(|_| frozen);
            }
        }),
        fault("changed-after-end", plain(), append!("#EXT-X-PLAYLIST-TYPE:EVENT")),
        fault("blocking-reload-early", ll(), |call, answer| {
            if call.held && call.sequence.is_some() && (66_000..67_000).contains(&call.now) {
                let now = Origin::right(Shape::low_latency()).render(call.now, false, call.skip);
                answer.at = call.now;
                answer.edit(|_| now);
            }
        }),
        fault("blocking-reload-late", ll(), |call, answer| {
            if call.held && call.sequence.is_some() && (66_000..66_150).contains(&call.now) {
                answer.at += 7_000;
                let late = Origin::right(Shape::low_latency()).render(answer.at, false, call.skip);
                answer.edit(|_| late);
            }
        }),
        fault("blocking-reload-slow", ll(), |call, answer| {
            if call.held && call.sequence.is_some() && (66_000..66_150).contains(&call.now) {
                answer.at += 900;
            }
        }),
        fault("blocking-reload-failed", ll(), |call, answer| {
            if call.sequence.is_some() && !call.skip && (66_000..66_150).contains(&call.now) {
                answer.status = 503;
            }
        }),
        fault("too-far-not-refused", ll(), |call, answer| {
            if answer.status == 400 && call.sequence.is_some() {
                answer.status = 200;
            }
        }),
        fault("part-without-segment-not-refused", ll(), |call, answer| {
            if answer.status == 400 && call.sequence.is_none() {
                answer.status = 404;
            }
        }),
        fault("delta-differs", ll(), replace!("SKIPPED-SEGMENTS=4", "SKIPPED-SEGMENTS=5")),
        fault("delta-skips-recent", Shape { skip_ms: 8_000, ..ll() }, |_, _| {}),
        fault("delta-refused", ll(), |call, answer| {
            if call.skip {
                answer.status = 404;
            }
        }),
        fault("delta-never", Shape { window: 12, skip_ms: u64::MAX, ..ll() }, |_, _| {}),
        fault("skip-unasked", Shape { skip_unasked: Some(66_000..66_300), ..ll() }, |_, _| {}),
        fault("hint-failed", ll(), |call, answer| {
            if call.held && call.file.starts_with("vp35") {
                answer.status = 404;
            }
        }),
        fault("hint-unused", ll(), |_, answer| {
            answer.edit(|text| {
                let Some(hint) = text.find("#EXT-X-PRELOAD") else { return text };
                text[..hint].to_owned() + &text[hint..].replace(".mp4\"", ".mp4?hint\"")
            });
        }),
        fault("hint-differs", ll(), |call, answer| {
            if call.held && call.file.starts_with("vp35") {
                answer.body.push(0);
            }
        }),
    ]
}

fn resources() -> Vec<Fault> {
    let ll = Shape::low_latency;
    let plain = Shape::plain;
    let ts = || Shape { ts: true, ..Shape::plain() };
    vec![
        fault("resource-unavailable", plain(), |call, answer| {
            if call.file == "vs33.mp4" {
                answer.status = 404;
            }
        }),
        fault("range-not-honoured", plain(), |call, answer| {
            answer.edit(|text| text.replace("URI=\"vinit.mp4\"", "URI=\"vinit.mp4\",BYTERANGE=\"300@0\""));
            if call.file == "vinit.mp4" {
                answer.status = 200;
                answer.body.resize(400, 0);
            }
        }),
        fault("removed-too-soon", plain(), |call, answer| {
            let number = call.file.strip_prefix("vs").and_then(|rest| rest.strip_suffix(".mp4"));
            let first = Origin::right(Shape::plain()).first(call.now);
            if number.and_then(|number| number.parse::<u64>().ok()).is_some_and(|number| number < first) {
                answer.status = 404;
            }
        }),
        // Parts of segments that no longer list them.
        fault("removed-too-soon", ll(), |call, answer| {
            let number = call.file.strip_prefix("vp").and_then(|rest| rest.split_once('-'));
            let number = number.and_then(|(number, _)| number.parse::<u64>().ok());
            if number.is_some_and(|number| number + 3 < call.now / 2_000) {
                answer.status = 404;
            }
        }),
        fault("map-malformed", ll(), |call, answer| {
            if call.file == "vinit.mp4" {
                answer.body.truncate(100);
            }
        }),
        fault("media-malformed", plain(), |call, answer| {
            if call.file == "vs33.mp4" {
                answer.body.pop();
            }
        }),
        media("track-not-in-map", plain(), |spec| spec.track = if spec.segment == 33 { 9 } else { 1 }),
        media("decode-time-missing", plain(), |spec| spec.tfdt = spec.segment != 33),
        media("decode-time-gap", ll(), |spec| spec.dts += if spec.segment >= 33 { 900 } else { 0 }),
        media("decode-time-gap", plain(), |spec| {
            spec.dts += if spec.segment == 33 && spec.part > 4 { 2 } else { 0 }
        }),
        media("decode-time-gap", ts(), |spec| spec.dts += if spec.segment >= 33 { 8_000 } else { 0 }),
        media("continuity-counter", ts(), |spec| {
            spec.counter_skew = u64::from(spec.segment == 33 && spec.part > 4);
        }),
        fault("segment-without-program", ts(), |call, answer| {
            if call.file == "vs33.ts" {
                answer.body.drain(..188 * 2);
            }
        }),
        fault("segment-duration-wrong", plain(), |_, answer| {
            answer.edit(|text| {
                without(&text, "#EXT-X-PROGRAM").replace("#EXTINF:2.00000,\nvs33", "#EXTINF:1.95000,\nvs33")
            });
        }),
        media("part-duration-wrong", ll(), |spec| match spec.part {
            3 => spec.frames -= 1,
            4 => {
                spec.frames += 1;
                spec.dts -= i64::from(spec.frame_ticks);
            }
            _ => {}
        }),
        fault("date-time-media", plain(), |_, answer| {
            answer.edit(|text| {
                // Some milliseconds more with every segment: no two neighbours are far apart.
                let late = |line: &str| {
                    let seconds: u64 = line.rsplit(':').next()?.strip_suffix(".000Z")?.parse().ok()?;
                    let minute: u64 = line.rsplit(':').nth(1)?.parse().ok()?;
                    let extra = (minute * 60 + seconds) / 2 % 100 * 20;
                    let (head, _) = line.split_once(".000Z")?;
                    (line.starts_with("#EXT-X-PROGRAM") && extra < 1000)
                        .then(|| format!("{head}.{extra:03}Z"))
                };
                text.lines().map(|line| late(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
            });
        }),
        fault("segment-differs-from-parts", ll(), |call, answer| {
            if call.file == "vs33.mp4" {
                *answer.body.last_mut().unwrap() ^= 1;
            }
        }),
        media("segment-not-independent", plain(), |spec| spec.sync = false),
        media("segment-not-independent", ts(), |spec| spec.sync = false),
        fault("part-not-independent", ll(), replace!("-3.mp4\"", "-3.mp4\",INDEPENDENT=YES")),
        fault("independent-not-marked", ll(), replace!(",INDEPENDENT=YES", "")),
    ]
}

fn presentation() -> Vec<Fault> {
    let main = |rule, answer| multivariant(fault(rule, two(), answer));
    vec![
        main("stream-inf-incomplete", replace!("BANDWIDTH=200000,", "")),
        main("codecs-missing", replace!("CODECS=\"avc1.64001f,mp4a.40.2\",", "")),
        main("codecs-malformed", replace!("avc1.64001f", "avc1.64")),
        main("group-missing", replace!("AUDIO=\"aud\"", "AUDIO=\"other\"")),
        main("group-members", |_, answer| {
            answer.edit(|text| {
                let member = text.lines().find(|line| line.starts_with("#EXT-X-MEDIA:")).map(str::to_owned);
                text + &member
                    .map(|line| line.replace("DEFAULT=YES", "DEFAULT=NO") + "\n")
                    .unwrap_or_default()
            });
        }),
        main("bandwidth-exceeded", replace!("BANDWIDTH=200000", "BANDWIDTH=10000")),
        main("server-controls-differ", |call, answer| {
            if call.file == "audio.m3u8" {
                answer.edit(|text| text.replace(",HOLD-BACK=6.0", ",HOLD-BACK=7.0"));
            }
        }),
        multivariant(fault("target-durations-differ", Shape::plain(), |call, answer| {
            if call.file == "audio.m3u8" {
                answer.edit(|text| text.replace("TARGETDURATION:2", "TARGETDURATION:3"));
            }
        })),
    ]
}

fn delivery() -> Vec<Fault> {
    let ll = Shape::low_latency;
    vec![
        fault("content-type", ll(), |call, answer| {
            if call.file.ends_with("m3u8") {
                answer.header("content-type", "text/plain");
            }
        }),
        fault("media-content-type", ll(), |call, answer| {
            if call.file == "vs33.mp4" {
                answer.header("content-type", "text/plain");
            }
        }),
        fault("not-compressed", ll(), |_, answer| {
            answer.headers.retain(|(name, _)| *name != "content-encoding");
        }),
        fault("cached-too-long", ll(), |_, answer| answer.header("cache-control", "max-age=13")),
        with(fault("http-1", ll(), |_, _| {}), |options| {
            options.url = options.url.replace("http:", "https:");
        }),
        with(
            fault("nothing-checked", Shape::plain(), |_, answer| {
                answer.edit(|_| "#EXTM3U\n#EXT-X-TARGETDURATION:2\n".to_owned());
            }),
            |options| options.duration = std::time::Duration::from_secs(2),
        ),
    ]
}

fn all() -> Vec<Fault> {
    [playlists(), reloads(), resources(), presentation(), delivery()].into_iter().flatten().collect()
}

#[test]
fn every_fault_is_found_and_nothing_else() {
    let mut wrong = Vec::new();
    for fault in all() {
        let report = follow(&fault.origin, fault.options);
        if report.rules() != BTreeSet::from([fault.rule]) {
            wrong.push(format!("--- {} gave {:?}\n{report}", fault.rule, report.rules()));
        }
    }
    assert!(wrong.is_empty(), "{} faults\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_rule_has_its_fault() {
    let faults: BTreeSet<_> = all().iter().map(|fault| fault.rule).collect();
    let rules: BTreeSet<_> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(faults, rules);
}
