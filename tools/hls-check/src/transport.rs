//! How requests are made: a seam for tests and embedders, and HTTP itself.

use std::future::Future;
use std::io::Read;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue, RANGE};

use crate::m3u8::MAX_PLAYLIST_BYTES;
use crate::observation::{Resource, Response};
use crate::options::{Options, RunError};

/// A resource longer than this is not read to its end: ten seconds at 50 Mbit/s.
pub const MAX_RESOURCE_BYTES: usize = 64 << 20;

/// The end of a range whose length is not known yet (RFC 8673).
const OPEN_RANGE_END: u64 = (1 << 53) - 1;

/// One GET.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to get.
    pub resource: Resource,
    /// Offer gzip.
    pub playlist: bool,
    /// Give up after that.
    pub limit: Duration,
}

/// Makes requests. The times of the response are filled in by the caller.
pub trait Transport: Send + Sync + 'static {
    /// Gets a resource; every failure is in the response.
    fn get(&self, request: Request) -> impl Future<Output = Response> + Send;
}

/// HTTP/1.1 and HTTP/2, with and without TLS.
#[derive(Debug)]
pub struct Http {
    client: reqwest::Client,
}

impl Http {
    /// A client with the header fields and the TLS policy of `options`.
    pub fn new(options: &Options) -> Result<Self, RunError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &options.headers {
            let malformed = || RunError::Header { name: name.clone() };
            let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed())?;
            headers.append(field, HeaderValue::from_str(value).map_err(|_| malformed())?);
        }
        let client = reqwest::Client::builder()
            .default_headers(headers)
            .tls_danger_accept_invalid_certs(options.insecure)
            .user_agent(concat!("hls-check/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client })
    }

    /// Adds a chunk to a body of which `most` bytes are read.
    fn grow(body: &mut BytesMut, chunk: &[u8], most: usize) -> Result<(), String> {
        if body.len() + chunk.len() > most {
            return Err(format!("the body has more than {most} bytes"));
        }
        body.extend_from_slice(chunk);
        Ok(())
    }

    async fn exchange(&self, request: &Request, response: &mut Response) -> Result<(), String> {
        let most = if request.playlist { MAX_PLAYLIST_BYTES } else { MAX_RESOURCE_BYTES };
        let mut get = self.client.get(&request.resource.url);
        if request.playlist {
            get = get.header(ACCEPT_ENCODING, "gzip");
        }
        let Resource { start, length, .. } = request.resource;
        if request.resource.is_range() {
            let end = length.map_or(OPEN_RANGE_END, |length| start.saturating_add(length).saturating_sub(1));
            get = get.header(RANGE, format!("bytes={start}-{end}"));
        }
        let mut answer = get.send().await.map_err(|error| cause(&error))?;
        response.status = Some(answer.status().as_u16());
        response.http2 = answer.version() >= reqwest::Version::HTTP_2;
        response.url = Some(answer.url().to_string());
        for (name, value) in answer.headers() {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            response.headers.push((name.as_str().to_owned(), value));
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| cause(&error))? {
            Self::grow(&mut body, &chunk, most)?;
        }
        response.body = match response.header("content-encoding") {
            Some("gzip" | "x-gzip") => inflate(&body, most)?,
            _ => body.freeze(),
        };
        Ok(())
    }
}

impl Transport for Http {
    async fn get(&self, request: Request) -> Response {
        let mut response = Response::default();
        let done = tokio::time::timeout(request.limit, self.exchange(&request, &mut response)).await;
        match done {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => response.failure = Some(failure),
            Err(_) => response.failure = Some(format!("nothing more for {} s", request.limit.as_secs())),
        }
        response
    }
}

fn inflate(body: &[u8], most: usize) -> Result<Bytes, String> {
    let mut plain = Vec::new();
    let limit = most as u64 + 1;
    flate2::read::MultiGzDecoder::new(body)
        .take(limit)
        .read_to_end(&mut plain)
        .map_err(|error| format!("the body is no gzip: {error}"))?;
    if plain.len() > most {
        return Err(format!("the body inflates to more than {most} bytes"));
    }
    Ok(plain.into())
}

/// The innermost reason: the outer ones only repeat the URL.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn bodies_are_read_up_to_their_limit() {
        let mut body = BytesMut::zeroed(MAX_RESOURCE_BYTES - 1);
        assert_eq!(Http::grow(&mut body, &[0], MAX_RESOURCE_BYTES), Ok(()));
        assert!(Http::grow(&mut body, &[0], MAX_RESOURCE_BYTES).is_err());
    }

    #[test]
    fn bodies_inflate_up_to_their_limit() {
        let gzip = |length: usize| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&vec![0; length]).unwrap();
            encoder.finish().unwrap()
        };
        assert_eq!(
            inflate(&gzip(MAX_PLAYLIST_BYTES), MAX_PLAYLIST_BYTES).map(|body| body.len()),
            Ok(MAX_PLAYLIST_BYTES)
        );
        assert!(inflate(&gzip(MAX_PLAYLIST_BYTES + 1), MAX_PLAYLIST_BYTES).is_err());
        assert!(inflate(b"no gzip", 10).is_err());
    }
}
