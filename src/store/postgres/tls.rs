//! Encrypted connections to the server, by rustls: only to the host in the URL, as an authority has certified it.
//!
//! Deliberately absent: client certificates, and lists of revoked ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio_postgres_rustls::MakeRustlsConnect;

/// What PostgreSQL is called within TLS.
const PROTOCOL: &[u8] = b"postgresql";

/// Whose signature counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Authorities {
    /// Those that this machine trusts.
    System,
    /// Those in a PEM file: `sslrootcert`.
    File(PathBuf),
}

/// Why no encrypted connection can be tried.
#[derive(Debug, Error)]
pub(super) enum TlsError {
    /// The file that `sslrootcert` names.
    #[error("sslrootcert: the certificates in {} cannot be read; it must be a PEM file that this user may read", file.display())]
    Unreadable {
        file: PathBuf,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The same, without a certificate in it.
    #[error("sslrootcert: there is no certificate in {}; it must be a PEM file", .0.display())]
    NoCertificate(PathBuf),
    /// This machine trusts nobody.
    #[error(
        "this machine has no certificates of authorities to check the server's by: install them (the package \
         ca-certificates), or name a file with sslrootcert"
    )]
    NoAuthorities,
    /// rustls accepts no such settings.
    #[error("the TLS settings cannot be used")]
    Settings(#[from] rustls::Error),
}

/// What makes a connection an encrypted one. Files are read now, so that a renewed one counts from the next connection on.
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
