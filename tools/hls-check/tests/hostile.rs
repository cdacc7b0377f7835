//! Whatever a server answers, the checker goes on and says what it thinks of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

mod support;

use std::time::Duration;

use hls_check::{Asked, Checker, LowLatency, Observation, Resource, Response, What};
use proptest::prelude::*;
use support::origin::{Origin, Shape};

const URL: &str = "http://origin.test/live/video.m3u8";

/// What happens to one line of a right playlist.
#[derive(Clone, Debug)]
enum Change {
    Drop,
    Twice,
    Number(String),
    Cut(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let numbers =
        ["0", "1", "18446744073709551615", "9223372036854775807", "999999.999999", "-1", "1e300", ""];
    prop_oneof![
        Just(Change::Drop),
        Just(Change::Twice),
        prop::sample::select(numbers.to_vec()).prop_map(|number| Change::Number(number.to_owned())),
        (0_usize..60).prop_map(Change::Cut),
    ]
}

/// Puts `number` where the first number of the line's value is.
fn renumber(line: &str, number: &str) -> String {
    let Some((head, value)) = line.split_once([':', '=']) else { return line.to_owned() };
    let separator = &line[head.len()..=head.len()];
    let rest = value.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    format!("{head}{separator}{number}{rest}")
}

fn changed(text: &str, changes: &[(prop::sample::Index, Change)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (index, change) in changes {
        let at = index.index(lines.len());
        match change {
            Change::Drop if lines.len() > 1 => {
                lines.remove(at);
            }
            Change::Drop => {}
            Change::Twice => lines.insert(at, lines[at].clone()),
            Change::Number(number) => lines[at] = renumber(&lines[at], number),
            Change::Cut(length) => lines[at].truncate(*length),
        }
    }
    lines.join("\n")
}

fn seen(what: What, url: &str, body: Vec<u8>, at: u64) -> Observation {
    let at = Duration::from_millis(at);
    let headers = vec![("content-type".to_owned(), "video/mp4".to_owned())];
    let response =
        Response { status: Some(200), headers, body: body.into(), sent: at, done: at, ..Response::default() };
    let resource = Resource { url: url.to_owned(), start: 0, length: None, open_range: false };
    Observation { playlist: URL.to_owned(), what, resource, response }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_sequence_of_answers_makes_it_panic(
        loads in prop::collection::vec(
            (0_u64..3_000, any::<bool>(), prop::option::of(0_u64..60), prop::collection::vec((any::<prop::sample::Index>(), change()), 0..4)),
            1..12,
        ),
        ts in any::<bool>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let origin = Origin::right(Shape { ts, reports: true, ..Shape::low_latency() });
        let mut checker = Checker::new(LowLatency::Require);
        let mut at = 0;
        for (wait, skip, sequence, changes) in loads {
            at += wait;
            let text = changed(&origin.render(60_000 + at, false, skip), &changes);
            let asked = Asked { sequence, part: sequence, skip };
            checker.observe(&seen(What::Playlist(asked), URL, text.into_bytes(), at));
            for want in checker.wants(URL) {
                let file = want.resource.url.rsplit('/').next().unwrap_or_default().to_owned();
                let call = support::origin::Call { file, now: 90_000, ..Default::default() };
                let mut body = origin.respond(&call).body;
                for (index, byte) in &flips {
                    if !body.is_empty() {
                        let index = index.index(body.len());
                        body[index] = *byte;
                    }
                }
                checker.observe(&seen(want.what, &want.resource.url, body, at));
            }
            checker.next(URL);
            checker.refusals(URL);
        }
        checker.finish();
    }
}
