//! TLS for connections to the database: the system's roots, plus those that come with the URL.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::url::Roots;

/// A connector that verifies the chain and the host name. The error is the reason, for people.
pub(crate) fn connector(more: Option<&Roots>) -> Result<MakeRustlsConnect, &'static str> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match more {
        None => {}
        Some(Roots::File(path)) => add(&mut roots, CertificateDer::pem_file_iter(path).ok())
            .ok_or("the file of sslrootcert has no certificate that can be read")?,
        Some(Roots::Pem(text)) => add(
            &mut roots,
            Some(CertificateDer::pem_slice_iter(text.as_bytes())),
        )
        .ok_or("the text behind the URL has no certificate that can be read")?,
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

fn add<E>(
    roots: &mut RootCertStore,
    certificates: Option<impl Iterator<Item = Result<CertificateDer<'static>, E>>>,
) -> Option<()> {
    let before = roots.len();
    for certificate in certificates? {
        roots.add(certificate.ok()?).ok()?;
    }
    (roots.len() > before).then_some(())
}
