//! The client's side of the handshake.

use bytes::{BufMut, Bytes, BytesMut};

use super::digest::{self, DIGEST_BYTES, DigestScheme, Signer};
use super::{HandshakeError, MAX_HANDSHAKE_BYTES, PACKET_BYTES, Progress, RTMP_VERSION, Seed, check_version};

/// The version that C1 announces with a digest: the last Flash Player that mattered to servers.
const CLIENT_VERSION: [u8; 4] = [128, 0, 7, 2];

/// Which form the client offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HandshakeMode {
    /// Without digests, as RTMP 1.0 writes it; every server known takes it.
    #[default]
    Plain,
    /// With a digest in C1; C2 falls back to the plain echo when S1 carries no digest.
    Digest(DigestScheme),
}

/// Opens a connection: sends C0 C1, reads S0 S1, sends C2, reads S2.
#[derive(Debug)]
pub struct ClientHandshake {
    seed: Seed,
    own_digest: Option<[u8; DIGEST_BYTES]>,
    state: State,
    scheme: Option<DigestScheme>,
    proved: bool,
    output: BytesMut,
}

#[derive(Debug)]
enum State {
    /// Collecting S0 and S1.
    Hello(Vec<u8>),
    /// Collecting S2.
    Echo(Vec<u8>),
    Done,
}

impl ClientHandshake {
    /// A handshake whose C0 and C1 are ready to be polled.
    pub fn new(seed: Seed, mode: HandshakeMode) -> Self {
        let mut c1 = [0u8; PACKET_BYTES];
        super::fill_random(&seed, &mut c1[8..]);
        let own_digest = match mode {
            HandshakeMode::Plain => None,
            HandshakeMode::Digest(scheme) => {
                c1[4..8].copy_from_slice(&CLIENT_VERSION);
                Some(digest::sign_packet(&mut c1, scheme, Signer::Client))
            }
        };
        let mut output = BytesMut::with_capacity(1 + PACKET_BYTES);
        output.put_u8(RTMP_VERSION);
        output.extend_from_slice(&c1);
        Self { seed, own_digest, state: State::Hello(Vec::new()), scheme: None, proved: false, output }
    }

    /// Takes bytes of the server, chopped in any way. Bytes after S2 are left alone.
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
                    let Some(s1) = hello.get(1..).and_then(|packet| packet.try_into().ok()) else { break };
                    let found = self.own_digest.and_then(|_| digest::find_digest(s1, Signer::Server));
                    let c2 = answer(&self.seed, s1, found.as_ref().map(|(_, digest)| digest));
                    self.scheme = found.map(|(scheme, _)| scheme);
                    self.output.extend_from_slice(&c2);
                    self.state = State::Echo(Vec::new());
                }
                State::Echo(echo) => {
                    let take = rest.len().min(PACKET_BYTES - echo.len());
                    echo.extend_from_slice(&rest[..take]);
                    rest = &rest[take..];
                    let Ok(s2) = echo.as_slice().try_into() else { break };
                    self.proved =
                        self.own_digest.is_some_and(|own| digest::check_proof(s2, &own, Signer::Server));
                    self.state = State::Done;
                }
                State::Done => break,
            }
        }
        let done = matches!(self.state, State::Done);
        Ok(Progress { consumed: input.len() - rest.len(), done })
    }

    /// Bytes to send to the server, if any are ready.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        (!self.output.is_empty()).then(|| self.output.split().freeze())
    }

    /// The scheme of the digest found in S1; `None` when the server answered in the plain form.
    pub fn server_scheme(&self) -> Option<DigestScheme> {
        self.scheme
    }

    /// Whether S2 proved that the server read our digest. A server that fails to is not refused: the proof
    /// rests on published keys and guards nothing.
    pub fn server_proved(&self) -> bool {
        self.proved
    }
}

fn answer(
    seed: &Seed,
    s1: &[u8; PACKET_BYTES],
    server_digest: Option<&[u8; DIGEST_BYTES]>,
) -> [u8; PACKET_BYTES] {
    let Some(server_digest) = server_digest else { return *s1 };
    let mut c2 = [0u8; PACKET_BYTES];
    let mut other = *seed;
    other[0] ^= 0x80;
    super::fill_random(&other, &mut c2);
    digest::sign_proof(&mut c2, server_digest, Signer::Client);
    c2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_digests_gets_the_plain_echo() {
        let mut client = ClientHandshake::new([4; 32], HandshakeMode::Digest(DigestScheme::First));
        assert_eq!(client.poll_output().unwrap().len(), 1 + PACKET_BYTES);
        let mut input = vec![9u8; 1 + 2 * PACKET_BYTES];
        input[0] = 3;
        let progress = client.handle_input(&input).unwrap();
        assert_eq!(progress, Progress { consumed: input.len(), done: true });
        assert_eq!(client.poll_output().unwrap(), input[1..=PACKET_BYTES]);
        assert_eq!(client.server_scheme(), None);
        assert!(!client.server_proved());
    }

    #[test]
    fn the_plain_form_announces_version_zero() {
        let mut client = ClientHandshake::new([4; 32], HandshakeMode::Plain);
        let output = client.poll_output().unwrap();
        assert_eq!(output[0], RTMP_VERSION);
        assert_eq!(output[5..9], [0; 4]);
    }
}
