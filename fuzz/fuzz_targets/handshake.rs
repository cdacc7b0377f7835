//! Both sides of the RTMP handshake; the chopping of the bytes changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use streamer_rtmp::proto::handshake::{ClientHandshake, DigestScheme, HandshakeMode, ServerHandshake};

fuzz_target!(|data: &[u8]| {
    let Some((&step, data)) = data.split_first() else { return };
    let step = usize::from(step) * 8 + 1;

    let mut whole = ServerHandshake::new([7; 32]);
    let at_once = whole.handle_input(data);
    let mut chopped = ServerHandshake::new([7; 32]);
    let (mut consumed, mut failed) = (0, false);
    for piece in data.chunks(step) {
        match chopped.handle_input(piece) {
            Ok(progress) => consumed += progress.consumed,
            Err(_) => {
                failed = true;
                break;
            }
        }
    }
    assert_eq!(at_once.is_err(), failed);
    if let Ok(progress) = at_once {
        assert_eq!(progress.consumed, consumed);
        assert_eq!(whole.poll_output(), chopped.poll_output());
        assert_eq!(whole.digest_scheme(), chopped.digest_scheme());
    }

    for mode in [HandshakeMode::Plain, HandshakeMode::Digest(DigestScheme::First)] {
        let mut client = ClientHandshake::new([9; 32], mode);
        for piece in data.chunks(step) {
            if !client.handle_input(piece).is_ok_and(|progress| !progress.done) {
                break;
            }
        }
        let _ = (client.poll_output(), client.server_proved());
    }
});
