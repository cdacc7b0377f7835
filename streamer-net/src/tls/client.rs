//! The client's side: whom to trust when pulling and forwarding.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{TlsError, provider};
use crate::stream::Stream;

/// Whom outgoing TLS connections trust. Cloning clones a handle.
#[derive(Clone)]
pub struct ClientTls(TlsConnector);

impl ClientTls {
    /// Trusts the root certificates of the system.
    ///
    /// # Errors
    /// [`TlsError::NoRoots`] when it has none.
    pub fn system() -> Result<Self, TlsError> {
        let loaded = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(loaded.certs);
        if added == 0 {
            let reasons: Vec<String> = loaded.errors.iter().map(ToString::to_string).collect();
            return Err(TlsError::NoRoots(reasons.join("; ")));
        }
        Self::trusting(roots)
    }

    /// Trusts the certificates in the PEM file `roots` and no others.
    ///
    /// # Errors
    /// [`TlsError::File`] when the file cannot be read or holds none.
    pub fn from_roots_file(roots: &Path) -> Result<Self, TlsError> {
        let file = |reason: String| TlsError::File { path: roots.to_owned(), reason };
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(roots).map_err(|error| file(error.to_string()))? {
            let certificate = certificate.map_err(|error| file(error.to_string()))?;
            store.add(certificate).map_err(|error| file(error.to_string()))?;
        }
        if store.is_empty() {
            return Err(file("holds no certificate".to_owned()));
        }
        Self::trusting(store)
    }

    fn trusting(roots: RootCertStore) -> Result<Self, TlsError> {
        let config = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Shakes hands over `tcp` with the server called `host` (a DNS name or an address).
    ///
    /// # Errors
    /// [`TlsError::ServerName`] or [`TlsError::Handshake`].
    pub async fn connect(&self, host: &str, tcp: TcpStream) -> Result<Stream, TlsError> {
        let name =
            ServerName::try_from(host.to_owned()).map_err(|_| TlsError::ServerName(host.to_owned()))?;
        let stream = self.0.connect(name, tcp).await?;
        Ok(Stream::Tls(Box::new(stream.into())))
    }
}
