//! Whom we trust.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::Error;

/// TLS 1.2 and 1.3 with ring. Trusts what the system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` too), so that a company's own
/// authority works; where the system has no certificates, as in a bare container, Mozilla's. The authorities in the PEM file
/// `extra` are trusted besides.
pub(crate) fn config(extra: Option<&Path>) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let Some(path) = extra {
        add(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Setup(Box::new(error)))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Adds the authorities in the file at `path`, of which there is at least one. What is no authority is passed over, as it is
/// among those of the system: bundles have old certificates in them that nobody can read.
fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), Error> {
    let unusable = |source| Error::Authorities { path: path.to_owned(), source };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(Some(error)))?;
    match roots.add_parsable_certificates(certificates) {
        (0, _) => Err(unusable(None)),
        _ => Ok(()),
    }
}
