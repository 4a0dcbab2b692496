use std::path::PathBuf;

use crate::setting::{section, unset};

section! {
    /// How other services are called: S3, webhooks, callbacks, sources, and the OpenAI-shaped engine.
    pub struct NetConfig: "net" {
        /// PEM file with the certificates of authorities that are trusted beside those of the system, as of a company that
        /// issues its own.
        /// What the system trusts is that of `SSL_CERT_FILE` and `SSL_CERT_DIR`, where those are set.
        extra_ca_file: Option<PathBuf> =
            unset("/etc/ssl/certs/company.pem").named(&["AWS_CA_BUNDLE"]),
    }
}
