//! Kills the program 200 times at random moments while it is written to over REST: what is read afterwards is the last
//! write that was acknowledged, or the one in flight; never an older one, and never half of one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what it expects by failing"
)]

mod support;

use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use streamer_daemon::testing::RunningDaemon;

use support::{Api, START, start, ttsm};

const KILLS: u32 = 200;
/// One kill of so many hits a start, the others hit writes.
const STARTS: u32 = 5;
/// Longest time from the first write to the kill: some writes.
const LONGEST_WRITING: Duration = Duration::from_millis(40);
/// Longest time from a start to the kill: about what it takes.
const LONGEST_STARTING: Duration = Duration::from_millis(80);

/// Numbers of which the same seed gives the same (`SplitMix64`).
struct Random(u64);

impl Random {
    fn below(&mut self, longest: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        longest.mul_f64((mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64)
    }
}

/// Kills it after `moment`.
fn kill_after(moment: Duration, mut manager: RunningDaemon) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        // The moment is the point.
        thread::sleep(moment);
        manager.kill().unwrap();
    })
}

/// The fields that each write changes together: a torn one would have them differ.
fn numbered(number: u64) -> Value {
    json!({ "max_viewers": number, "grace_ms": number, "wait_for_publisher_ms": number })
}

/// The number of the write that is there, after looking whether all of it is.
async fn read(api: &Api) -> u64 {
    let (status, answer) = api.call("GET", "/v1/app/live", None).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    let app = &answer["data"];
    let number = app["max_viewers"].as_u64().unwrap();
    for (field, value) in numbered(number).as_object().unwrap() {
        assert_eq!(&app[field], value, "{app}");
    }
    number
}

/// Writes one number after the other until there is no answer; the last that was acknowledged.
async fn write(api: &Api, mut acknowledged: u64) -> u64 {
    loop {
        let Ok((status, answer)) = api.call("PATCH", "/v1/app/live", Some(&numbered(acknowledged + 1))).await
        else {
            return acknowledged;
        };
        assert_eq!(status, 200, "{answer}");
        acknowledged += 1;
    }
}

async fn kill_again_and_again(folder: &Path, random: &mut Random) {
    let mut manager = start(folder);
    let mut api = Api::of(folder);
    let (status, answer) = api.call("PATCH", "/v1/app/live", Some(&numbered(1))).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    let (mut acknowledged, mut kept) = (1, 0);
    for kill in 0..KILLS {
        let possible = if kill % STARTS == 0 {
            manager.kill().unwrap();
            let starting = RunningDaemon::spawn(ttsm(folder).args(START)).unwrap();
            kill_after(random.below(LONGEST_STARTING), starting).join().unwrap();
            acknowledged
        } else {
            let killer = kill_after(random.below(LONGEST_WRITING), manager);
            acknowledged = write(&api, acknowledged).await;
            killer.join().unwrap();
            acknowledged + 1
        };
        manager = start(folder);
        api.origin = format!("http://{}", support::rest(folder));
        let found = read(&api).await;
        assert!(
            found == acknowledged || found == possible,
            "kill {kill}: write {found} is there, {acknowledged} was acknowledged last"
        );
        kept += u32::from(found > acknowledged);
        acknowledged = found;
    }
    assert!(acknowledged > u64::from(KILLS / 2), "only {acknowledged} writes, {kept} of them in flight");
}

#[test]
fn every_kill_leaves_the_last_write_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    support::write(folder.path(), &json!({}));
    let seed = getrandom::u64().unwrap();
    // Shown where the test fails.
    println!("seed {seed}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(kill_again_and_again(folder.path(), &mut Random(seed)));
}
