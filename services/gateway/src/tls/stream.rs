//! [`TlsStream`]: the bytes of a TLS connection, for whoever speaks HTTP on top.
//!
//! Invariant: between two reads and writes a stream holds what cannot be passed on (part of a record,
//! plaintext nobody asked for yet, at most one record the peer does not take) and no buffer beside
//! that. It is written on rustls's unbuffered interface for this: the buffered one keeps 4 KiB of read
//! buffer and up to 64 KiB of write buffer per connection.
//!
//! Leaves out: the handshake (`accept`).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::buffers::{PLAINTEXT_BYTES_MAX, Queue, with_plaintext, with_records};

/// How much is read before others get their turn. Whoever reads hands it to other tasks; they have to
/// take it before more comes, or it piles up: up to the point where h2 takes a burst of small frames
/// for an attack.
const IN_A_ROW_MAX: usize = 8 * 1024;

/// A TLS connection after its handshake.
pub(crate) struct TlsStream<T> {
    io: T,
    session: Session,
    /// The beginning of a record whose end is still to come.
    incoming: Queue,
    /// Plaintext handed on since the reader last had to wait.
    in_a_row: usize,
}

/// Everything but the transport and what comes from it.
pub(super) struct Session {
    tls: UnbufferedServerConnection,
    /// Decrypted and not asked for yet.
    plaintext: Queue,
    /// Encrypted and not sent yet.
    outgoing: Queue,
    peer_closed: bool,
    closed: bool,
}

/// What a session needs next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// More from the peer.
    Read,
    /// Nothing: it may be read from and written to.
    Traffic,
    /// Nothing, ever again.
    Closed,
}

// === impl Session ===

impl Session {
    pub(super) fn new(tls: UnbufferedServerConnection) -> Self {
        Self {
            tls,
            plaintext: Queue::default(),
            outgoing: Queue::default(),
            peer_closed: false,
            closed: false,
        }
    }

    pub(super) fn tls(&self) -> &UnbufferedServerConnection {
        &self.tls
    }

    /// Works through `records` and returns how many bytes of it are done with. What the peer is to be
    /// told goes to `outgoing`, an alert included; plaintext goes to `sink`.
    pub(super) fn advance(
        &mut self,
        records: &mut [u8],
        mut sink: impl FnMut(&mut Queue, &[u8]),
    ) -> (usize, Result<Next, rustls::Error>) {
        let mut done = 0;
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.tls.process_tls_records(&mut records[done..]);
            let next = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
                    match traffic.next_record() {
                        Some(Ok(record)) => {
                            discard += record.discard;
                            sink(&mut self.plaintext, record.payload);
                        }
                        Some(Err(error)) => break Some(Err(error)),
                        None => break None,
                    }
                },
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(&mut self.outgoing, |room| data.encode(room))
                        .err()
                        .map(Err)
                }
                // What was encoded is sent before anything that comes later.
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    None
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.peer_closed = true;
                    None
                }
                Ok(ConnectionState::Closed) => Some(Ok(Next::Closed)),
                Ok(ConnectionState::BlockedHandshake) => Some(Ok(Next::Read)),
                Ok(ConnectionState::WriteTraffic(_)) => Some(Ok(Next::Traffic)),
                // Early data is switched off, and no other state is known to this version.
                Ok(_) => Some(Err(rustls::Error::General("unexpected state".to_owned()))),
                Err(error) => {
                    self.encode_alert();
                    Some(Err(error))
                }
            };
            done += discard;
            if let Some(next) = next {
                return (done, next);
            }
        }
    }

    /// After an error rustls has an alert for the peer.
    fn encode_alert(&mut self) {
        if let Ok(ConnectionState::EncodeTlsData(mut data)) =
            self.tls.process_tls_records(&mut []).state
        {
            // An alert that cannot be encoded is not sent: the connection ends in any case.
            let _ = encode(&mut self.outgoing, |room| data.encode(room));
        }
    }

    /// Encrypts `plaintext` into `record`, after whatever rustls itself wants to say first.
    fn encrypt(&mut self, plaintext: &[u8], record: &mut [u8]) -> io::Result<usize> {
        let (_, next) = self.advance(&mut [], Queue::push);
        if next.map_err(invalid)? == Next::Closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        match self.tls.process_tls_records(&mut []).state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                traffic.encrypt(plaintext, record).map_err(encrypt_failed)
            }
            Ok(_) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(error) => Err(invalid(error)),
        }
    }

    fn queue_close_notify(&mut self) {
        let (_, next) = self.advance(&mut [], Queue::push);
        if !matches!(next, Ok(Next::Traffic)) {
            return;
        }
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) =
            self.tls.process_tls_records(&mut []).state
        {
            // A farewell that cannot be encoded is not sent: the transport closes next.
            let _ = self.outgoing.push_with(CLOSE_NOTIFY_BYTES_MAX, |room| {
                traffic.queue_close_notify(room)
            });
        }
    }
}

/// An encrypted alert is far smaller, with any cipher.
const CLOSE_NOTIFY_BYTES_MAX: usize = 256;

