//! TLS by rustls, server and client side, with one crypto provider for the whole tree.

mod client;
mod server;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use thiserror::Error;

pub use client::ClientTls;
pub use server::ServerTls;
pub(crate) use server::accept as accept_tls;

/// Why TLS cannot be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read or holds no PEM of the kind expected.
    #[error("{path}: {reason}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate and the key do not go together, or neither is usable.
    #[error("the certificate in {certificate} cannot be used: {source}", certificate = certificate.display())]
    Certificate {
        /// The certificate file.
        certificate: PathBuf,
        /// What rustls says.
        #[source]
        source: rustls::Error,
    },
    /// The system has no trusted root certificates.
    #[error("no trusted root certificates on this system (package ca-certificates): {0}")]
    NoRoots(String),
    /// Anything else rustls refuses.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
    /// A name that is neither a DNS name nor an address.
    #[error("{0:?} is no name a certificate can be checked for")]
    ServerName(String),
    /// The handshake failed.
    #[error("TLS handshake: {0}")]
    Handshake(#[from] io::Error),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
