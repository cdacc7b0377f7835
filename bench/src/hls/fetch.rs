//! Single requests, each on a connection of its own, before a run begins.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use thiserror::Error;

use crate::http::{AnswerError, Exchange};

/// A server may hold the first request for a playlist until there is one: a few GOPs.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum FetchError {
    #[error("{path}: {error}")]
    Socket { path: String, error: io::Error },
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

/// The body at `path`.
pub(crate) fn fetch(address: SocketAddr, path: &str) -> Result<Vec<u8>, FetchError> {
    let socket_error = |error| FetchError::Socket { path: path.to_owned(), error };
    let mut socket = TcpStream::connect(address).map_err(socket_error)?;
    socket.set_read_timeout(Some(ANSWER_LIMIT)).map_err(socket_error)?;
    let mut exchange = Exchange::new(true);
    let mut request = Vec::new();
    exchange.ask(path, &mut request);
    socket.write_all(&request).map_err(socket_error)?;
    let mut buffer = vec![0; 64 * 1024];
    while !exchange.is_whole() {
        match socket.read(&mut buffer).map_err(socket_error)? {
            0 => return Err(socket_error(io::ErrorKind::UnexpectedEof.into())),
            length => exchange.handle_input(&buffer[..length])?,
        }
    }
    Ok(exchange.body().to_vec())
}
