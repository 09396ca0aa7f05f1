//! Encrypted connections to the server, by rustls: whom to trust, in libpq's words.
//!
//! Deliberately absent: client certificates, and lists of revoked ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use thiserror::Error;
use tokio_postgres_rustls::MakeRustlsConnect;

/// What PostgreSQL is called within TLS.
const PROTOCOL: &[u8] = b"postgresql";

/// What the server's certificate must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trust {
    /// Any certificate will do: `sslmode=prefer`, and `require` without `sslrootcert`. Whoever listens on the way learns
    /// nothing; whoever stands in the way does.
    Anybody,
    /// One that an authority has signed: `sslmode=verify-ca`, and `require` with `sslrootcert`.
    Signed(Authorities),
    /// The same, for the host in the URL: `sslmode=verify-full`.
    SignedForHost(Authorities),
}

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
pub(super) fn connector(trust: &Trust) -> Result<MakeRustlsConnect, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let check = match trust {
        Trust::Anybody => Check::None,
        Trust::Signed(authorities) => Check::Signature(trusted(authorities)?),
        Trust::SignedForHost(authorities) => Check::SignatureAndName(trusted(authorities)?),
    };
    let verifier = Arc::new(Verifier { check, provider: Arc::clone(&provider) });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(MakeRustlsConnect::new(config))
}

/// The certificates that count.
#[derive(Debug)]
struct Trusted {
    roots: RootCertStore,
    /// Those in a file that its reader named: the server may show one of them itself. A certificate that signs itself is
    /// usually both, which no check of a chain allows.
    named: Vec<CertificateDer<'static>>,
}

fn trusted(authorities: &Authorities) -> Result<Trusted, TlsError> {
    let mut roots = RootCertStore::empty();
    let named = match authorities {
        Authorities::System => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(TlsError::NoAuthorities);
            }
            Vec::new()
        }
        Authorities::File(file) => {
            let named = read_certificates(file)?;
            roots.add_parsable_certificates(named.iter().cloned());
            named
        }
    };
    Ok(Trusted { roots, named })
}

fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    let certificates = read().map_err(|source| TlsError::Unreadable { file: file.to_owned(), source })?;
    if certificates.is_empty() { Err(TlsError::NoCertificate(file.to_owned())) } else { Ok(certificates) }
}

#[derive(Debug)]
enum Check {
    None,
    Signature(Trusted),
    SignatureAndName(Trusted),
}

/// rustls knows but one way to trust a server; libpq has three.
#[derive(Debug)]
struct Verifier {
    check: Check,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn check_signature(
        &self,
        trusted: &Trusted,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        if trusted.named.contains(certificate) {
            return Ok(());
        }
        let algorithms = self.provider.signature_verification_algorithms.all;
        let certificate = ParsedCertificate::try_from(certificate)?;
        verify_server_cert_signed_by_trust_anchor(&certificate, &trusted.roots, intermediates, now, algorithms)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.check {
            Check::None => {}
            Check::Signature(trusted) => self.check_signature(trusted, certificate, intermediates, now)?,
            Check::SignatureAndName(trusted) => {
                self.check_signature(trusted, certificate, intermediates, now)?;
                verify_server_name(&ParsedCertificate::try_from(certificate)?, server_name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
