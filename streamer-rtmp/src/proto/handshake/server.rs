//! The server's side of the handshake.

use bytes::{BufMut, Bytes, BytesMut};

use super::digest::{self, DigestScheme, Signer};
use super::{HandshakeError, MAX_HANDSHAKE_BYTES, PACKET_BYTES, Progress, RTMP_VERSION, Seed, check_version};

/// Answers a client: waits for C0 and C1, sends S0 S1 S2 at once, then swallows C2.
///
/// S0 and S1 wait for the whole of C1 (RTMP 1.0 section 5.2.1 allows it) because the form of S1 follows from it.
/// What C2 holds is not checked: clients are known to send anything there, and it guards nothing.
#[derive(Debug)]
pub struct ServerHandshake {
    seed: Seed,
    state: State,
    scheme: Option<DigestScheme>,
    output: Option<Bytes>,
}

#[derive(Debug)]
enum State {
    /// Collecting C0 and C1.
    Hello(Vec<u8>),
    /// Counting down C2.
    Echo {
        left: usize,
    },
    Done,
}

impl ServerHandshake {
    /// A handshake that will fill its packets with randomness grown from `seed`.
    pub fn new(seed: Seed) -> Self {
        Self { seed, state: State::Hello(Vec::new()), scheme: None, output: None }
    }

    /// Takes bytes of the client, chopped in any way. Bytes after C2 are left alone.
    ///
    /// # Errors
    /// [`HandshakeError`] as soon as the version byte is not 3.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<Progress, HandshakeError> {
        let mut rest = input;
        loop {
            match &mut self.state {
                State::Hello(hello) => {
                    let take = rest.len().min(MAX_HANDSHAKE_BYTES - hello.len());
                    hello.extend_from_slice(&rest[..take]);
                    rest = &rest[take..];
                    if let Some(version) = hello.first() {
                        check_version(*version)?;
                    }
                    let Some(packet) = hello.get(1..).and_then(|packet| packet.try_into().ok()) else {
                        break;
                    };
                    let (scheme, output) = answer(&self.seed, packet);
                    self.scheme = scheme;
                    self.output = Some(output);
                    self.state = State::Echo { left: PACKET_BYTES };
                }
                State::Echo { left } => {
                    let take = rest.len().min(*left);
                    *left -= take;
                    rest = &rest[take..];
                    if *left > 0 {
                        break;
                    }
                    self.state = State::Done;
                }
                State::Done => break,
            }
        }
        let done = matches!(self.state, State::Done);
        Ok(Progress { consumed: input.len() - rest.len(), done })
    }

    /// Bytes to send to the client, if any are ready.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        self.output.take()
    }

    /// Where the client hid its digest; `None` for the plain handshake or before C1 is complete.
    pub fn digest_scheme(&self) -> Option<DigestScheme> {
        self.scheme
    }
}

/// The version that S1 announces with a digest; clients take the digest form for granted when the major is 3 or more.
const SERVER_VERSION: [u8; 4] = [4, 5, 0, 1];

fn answer(seed: &Seed, c1: &[u8; PACKET_BYTES]) -> (Option<DigestScheme>, Bytes) {
    // A version of zero is the plain form of RTMP 1.0 section 5.2.3; digests come with a player's version.
    let found = if c1[4..8] == [0; 4] { None } else { digest::find_digest(c1, Signer::Client) };
    let mut s1 = [0u8; PACKET_BYTES];
    super::fill_random(seed, &mut s1[8..]);
    let s2 = match &found {
        Some((scheme, client_digest)) => {
            s1[4..8].copy_from_slice(&SERVER_VERSION);
            digest::sign_packet(&mut s1, *scheme, Signer::Server);
            let mut s2 = [0u8; PACKET_BYTES];
            let mut other = *seed;
            other[0] ^= 0x80;
            super::fill_random(&other, &mut s2);
            digest::sign_proof(&mut s2, client_digest, Signer::Server);
            s2
        }
        // An exact echo, time2 included: some clients compare all 1536 bytes.
        None => *c1,
    };
    let mut output = BytesMut::with_capacity(1 + 2 * PACKET_BYTES);
    output.put_u8(RTMP_VERSION);
    output.extend_from_slice(&s1);
    output.extend_from_slice(&s2);
    (found.map(|(scheme, _)| scheme), output.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_answer_echoes_the_client() {
        let mut server = ServerHandshake::new([3; 32]);
        let mut input = vec![3u8];
        input.extend((0..PACKET_BYTES).map(|at| if (4..8).contains(&at) { 0 } else { at as u8 }));
        assert_eq!(server.handle_input(&input[..700]).unwrap(), Progress { consumed: 700, done: false });
        assert_eq!(server.poll_output(), None);
        assert_eq!(server.handle_input(&input[700..]).unwrap(), Progress { consumed: 837, done: false });
        let output = server.poll_output().unwrap();
        assert_eq!(output.len(), 1 + 2 * PACKET_BYTES);
        assert_eq!(output[0], 3);
        assert_eq!(output[5..9], [0; 4]);
        assert_eq!(output[1 + PACKET_BYTES..], input[1..]);
    }

    #[test]
    fn bytes_behind_c2_stay_with_the_caller() {
        let mut server = ServerHandshake::new([3; 32]);
        let mut input = vec![0u8; 1 + 2 * PACKET_BYTES + 40];
        input[0] = 3;
        let progress = server.handle_input(&input).unwrap();
        assert_eq!(progress, Progress { consumed: 1 + 2 * PACKET_BYTES, done: true });
        assert_eq!(server.handle_input(&[1, 2]).unwrap(), Progress { consumed: 0, done: true });
    }

    #[test]
    fn a_version_without_a_digest_falls_back_to_plain() {
        let mut server = ServerHandshake::new([3; 32]);
        let mut input = vec![7u8; 1 + PACKET_BYTES];
        input[0] = 3;
        server.handle_input(&input).unwrap();
        assert_eq!(server.digest_scheme(), None);
        assert_eq!(server.poll_output().unwrap()[1 + PACKET_BYTES..], input[1..]);
    }
}
