//! The cryptography behind every HTTP client of the program: rustls with ring.

/// Makes ring the process's provider. Building an HTTP client panics without one.
pub(crate) fn install() {
    // An error here says that a provider is installed already, which is all that is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
