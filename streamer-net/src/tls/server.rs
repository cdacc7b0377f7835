//! The server's side: one certificate, exchanged without a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use super::{TlsError, provider};

/// Certificate and key of the server's listeners. Cloning clones a handle: a reload reaches all clones.
#[derive(Clone, Debug)]
pub struct ServerTls {
    resolver: Arc<Resolver>,
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Debug)]
struct Resolver(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl ServerTls {
    /// Reads a certificate chain and its key, both PEM (PKCS #8, PKCS #1 or SEC 1).
    ///
    /// # Errors
    /// [`TlsError`] naming the file.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let certified = load(certificate, key)?;
        Ok(Self {
            resolver: Arc::new(Resolver(ArcSwap::from_pointee(certified))),
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        })
    }

    /// Reads both files again. Connections that stand keep what they have; on an error so do new ones.
    ///
    /// # Errors
    /// [`TlsError`] naming the file.
    pub fn reload(&self) -> Result<(), TlsError> {
        let certified = load(&self.certificate, &self.key)?;
        self.resolver.0.store(Arc::new(certified));
        Ok(())
    }

    /// What accepts connections, offering the protocols `alpn` in order of preference (RFC 7301).
    ///
    /// # Errors
    /// [`TlsError::Rustls`] when the crypto provider lacks the protocol versions.
    pub fn acceptor(&self, alpn: &[&[u8]]) -> Result<TlsAcceptor, TlsError> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&self.resolver) as _;
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

pub(crate) async fn accept<S>(
    acceptor: &TlsAcceptor,
    stream: S,
) -> std::io::Result<tokio_rustls::TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    acceptor.accept(stream).await.map(Into::into)
}

fn load(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let file = |path: &Path, reason: String| TlsError::File { path: path.to_owned(), reason };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| file(certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(file(certificate, "holds no certificate".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| file(key, error.to_string()))?;
    CertifiedKey::from_der(chain, private, &provider())
        .map_err(|source| TlsError::Certificate { certificate: certificate.to_owned(), source })
}
