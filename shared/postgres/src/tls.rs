//! TLS for connections to the database: the system's roots, plus a file where the URL names one.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Why no TLS configuration could be made.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsError {
    /// No certificate authority to trust.
    #[error("this system has no root certificates: install the package ca-certificates")]
    NoRoots,
    /// The file of the URL.
    #[error("the file of sslrootcert cannot be read, or holds no PEM certificate")]
    RootFile,
    /// The cryptography library refused.
    #[error("no TLS version is available")]
    Versions,
}

/// A connector that verifies the chain and the host name.
pub(crate) fn connector(root_file: Option<&Path>) -> Result<MakeRustlsConnect, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = root_file {
        add_file(&mut roots, path).ok_or(TlsError::RootFile)?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoRoots);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| TlsError::Versions)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Option<()> {
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path).ok()? {
        roots.add(certificate.ok()?).ok()?;
    }
    (roots.len() > before).then_some(())
}
