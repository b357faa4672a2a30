//! The server's side of a TLS handshake.
//!
//! Invariant: it keeps no more than [`HANDSHAKE_BYTES_MAX`] and one read of what the client sends. Time
//! is bounded by the caller, who drops the handshake.

use std::io;
use std::sync::Arc;

use bytes::BufMut as _;
use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::TlsStream;
use super::buffers::Queue;
use super::session::Session;
use crate::limits::HANDSHAKE_BYTES_MAX;

/// How much is read at once: a whole ClientHello.
const READ_BYTES: usize = 2 * 1024;

/// The answer to somebody who speaks HTTP without TLS: the one mistake worth an explanation.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain\r\n\
    content-length: 39\r\n\
    connection: close\r\n\r\n\
    This port speaks TLS: use https:// URL\n";

/// Why a handshake did not work out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcceptError {
    /// The client went away, or the network did.
    #[error("the transport failed")]
    Transport(#[source] io::Error),
    /// What the client sent is no handshake that we take.
    #[error("the handshake failed")]
    Handshake(#[source] rustls::Error),
    /// What the client sent has no end.
    #[error("the handshake is too long")]
    TooLong,
}

/// Shakes hands with the client behind `io`.
pub(crate) async fn accept<T>(io: T, config: Arc<ServerConfig>) -> Result<TlsStream<T>, AcceptError>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut io = io;
    let tls = UnbufferedServerConnection::new(config).map_err(AcceptError::Handshake)?;
    let mut session = Session::new(tls);
    let mut received = Vec::new();
    loop {
        let filled = received.len();
        if filled >= HANDSHAKE_BYTES_MAX {
            return Err(AcceptError::TooLong);
        }
        let read = io.read_buf(&mut (&mut received).limit(READ_BYTES)).await;
        if read.map_err(AcceptError::Transport)? == 0 {
            return Err(AcceptError::Transport(io::ErrorKind::UnexpectedEof.into()));
        }
        let (done, next) = session.advance(&mut received, Queue::push);
        if let Err(error) = next {
            explain(&mut io, &mut session, &received).await;
            return Err(AcceptError::Handshake(error));
        }
        received.drain(..done);
        session
            .send(&mut io)
            .await
            .map_err(AcceptError::Transport)?;
        if !session.tls().is_handshaking() {
            let mut incoming = Queue::default();
            incoming.push(&received);
            return Ok(TlsStream::new(io, session, incoming));
        }
    }
}

/// Tells the client what went wrong, as far as it listens. The handshake has failed in any case, so a
/// failure to say so changes nothing.
async fn explain<T: AsyncWrite + Unpin>(io: &mut T, session: &mut Session, received: &[u8]) {
    let _ = if is_http(received) {
        io.write_all(SPEAK_TLS).await
    } else {
        session.send(io).await
    };
    let _ = io.shutdown().await;
}

/// Whether this begins like a request of HTTP/1.1, or like HTTP/2 without TLS.
fn is_http(received: &[u8]) -> bool {
    const METHODS: [&[u8]; 6] = [b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIONS ", b"PRI * "];
    METHODS.iter().any(|method| received.starts_with(method))
}
