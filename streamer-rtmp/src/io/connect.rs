//! Reaching a server: address, local address, TLS, the session up to its consent, redirects.

use std::net::{IpAddr, SocketAddr};

use streamer_net::{ClientTls, Stream};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

use super::channel::Channel;
use super::server::random_seed;
use crate::error::RtmpError;
use crate::options::{ClientOptions, MAX_REDIRECTS};
use crate::proto::capabilities::Capabilities;
use crate::proto::client::{ClientEvent, ClientOptions as SessionOptions, ClientSession, Purpose};
use crate::proto::url::RtmpUrl;

/// A connection on which media may flow.
pub(crate) struct Connected {
    pub(crate) channel: Channel<Stream, ClientSession>,
    pub(crate) message_stream: u32,
    /// What the server announced of Enhanced RTMP.
    pub(crate) capabilities: Capabilities,
    /// Where the connection ended up, redirects followed.
    pub(crate) url: RtmpUrl,
}

impl Connected {
    /// Where a reconnect request leads: `tc_url` where it names a place, else here again.
    pub(crate) fn elsewhere(&self, tc_url: Option<&str>) -> Result<RtmpUrl, RtmpError> {
        Ok(match tc_url {
            Some(tc_url) => self.url.with_tc_url(tc_url)?,
            None => self.url.clone(),
        })
    }
}

/// Connects to `url` for `purpose`.
pub(crate) async fn connect(
    url: &RtmpUrl,
    purpose: Purpose,
    options: &ClientOptions,
) -> Result<Connected, RtmpError> {
    let mut url = url.clone();
    for _ in 0..=MAX_REDIRECTS {
        let limit = options.timeouts.connect;
        let late = |_| RtmpError::Timeout { step: "connecting", timeout: limit };
        match timeout(limit, Box::pin(connect_once(&url, purpose, options))).await.map_err(late)?? {
            Verdict::Accepted(connected) => return Ok(*connected),
            Verdict::Elsewhere(next) => {
                tracing::info!(from = %url, to = %next, "the server sends us elsewhere");
                url = next;
            }
        }
    }
    Err(RtmpError::TooManyRedirects { max: MAX_REDIRECTS })
}

enum Verdict {
    Accepted(Box<Connected>),
    Elsewhere(RtmpUrl),
}

async fn connect_once(
    url: &RtmpUrl,
    purpose: Purpose,
    options: &ClientOptions,
) -> Result<Verdict, RtmpError> {
    let stream = open(url, options).await?;
    let session_options =
        SessionOptions { capabilities: options.capabilities.clone(), ..SessionOptions::new(url, purpose) };
    let session = ClientSession::new(session_options, random_seed()?);
    let mut channel = Channel::new(stream, session, options.timeouts.write_stall);
    let mut capabilities = Capabilities::default();
    loop {
        match channel.next_event().await? {
            Some(ClientEvent::Connected(announced)) => capabilities = announced,
            Some(ClientEvent::Ready { message_stream }) => {
                let url = url.clone();
                let connected = Connected { channel, message_stream, capabilities, url };
                return Ok(Verdict::Accepted(Box::new(connected)));
            }
            Some(ClientEvent::Rejected { redirect: Some(redirect), .. }) => {
                return Ok(Verdict::Elsewhere(redirect.resolve(url)?));
            }
            Some(
                ClientEvent::Rejected { code, description, .. } | ClientEvent::Ended { code, description },
            ) => {
                return Err(rejected(&code, &description));
            }
            Some(_) => {}
            None => return Err(RtmpError::Disconnected),
        }
    }
}

/// A refusal, its words made safe for a log: the other server chose them.
pub(crate) fn rejected(code: &str, description: &str) -> RtmpError {
    let safe = |text: &str| text.escape_debug().take(MAX_REASON_CHARS).collect();
    RtmpError::Rejected { code: safe(code), description: safe(description) }
}

/// Characters kept of what a server says of its refusal: it ends up in logs and in the API.
const MAX_REASON_CHARS: usize = 256;

async fn open(url: &RtmpUrl, options: &ClientOptions) -> Result<Stream, RtmpError> {
    let addresses = lookup_host((url.host.as_str(), url.port)).await?;
    let mut failure = RtmpError::NoAddress { host: url.host.clone() };
    for address in addresses {
        match open_tcp(address, options.local_address).await {
            Ok(tcp) => {
                tcp.set_nodelay(true)?;
                if !(url.tls || options.force_tls) {
                    return Ok(tcp.into());
                }
                let tls = match &options.tls {
                    Some(tls) => tls.clone(),
                    None => ClientTls::system()?,
                };
                return Ok(tls.connect(&url.host, tcp).await?);
            }
            Err(error) => failure = error.into(),
        }
    }
    Err(failure)
}

async fn open_tcp(address: SocketAddr, local: Option<IpAddr>) -> std::io::Result<TcpStream> {
    let Some(local) = local else { return TcpStream::connect(address).await };
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(local, 0))?;
    socket.connect(address).await
}
