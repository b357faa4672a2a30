//! [`Session`]: what rustls knows of a connection, and the bytes that wait on their way in or out.
//!
//! Invariant: what rustls wants to tell the peer lies in `outgoing`, in the order of the cipher, before
//! anything that is encrypted later.
//!
//! Leaves out: the transport (`stream`), and the handshake's rules (`accept`).

use std::io;

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::buffers::Queue;

/// An encrypted alert is far smaller, with any cipher.
const CLOSE_NOTIFY_BYTES_MAX: usize = 256;

/// Everything but the transport and what comes from it.
pub(super) struct Session {
    tls: UnbufferedServerConnection,
    /// Decrypted and not asked for yet.
    pub(super) plaintext: Queue,
    /// Encrypted and not sent yet.
    pub(super) outgoing: Queue,
    /// The peer has said that it sends nothing more.
    pub(super) peer_closed: bool,
    /// We have said so.
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
    pub(super) fn encrypt(&mut self, plaintext: &[u8], record: &mut [u8]) -> io::Result<usize> {
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

    /// Tells the peer, once, that nothing more comes.
    pub(super) fn close(&mut self) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
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

    /// Sends what waits to be sent.
    pub(super) async fn send<T: AsyncWrite + Unpin>(&mut self, io: &mut T) -> io::Result<()> {
        let sent = io.write_all(self.outgoing.rest()).await;
        self.outgoing = Queue::default();
        sent
    }
}

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

pub(super) fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn encrypt_failed(error: EncryptError) -> io::Error {
    io::Error::other(error)
}
