//! Encrypted connections to the server, with rustls. The server must have a certificate for the host in the URL, signed
//! by a trusted authority. This protects against an active man in the middle, not only against passive eavesdropping.
//!
//! Deliberately absent: client certificates, and lists of revoked certificates.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio_postgres_rustls::MakeRustlsConnect;

/// The name of PostgreSQL's protocol within TLS (ALPN).
const PROTOCOL: &[u8] = b"postgresql";

/// The authorities whose signatures are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Authorities {
    /// The authorities that this machine trusts.
    System,
    /// The authorities in the PEM file that `sslrootcert` names.
    File(PathBuf),
}

/// The reason why no encrypted connection can be tried.
#[derive(Debug, Error)]
pub(super) enum TlsError {
    /// The file that `sslrootcert` names cannot be read.
    #[error(
        "sslrootcert: the certificates in {} cannot be read; it must be a PEM file that this user may read",
        file.display()
    )]
    Unreadable {
        file: PathBuf,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The file that `sslrootcert` names contains no certificate.
    #[error("sslrootcert: there is no certificate in {}; it must be a PEM file", .0.display())]
    NoCertificate(PathBuf),
    /// This machine has no trusted authorities.
    #[error(
        "this machine has no authorities' certificates with which to check the server's certificate: install the package \
         ca-certificates, or name a file with sslrootcert"
    )]
    NoAuthorities,
    /// rustls rejects the settings.
    #[error("the TLS settings cannot be used")]
    Settings(#[from] rustls::Error),
}

/// Returns the connector that encrypts a connection. It reads the certificates at each call, so that a renewed file
/// takes effect with the next connection.
pub(super) fn connector(authorities: &Authorities) -> Result<MakeRustlsConnect, TlsError> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trusted(authorities)?)
        .with_no_client_auth();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(MakeRustlsConnect::new(config))
}

fn trusted(authorities: &Authorities) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Authorities::System => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(TlsError::NoAuthorities);
            }
        }
        Authorities::File(file) => drop(roots.add_parsable_certificates(read_certificates(file)?)),
    }
    Ok(roots)
}

fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    let certificates = read().map_err(|source| TlsError::Unreadable { file: file.to_owned(), source })?;
    if certificates.is_empty() { Err(TlsError::NoCertificate(file.to_owned())) } else { Ok(certificates) }
}
