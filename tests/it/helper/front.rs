//! A TLS server in front of the sandbox, as a load balancer is. It prefers HTTP/2, and never answers there. It forwards
//! HTTP/1.1 connections to the sandbox until a test lets them hang.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// The TLS server. It ends with the test's process.
pub(crate) struct Front {
    port: u16,
    /// The file with the server's certificate, for the guard to trust.
    pub(super) certificate: PathBuf,
    hang: watch::Sender<()>,
}

impl Front {
    /// Starts a server in front of the one at `base_url`, and writes its certificate into `folder`.
    pub(super) fn before(base_url: &str, folder: &Path, is_expired: bool) -> Self {
        let mut wanted = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        if is_expired {
            wanted.not_after = rcgen::date_time_ymd(2020, 1, 10);
        }
        let own_key = rcgen::KeyPair::generate().unwrap();
        let own = wanted.self_signed(&own_key).unwrap();
        let certificate = folder.join("front.pem");
        std::fs::write(&certificate, own.pem()).unwrap();
        let chain = vec![CertificateDer::from(own)];
        let key = PrivateKeyDer::from_pem_slice(own_key.serialize_pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];

        let behind: SocketAddr = base_url.strip_prefix("http://").unwrap().parse().unwrap();
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (hang, hangs) = watch::channel(());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                serve(listener, TlsAcceptor::from(Arc::new(config)), behind, hangs).await;
            });
        });
        Self { port, certificate, hang }
    }

    pub(super) fn base_url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// Lets all open connections hang: they stay open and answer nothing. New connections work.
    pub(crate) fn hang(&self) {
        self.hang.send_replace(());
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, behind: SocketAddr, hangs: watch::Receiver<()>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, mut hangs) = (tls.clone(), hangs.clone());
        hangs.mark_unchanged();
        tokio::spawn(async move {
            let Ok(mut stream) = tls.accept(stream).await else { return };
            let mut onward = TcpStream::connect(behind).await.unwrap();
            if stream.get_ref().1.alpn_protocol() != Some(HTTP_2) {
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut stream, &mut onward) => return,
                    _ = hangs.changed() => {}
                }
            }
            // Keeps both connections open without reading them.
            std::future::pending::<()>().await;
        });
    }
}
