//! The server's front door: a connection, and the requests that come over it.

use streamer_core::Tracks;
use streamer_core::container::flv::{self, Dialect};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::channel::Channel;
use super::play::Player;
use super::publish::PublishSource;
use crate::error::RtmpError;
use crate::options::{RtmpOptions, Timeouts};
use crate::proto::handshake::Seed;
use crate::proto::mux::{MuxOptions, dialect_for};
use crate::proto::server::{ConnectInfo, PlayRequest, PublishRequest, ServerEvent, ServerSession};
use crate::proto::status::codes;

/// Accepts the connection over `stream`: handshake and `connect`. Nothing is granted by that yet.
///
/// # Errors
/// [`RtmpError`] when the peer does not get that far in time.
pub async fn accept_stream<S>(stream: S, options: &RtmpOptions) -> Result<ServerConnection<S>, RtmpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let session = ServerSession::new(options.session.clone(), random_seed()?);
    let mut channel = Channel::new(stream, session, options.timeouts.write_stall);
    let limit = options.timeouts.handshake;
    let connected = async {
        loop {
            match channel.next_event().await? {
                Some(ServerEvent::Connected(info)) => return Ok(info),
                Some(_) => {}
                None => return Err(RtmpError::Disconnected),
            }
        }
    };
    let late = |_| RtmpError::Timeout { step: "the handshake", timeout: limit };
    let info = timeout(limit, connected).await.map_err(late)??;
    Ok(ServerConnection { channel, info, timeouts: options.timeouts, unannounced: options.unannounced })
}

pub(crate) fn random_seed() -> Result<Seed, RtmpError> {
    let mut seed = Seed::default();
    getrandom::fill(&mut seed).map_err(RtmpError::Random)?;
    Ok(seed)
}

/// A connection that has said where it wants to go.
pub struct ServerConnection<S> {
    pub(crate) channel: Channel<S, ServerSession>,
    info: Box<ConnectInfo>,
    timeouts: Timeouts,
    unannounced: Dialect,
}

/// What a peer asks for.
pub enum Request<'a, S> {
    /// To send media in.
    Publish(Publish<'a, S>),
    /// To get media out.
    Play(Play<'a, S>),
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ServerConnection<S> {
    /// What the peer said of itself.
    #[must_use]
    pub fn info(&self) -> &ConnectInfo {
        &self.info
    }

    /// The next request; `None` when the peer has closed. Another one can come when the one before is over.
    ///
    /// # Errors
    /// [`RtmpError`] when the peer breaks the protocol, or asks for nothing for too long.
    pub async fn request(&mut self) -> Result<Option<Request<'_, S>>, RtmpError> {
        enum Asked {
            Publish(PublishRequest),
            Play(PlayRequest),
        }
        let limit = self.timeouts.request;
        let channel = &mut self.channel;
        let asked = async {
            loop {
                match channel.next_event().await? {
                    Some(ServerEvent::Publish(request)) => return Ok(Some(Asked::Publish(request))),
                    Some(ServerEvent::Play(request)) => return Ok(Some(Asked::Play(request))),
                    Some(_) => {}
                    None => return Ok(None),
                }
            }
        };
        let late = |_| RtmpError::Timeout { step: "a request to publish or play", timeout: limit };
        let asked: Result<_, RtmpError> = timeout(limit, asked).await.map_err(late)?;
        Ok(asked?.map(|asked| match asked {
            Asked::Publish(request) => {
                Request::Publish(Publish { connection: self, request: Box::new(request) })
            }
            Asked::Play(request) => Request::Play(Play { connection: self, request: Box::new(request) }),
        }))
    }

    /// What a player of this connection is sent, given what it announced and the tracks of the stream.
    fn mux_options(&self, message_stream: u32, tracks: &Tracks) -> MuxOptions {
        let capabilities = self.channel.session.capabilities().filter(|announced| announced.is_enhanced());
        let dialect = capabilities.map_or(self.unannounced, |caps| dialect_for(caps, tracks));
        MuxOptions {
            message_stream,
            chunk_size: self.channel.session.chunk_size(),
            media: flv::MuxOptions { dialect, ..flv::MuxOptions::default() },
            for_publish: false,
        }
    }

    /// Ends the connection in an orderly way; a peer that understands is asked to connect again.
    pub(crate) async fn close(&mut self) -> Result<(), RtmpError> {
        self.channel.session.request_reconnect(None, "The server is going away.")?;
        self.channel.shutdown().await
    }
}

/// A request to publish, waiting for a verdict. Dropping it leaves the peer without an answer.
pub struct Publish<'a, S> {
    pub(crate) connection: &'a mut ServerConnection<S>,
    request: Box<PublishRequest>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin + Send> Publish<'a, S> {
    /// What is asked. Names are as the peer sent them.
    #[must_use]
    pub const fn request(&self) -> &PublishRequest {
        &self.request
    }

    /// What the peer said of itself.
    #[must_use]
    pub fn info(&self) -> &ConnectInfo {
        self.connection.info()
    }

    /// Grants it: the media come out of the source returned.
    ///
    /// # Errors
    /// [`RtmpError`] when the connection is gone.
    pub async fn accept(self) -> Result<PublishSource<'a, S>, RtmpError> {
        let message_stream = self.request.message_stream;
        self.connection.channel.session.accept_publish(message_stream)?;
        self.connection.channel.flush().await?;
        let idle = self.connection.timeouts.publish_idle;
        Ok(PublishSource::new(&mut self.connection.channel, message_stream, idle))
    }

    /// Refuses it with one sentence for the peer.
    ///
    /// # Errors
    /// [`RtmpError`] when the connection is gone.
    pub async fn reject(self, reason: &str) -> Result<(), RtmpError> {
        let channel = &mut self.connection.channel;
        channel.session.reject_publish(self.request.message_stream, codes::PUBLISH_BAD_NAME, reason)?;
        channel.flush().await
    }
}

