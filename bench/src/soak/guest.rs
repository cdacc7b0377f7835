//! One guest: a connection that comes, does what its kind does, and is gone before long.

use std::io;
use std::time::Duration;

use mio::{Registry, Token};
use thiserror::Error;

use super::dice::Dice;
use super::kind::Kind;
use super::malformed::{Malformed, Port};
use crate::connection::Connection;
use crate::hls::follower::{Follower, Playlist, Step};
use crate::http::{AnswerError, FlvClient, FlvError};
use crate::publisher::{PublishError, Publisher, Target};
use crate::rtmp::{HANDSHAKE_BYTES, Role, RtmpClient, SessionError};

/// Status line of an answer, as far as it is looked at: `HTTP/1.1 200`.
const STATUS_BYTES: usize = 12;

/// How a guest leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// With the commands of its protocol, then a FIN.
    Orderly,
    /// With a FIN in the middle of whatever it is doing.
    Abruptly,
    /// With a reset.
    Reset,
}

/// Why a guest is there no more, or has never come.
#[derive(Debug, Error)]
pub(super) enum Gone {
    #[error(transparent)]
    Socket(#[from] io::Error),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Rtmp(#[from] SessionError),
    #[error(transparent)]
    Flv(#[from] FlvError),
    #[error(transparent)]
    Answer(#[from] AnswerError),
    #[error("answered: {0}")]
    Status(String),
    #[error("nothing to follow")]
    NothingListed,
}

impl Gone {
    /// Whether nobody listens where the server should.
    pub(super) fn is_unreachable(&self) -> bool {
        let (Self::Socket(error) | Self::Publish(PublishError::Socket(error))) = self else { return false };
        error.kind() == io::ErrorKind::ConnectionRefused
    }
}

/// The guest.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) kind: Kind,
    doing: Doing,
    /// When it is to leave, on the clock of the run.
    pub(super) leaves: Duration,
    /// Whether it has had what it came for.
    pub(super) served: bool,
}

#[derive(Debug)]
enum Doing {
    Publishing(Box<Publisher>),
    Other { connection: Connection, conversation: Conversation },
}

#[derive(Debug)]
enum Conversation {
    Rtmp(Box<RtmpClient>),
    Flv(Box<FlvClient>),
    /// An answer without end, of which only the status line is looked at.
    Answer(Vec<u8>),
    Hls {
        follower: Box<Follower>,
        next: Option<(Duration, String)>,
    },
    /// Whatever comes is dropped.
    Deaf,
    /// Whatever comes stays in the socket.
    Stalled,
}

impl Guest {
    /// Begins to connect; `target` names the stream that is published or watched.
    pub(super) fn open(
        kind: Kind,
        registry: &Registry,
        token: Token,
        target: &Target,
        malformed: &Malformed,
        dice: &mut Dice,
        leaves: Duration,
    ) -> Result<Self, Gone> {
        if matches!(kind, Kind::Flapping | Kind::Returning) {
            let publisher = Box::new(Publisher::open(registry, token, target)?);
            return Ok(Self { kind, doing: Doing::Publishing(publisher), leaves, served: false });
        }
        let Target { app, stream, .. } = target;
        let mut out = Vec::new();
        let flv = |websocket, out: &mut Vec<u8>| FlvClient::new(websocket, &target.flv_path, out);
        let hls = |playlist, out: &mut Vec<u8>| Conversation::Hls {
            follower: Box::new(Follower::new(playlist, app, stream, out)),
            next: None,
        };
        let (address, conversation) = match kind {
            Kind::Flapping | Kind::Returning | Kind::Rtmp | Kind::StalledRtmp => {
                let client = Box::new(RtmpClient::new(Role::Play, app, stream, &mut out));
                (target.rtmp, Conversation::Rtmp(client))
            }
            Kind::HttpFlv => (target.http, Conversation::Flv(Box::new(flv(false, &mut out)))),
            Kind::WsFlv => (target.http, Conversation::Flv(Box::new(flv(true, &mut out)))),
            Kind::HttpTs => {
                let head = format!("GET /{app}/{stream}/play.ts HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
                out.extend_from_slice(head.as_bytes());
                (target.http, Conversation::Answer(Vec::new()))
            }
            Kind::HlsSegments => (target.http, hls(Playlist::Segments, &mut out)),
            Kind::HlsParts => (target.http, hls(Playlist::Parts, &mut out)),
            Kind::StalledFlv => {
                flv(false, &mut out);
                (target.http, Conversation::Stalled)
            }
            Kind::HalfOpenRtmp => {
                // From nothing at all to a whole handshake after which nothing is asked for.
                out.push(3);
                out.resize(1 + 2 * HANDSHAKE_BYTES, 0);
                out.truncate(dice.below(out.len() + 1));
                (target.rtmp, Conversation::Deaf)
            }
            Kind::HalfOpenHttp => {
                let head =
                    format!("GET /{app}/{stream}/play.flv HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n");
                out.extend_from_slice(&head.as_bytes()[..dice.below(head.len() + 1)]);
                (target.http, Conversation::Deaf)
            }
            Kind::Malformed => {
                let (port, bytes) = malformed.pick(dice);
                out = bytes;
                (if port == Port::Rtmp { target.rtmp } else { target.http }, Conversation::Deaf)
            }
        };
        let connection = Connection::open(registry, token, address, out)?;
        Ok(Self { kind, doing: Doing::Other { connection, conversation }, leaves, served: false })
    }

    /// The socket is ready.
    pub(super) fn on_ready(
        &mut self,
        writable: bool,
        readable: bool,
        now: Duration,
        buffer: &mut [u8],
    ) -> Result<(), Gone> {
        let (connection, conversation) = match &mut self.doing {
            Doing::Publishing(publisher) => {
                publisher.on_ready(writable, readable, now)?;
                self.served |= publisher.is_publishing();
                return Ok(());
            }
            Doing::Other { connection, conversation } => (connection, conversation),
        };
        if writable {
            connection.on_writable()?;
        }
        while readable && !conversation.has_stalled(self.kind, self.served) {
            let Some(length) = connection.read(buffer)? else { break };
            conversation.take(&buffer[..length], &mut connection.out, now, &mut self.served)?;
            connection.flush()?;
            if length < buffer.len() {
                break;
            }
        }
        Ok(())
    }

    /// Does what is due by the clock alone.
    pub(super) fn on_time(&mut self, clock: impl Fn() -> Duration) -> Result<(), Gone> {
        match &mut self.doing {
            Doing::Publishing(publisher) => publisher.publish_due(clock)?,
            Doing::Other { connection, conversation: Conversation::Hls { follower, next } } => {
                if let Some((_, path)) = next.take_if(|(due, _)| *due <= clock()) {
                    follower.ask(path, &mut connection.out);
                    connection.flush()?;
                }
            }
            Doing::Other { .. } => {}
        }
        Ok(())
    }

    /// Leaves. What goes wrong in that is of no interest to one who is gone.
    pub(super) fn leave(mut self, manner: Manner) {
        let _ = match (&mut self.doing, manner) {
            (Doing::Publishing(publisher), Manner::Orderly) => publisher.end().map_err(Gone::from),
            (Doing::Publishing(publisher), Manner::Reset) => publisher.end_by_reset().map_err(Gone::from),
            (Doing::Other { connection, .. }, Manner::Reset) => connection.end_by_reset().map_err(Gone::from),
            _ => Ok(()),
        };
    }
}

impl Conversation {
    /// Whether nothing more is read: at once, or once there was media.
    fn has_stalled(&self, kind: Kind, served: bool) -> bool {
        matches!(self, Self::Stalled) || (kind == Kind::StalledRtmp && served)
    }

    fn take(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        now: Duration,
        served: &mut bool,
    ) -> Result<(), Gone> {
        match self {
            Self::Rtmp(client) => client.handle_input(input, out, &mut |_| *served = true)?,
            Self::Flv(client) => client.handle_input(input, &mut |_| *served = true)?,
            Self::Answer(status) => {
                let wanted = (STATUS_BYTES - status.len()).min(input.len());
                status.extend_from_slice(&input[..wanted]);
                if status.len() == STATUS_BYTES && !status.ends_with(b" 200") {
                    return Err(Gone::Status(String::from_utf8_lossy(status).into_owned()));
                }
                // The head comes alone or with media; what comes later is media.
                *served |= wanted < input.len();
            }
            Self::Hls { follower, next } => {
                match follower.handle_input(input)? {
                    None => {}
                    Some(Step::Ask(path)) => follower.ask(path, out),
                    Some(Step::AskAfter(time, path)) => *next = Some((now + time, path)),
                    Some(Step::Nothing) => return Err(Gone::NothingListed),
                }
                *served |= follower.pieces > 0;
            }
            Self::Deaf | Self::Stalled => {}
        }
        Ok(())
    }
}
