//! TLS in front of any server, by an authority that nobody trusts who was not told to.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::NamedTempFile;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::background::Background;

/// What certificates are issued for.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// Takes TLS connections and passes what they say on to a server. It ends when it is dropped.
#[derive(Debug)]
pub struct TlsFront {
    front: Background,
    authority: NamedTempFile,
}

impl TlsFront {
    /// Starts on a free local port, in front of the server at `target`.
    pub fn start(target: SocketAddr) -> Self {
        let (authority, config) = issue();
        let file = NamedTempFile::new().expect("a temporary file can be made");
        std::fs::write(file.path(), authority).expect("it can be written");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self {
            front: Background::run(move |listener| pass_on(listener, acceptor, target)),
            authority: file,
        }
    }

    /// The address of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.front.address())
    }

    /// A PEM file with the certificate of the authority: who trusts it, trusts the server.
    pub fn authority(&self) -> &Path {
        self.authority.path()
    }
}

/// A new authority's certificate as PEM, and what a server needs that it vouches for.
fn issue() -> (String, ServerConfig) {
    let key = || KeyPair::generate().expect("there is randomness");
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "An authority for tests");
    let (own_key, server_key) = (key(), key());
    let pem = authority.self_signed(&own_key).expect("the names are plain").pem();
    let server = CertificateParams::new(NAMES.map(str::to_owned)).expect("the names are plain");
    let issuer = Issuer::new(authority, own_key);
    let certificate = server.signed_by(&server_key, &issuer).expect("the names are plain");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks them")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(server_key.serialize_der().into()),
        )
        .expect("the key is that of the certificate");
    (pem, config)
}

async fn pass_on(listener: TcpListener, acceptor: TlsAcceptor, target: SocketAddr) {
    loop {
        let Ok((connection, _)) = listener.accept().await else { continue };
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that does not trust us breaks off, and so may either side later.
            let Ok(mut client) = acceptor.accept(connection).await else { return };
            let Ok(mut server) = TcpStream::connect(target).await else { return };
            let _ = copy_bidirectional(&mut client, &mut server).await;
        });
    }
}
