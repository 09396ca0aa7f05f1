//! This room has the cryptography of the program's HTTP clients: rustls with ring. It leaves connections to the
//! clients.

/// Installs ring as the process's cryptography provider. Building an HTTP client panics without a provider.
pub(crate) fn install() {
    // An error means that a provider is already installed, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