/// Appends what `encode` writes, asking it first how much that will be.
fn encode(
    outgoing: &mut Queue,
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>,
) -> Result<(), rustls::Error> {
    let bytes = match encode(&mut []) {
        Ok(_) => return Ok(()),
        Err(EncodeError::InsufficientSize(size)) => size.required_size,
        Err(EncodeError::AlreadyEncoded) => return Ok(()),
    };
    outgoing
        .push_with(bytes, encode)
        .map_err(|error| rustls::Error::General(error.to_string()))
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn encrypt_failed(error: EncryptError) -> io::Error {
    io::Error::other(error)
}

// === impl TlsStream ===

impl<T: AsyncRead + AsyncWrite + Unpin> TlsStream<T> {
    /// A stream whose handshake is over.
    pub(super) fn new(io: T, session: Session, incoming: Queue) -> Self {
        Self {
            io,
            session,
            incoming,
            in_a_row: 0,
        }
    }

    /// The protocol that the client and we agreed on, if it named any.
    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        self.session.tls.alpn_protocol()
    }

    /// Reads from the transport once, and works through it.
    fn poll_records(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self {
            io,
            session,
            incoming,
            ..
        } = self;
        with_records(|records| {
            let kept = incoming.rest().len();
            if kept >= records.len() {
                // No record is as long: it is a message over several of them, and we take no such.
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            records[..kept].copy_from_slice(incoming.rest());
            let mut room = ReadBuf::new(&mut records[kept..]);
            ready!(Pin::new(io).poll_read(cx, &mut room))?;
            let read = room.filled().len();
            if read == 0 {
                // The peer went away without saying so: what it sent may have been cut short.
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            let records = &mut records[..kept + read];
            let (done, next) = session.advance(records, |rest, plaintext| {
                let fits = plaintext.len().min(buf.remaining());
                buf.put_slice(&plaintext[..fits]);
                rest.push(&plaintext[fits..]);
            });
            incoming.take(kept);
            incoming.push(&records[done..]);
            Poll::Ready(next.map(drop).map_err(invalid))
        })
    }

    /// Sends what waits to be sent.
    fn poll_outgoing(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outgoing = &mut self.session.outgoing;
        while !outgoing.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, outgoing.rest()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => outgoing.take(sent),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends `plaintext`, at most one record of it, once nothing else waits to be sent.
    fn poll_write_record(
        &mut self,
        cx: &mut Context<'_>,
        plaintext: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_outgoing(cx))?;
        let plaintext = &plaintext[..plaintext.len().min(PLAINTEXT_BYTES_MAX)];
        if plaintext.is_empty() {
            return Poll::Ready(Ok(0));
        }
        with_records(|record| {
            let bytes = self.session.encrypt(plaintext, record)?;
            let mut record = &record[..bytes];
            // What rustls had to say itself comes before the record in the order of the cipher.
            if self.session.outgoing.is_empty() {
                while !record.is_empty() {
                    match Pin::new(&mut self.io).poll_write(cx, record)? {
                        Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                        Poll::Ready(sent) => record = &record[sent..],
                        Poll::Pending => break,
                    }
                }
            }
            self.session.outgoing.push(record);
            Ok(plaintext.len())
        })
        .into()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.in_a_row >= IN_A_ROW_MAX {
            this.in_a_row = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let empty = buf.filled().len();
        loop {
            let plaintext = &mut this.session.plaintext;
            if !plaintext.is_empty() {
                let fits = plaintext.rest().len().min(buf.remaining());
                buf.put_slice(&plaintext.rest()[..fits]);
                plaintext.take(fits);
            }
            if buf.filled().len() > empty || buf.remaining() == 0 || this.session.peer_closed {
                break;
            }
            if this.poll_records(cx, buf)?.is_pending() {
                this.in_a_row = 0;
                return Poll::Pending;
            }
        }
        this.in_a_row += buf.filled().len() - empty;
        // A key update asks for an answer. If it does not go out now, the next write takes it along.
        let _ = this.poll_outgoing(cx)?;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_record(cx, buf)
    }

    /// Small pieces become one record: a record, and a packet, for the head of a frame and its body.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let first = pieces
            .iter()
            .position(|piece| !piece.is_empty())
            .unwrap_or(0);
        match &pieces[first.min(pieces.len())..] {
            [] => Poll::Ready(Ok(0)),
            [piece] => this.poll_write_record(cx, piece),
            [piece, ..] if piece.len() >= PLAINTEXT_BYTES_MAX => this.poll_write_record(cx, piece),
            pieces => with_plaintext(|gathered| {
                let mut bytes = 0;
                for piece in pieces {
                    let fits = piece.len().min(gathered.len() - bytes);
                    gathered[bytes..bytes + fits].copy_from_slice(&piece[..fits]);
                    bytes += fits;
                }
                this.poll_write_record(cx, &gathered[..bytes])
            }),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_outgoing(cx))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.session.closed {
            this.session.closed = true;
            this.session.queue_close_notify();
        }
        ready!(this.poll_outgoing(cx))?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}

impl<T> std::fmt::Debug for TlsStream<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsStream")
    }
}

// === for accept ===

impl Session {
    /// Sends what waits to be sent.
    pub(super) async fn send<T: AsyncWrite + Unpin>(&mut self, io: &mut T) -> io::Result<()> {
        use tokio::io::AsyncWriteExt as _;
        let sent = io.write_all(self.outgoing.rest()).await;
        self.outgoing = Queue::default();
        sent
    }
}

#[cfg(test)]
mod tests;
