//! Whom we trust.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

use crate::Error;

/// TLS 1.2 and 1.3 with ring. Trusts what the system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` too), so that a company's own
/// authority works; where the system has no certificates, as in a bare container, Mozilla's.
pub(crate) fn config() -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Setup(Box::new(error)))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
