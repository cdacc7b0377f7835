//! The RTMP chunk stream, its control messages and commands; the chopping of the bytes changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use streamer_rtmp::proto::chunk::{ChunkReader, Message, ReaderLimits};
use streamer_rtmp::proto::command::Command;
use streamer_rtmp::proto::message::ControlMessage;

/// The messages of `pieces`, and whether the stream broke.
fn read<'a>(limits: ReaderLimits, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Message>, bool) {
    let mut reader = ChunkReader::new(limits);
    let mut messages = Vec::new();
    for mut piece in pieces {
        loop {
            match reader.read(&mut piece) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(_) => return (messages, true),
            }
            assert!(reader.pending_bytes() <= limits.max_pending_bytes);
        }
    }
    (messages, false)
}

fuzz_target!(|data: &[u8]| {
    let Some((&step, data)) = data.split_first() else { return };
    for limits in [ReaderLimits::BEFORE_PUBLISH, ReaderLimits::PUBLISHING] {
        let whole = read(limits, std::iter::once(data));
        let chopped = read(limits, data.chunks(usize::from(step) + 1));
        assert_eq!(whole, chopped);
        for message in &whole.0 {
            let _ = ControlMessage::parse(message);
            if let Ok(Some(command)) = Command::parse(message.kind, &message.payload) {
                let _ = command.encode();
            }
        }
    }
});
