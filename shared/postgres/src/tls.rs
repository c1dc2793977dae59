//! TLS for connections to the database: the system's roots, plus a file where the URL names one.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A connector that verifies the chain and the host name. The error is the reason, for people.
pub(crate) fn connector(root_file: Option<&Path>) -> Result<MakeRustlsConnect, &'static str> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = root_file {
        add_file(&mut roots, path)
            .ok_or("the file of sslrootcert has no certificate that can be read")?;
    }
    if roots.is_empty() {
        return Err("this system has no root certificates: install the package ca-certificates");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| "no TLS version is available")?
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
