//! [`TlsStream`]: the bytes of a TLS connection, for whoever speaks HTTP on top.
//!
//! Invariant: between two reads and writes a stream holds what cannot be passed on (part of a record,
//! plaintext nobody asked for yet, at most one record the peer does not take) and no buffer beside
//! that. It is written on rustls's unbuffered interface for this: the buffered one keeps 4 KiB of read
//! buffer and up to 64 KiB of write buffer per connection.
//!
//! Leaves out: the handshake (`accept`), and what rustls makes of records (`session`).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::buffers::{PLAINTEXT_BYTES_MAX, Queue, with_plaintext, with_records};
use super::session::{Session, invalid};

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
        self.session.tls().alpn_protocol()
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
        this.session.close();
        ready!(this.poll_outgoing(cx))?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}

impl<T> std::fmt::Debug for TlsStream<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsStream")
    }
}

#[cfg(test)]
mod tests;
