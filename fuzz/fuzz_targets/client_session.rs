//! A whole client session, as publisher and as player, against a server that says anything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use streamer_rtmp::proto::client::{ClientOptions, ClientSession, Purpose};
use streamer_rtmp::proto::command::PublishKind;
use streamer_rtmp::proto::url::RtmpUrl;

/// S0, S1 and S2 of a plain handshake, so that the input begins where the chunk stream does.
fn hello() -> Vec<u8> {
    let mut hello = vec![3];
    hello.resize(1 + 2 * 1536, 0);
    hello
}

fuzz_target!(|data: &[u8]| {
    let Some((&policy, data)) = data.split_first() else { return };
    let Ok(url) = "rtmp://127.0.0.1/live/test".parse::<RtmpUrl>() else { return };
    let step = usize::from(policy >> 4) * 37 + 1;
    for purpose in [Purpose::Publish(PublishKind::Live), Purpose::Play { buffer_ms: 1000 }] {
        let mut session = ClientSession::new(ClientOptions::new(&url, purpose), [5; 32]);
        let hello = if policy & 2 != 0 { hello() } else { Vec::new() };
        'input: for mut piece in hello.chunks(1537).chain(data.chunks(step)) {
            loop {
                let Ok(consumed) = session.handle_input(piece) else { break 'input };
                piece = &piece[consumed..];
                let mut events = 0;
                while session.poll_event().is_some() {
                    events += 1;
                }
                let sent = session.poll_output().is_some();
                if consumed == 0 && events == 0 && !sent {
                    assert!(piece.is_empty(), "input waits for nothing");
                    break;
                }
            }
        }
        let _ = session.finish();
    }
});
