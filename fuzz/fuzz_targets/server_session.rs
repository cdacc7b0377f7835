//! A whole server session: handshake, chunks, commands, media, whatever the owner's verdicts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use streamer_rtmp::proto::server::{ServerEvent, ServerOptions, ServerSession};
use streamer_rtmp::proto::status::codes;

/// C0, C1 and C2 that any server takes, so that the input begins where the chunk stream does.
fn hello() -> Vec<u8> {
    let mut hello = vec![3];
    hello.resize(1 + 2 * 1536, 0);
    hello
}

fn judge(session: &mut ServerSession, event: &ServerEvent, grant: bool) {
    // A verdict comes too late when the same input took the request back.
    let _ = match event {
        ServerEvent::Connected(_) if grant => session.accept_connect(),
        ServerEvent::Connected(_) => session.reject_connect(codes::CONNECT_REJECTED, "no", None),
        ServerEvent::Publish(request) if grant => session.accept_publish(request.message_stream),
        ServerEvent::Publish(request) => {
            session.reject_publish(request.message_stream, codes::PUBLISH_BAD_NAME, "no")
        }
        ServerEvent::Play(request) if grant => session.accept_play(request.message_stream),
        ServerEvent::Play(request) => {
            session.reject_play(request.message_stream, codes::PLAY_STREAM_NOT_FOUND, "no")
        }
        _ => Ok(()),
    };
}

fuzz_target!(|data: &[u8]| {
    let Some((&policy, data)) = data.split_first() else { return };
    let options = ServerOptions { confirm_connect: policy & 1 != 0, ..ServerOptions::default() };
    let step = usize::from(policy >> 4) * 37 + 1;
    let mut session = ServerSession::new(options, [5; 32]);
    let hello = if policy & 2 != 0 { hello() } else { Vec::new() };
    let mut granted = 0u32;
    for mut piece in hello.chunks(1537).chain(data.chunks(step)) {
        loop {
            let Ok(consumed) = session.handle_input(piece) else { return };
            piece = &piece[consumed..];
            let mut events = 0;
            while let Some(event) = session.poll_event() {
                events += 1;
                granted += 1;
                // Every fourth request is refused when the policy says so.
                judge(&mut session, &event, policy & 4 == 0 || granted % 4 != 0);
            }
            let sent = session.poll_output().is_some();
            if consumed == 0 && events == 0 && !sent {
                // Input may wait only for a verdict, and all were given.
                assert!(piece.is_empty() || session.is_rejected(), "input waits for nothing");
                break;
            }
        }
    }
});