/// A request to play, waiting for a verdict. Dropping it leaves the peer without an answer.
pub struct Play<'a, S> {
    pub(crate) connection: &'a mut ServerConnection<S>,
    /// Boxed, so that a viewer's task does not keep room for it.
    request: Box<PlayRequest>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin + Send> Play<'a, S> {
    /// What is asked. Names are as the peer sent them.
    #[must_use]
    pub const fn request(&self) -> &PlayRequest {
        &self.request
    }

    /// What the peer said of itself.
    #[must_use]
    pub fn info(&self) -> &ConnectInfo {
        self.connection.info()
    }

    /// Grants it: what is sent into the player goes to the peer. `tracks` decide, with what the player
    /// announced, in which dialect.
    ///
    /// # Errors
    /// [`RtmpError`] when the connection is gone.
    pub async fn accept(self, tracks: &Tracks) -> Result<Player<'a, S>, RtmpError> {
        let message_stream = self.request.message_stream;
        let options = self.connection.mux_options(message_stream, tracks);
        self.connection.channel.session.accept_play(message_stream)?;
        self.connection.channel.flush().await?;
        Ok(Player::new(&mut self.connection.channel, options))
    }

    /// Waits until the peer takes the request back: `true` when it may ask for something else, `false` when
    /// it is gone. Cancel safe.
    ///
    /// # Errors
    /// [`RtmpError`] when the peer breaks the protocol.
    pub async fn withdrawn(&mut self) -> Result<bool, RtmpError> {
        loop {
            match self.connection.channel.next_event().await? {
                Some(ServerEvent::StreamClosed { message_stream })
                    if message_stream == self.request.message_stream =>
                {
                    return Ok(true);
                }
                Some(_) => {}
                None => return Ok(false),
            }
        }
    }

    /// Refuses it with one sentence for the peer.
    ///
    /// # Errors
    /// [`RtmpError`] when the connection is gone.
    pub async fn reject(self, reason: &str) -> Result<(), RtmpError> {
        let channel = &mut self.connection.channel;
        channel.session.reject_play(self.request.message_stream, codes::PLAY_STREAM_NOT_FOUND, reason)?;
        channel.flush().await
    }
}
