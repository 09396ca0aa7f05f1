//! A TCP connection that a fault can cut in the middle of a request or slow down.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;

/// Cuts or slows one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spoiler(Arc<Spoilt>);

#[derive(Debug, Default)]
struct Spoilt {
    cut: AtomicBool,
    /// The time that each byte takes, in milliseconds; 0 if the connection is not slow.
    milliseconds_per_byte: AtomicU64,
}

impl Spoiler {
    /// Cuts the connection: nothing more is written to it.
    pub(crate) fn cut(&self) {
        self.0.cut.store(true, Ordering::Release);
    }

    /// Slows the connection: from now on every byte takes this long.
    pub(crate) fn slow_down(&self, per_byte: Duration) {
        let milliseconds = u64::try_from(per_byte.as_millis()).unwrap_or(u64::MAX);
        self.0.milliseconds_per_byte.store(milliseconds, Ordering::Release);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.cut.load(Ordering::Acquire) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }

    fn per_byte(&self) -> Option<Duration> {
        let milliseconds = self.0.milliseconds_per_byte.load(Ordering::Acquire);
        (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
    }
}

/// A connection, with the spoiler that cuts or slows it.
pub(crate) struct Spoilable {
    stream: TcpStream,
    spoiler: Spoiler,
    /// The wait until the next byte may be written to a slow connection.
    next_byte: Option<Pin<Box<Sleep>>>,
}

/// Accepts connections that can be cut or slowed.
pub(crate) struct SpoilableListener(pub(crate) TcpListener);

impl Listener for SpoilableListener {
    type Io = Spoilable;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        (Spoilable { stream, spoiler: Spoiler::default(), next_byte: None }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, SpoilableListener>> for Spoiler {
    fn connect_info(stream: IncomingStream<'_, SpoilableListener>) -> Self {
        stream.io().spoiler.clone()
    }
}

impl AsyncRead for Spoilable {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Spoilable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.spoiler.check()?;
        let Some(per_byte) = self.spoiler.per_byte() else { return Pin::new(&mut self.stream).poll_write(cx, bytes) };
        let next_byte = self.next_byte.get_or_insert_with(|| Box::pin(tokio::time::sleep(per_byte)));
        ready!(next_byte.as_mut().poll(cx));
        self.next_byte = None;
        Pin::new(&mut self.stream).poll_write(cx, bytes.get(..1).unwrap_or(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
