//! [`TlsNetwork`]: TCP with mutual TLS.
//!
//! Invariant: nobody gets further than the handshake without a certificate of this cluster's authority; who dials
//! knows that it is the node that it meant, who accepts knows which node it is. Handshakes under way are bounded
//! in number and in time, and none holds up another.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use cluster_types::NodeId;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use rustls_pki_types::ServerName;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::certificates::{Certificates, name, node_of};
use super::complaints::Complaints;
use super::limits::{HANDSHAKES_MAX, HELLO_WITHIN};
use super::network::{Incoming, Network, Stream};

/// Connections of this node over TLS.
pub struct TlsNetwork {
    address: SocketAddr,
    certificates: Arc<Certificates>,
    accepting: Mutex<Accepting>,
    complaints: Complaints,
}

/// Connections that come in.
struct Accepting {
    listener: TcpListener,
    handshakes: FuturesUnordered<BoxFuture<'static, Result<Incoming, HandshakeError>>>,
}

/// Why a handshake came to nothing, and what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("its certificate has expired: issue a new one for it")]
    Expired,
    #[error("its certificate is not valid yet: set the clocks of both machines")]
    NotYet,
    #[error("its certificate is of another cluster: issue one for it in this one")]
    Foreign,
    #[error(
        "its certificate is not that of the node that should be there: see to the nodes' addresses"
    )]
    OtherNode,
    #[error("its certificate is that of no node, or of several: issue one for it in this cluster")]
    NoNode,
    #[error("it shows no certificate: it is no node")]
    Stranger,
    #[error("it does not speak TLS 1.3 as nodes do: it is no node")]
    NoTls,
    #[error("it refuses the certificate of this node ({0:?}): see its log")]
    Refuses(rustls::AlertDescription),
    #[error("it did not finish its handshake in time")]
    Slow,
    #[error("the connection broke")]
    Broken(#[source] io::Error),
}

// === impl TlsNetwork ===

impl TlsNetwork {
    /// Takes connections from `listener`, with what `certificates` hold at the time of each.
    ///
    /// # Errors
    /// If the listener does not know its address.
    pub fn new(listener: TcpListener, certificates: Arc<Certificates>) -> io::Result<Self> {
        Ok(Self {
            address: listener.local_addr()?,
            certificates,
            accepting: Mutex::new(Accepting {
                listener,
                handshakes: FuturesUnordered::new(),
            }),
            complaints: Complaints::default(),
        })
    }

    /// Where it listens; with the real port if 0 was asked for.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    fn shake(&self, tcp: TcpStream) -> BoxFuture<'static, Result<Incoming, HandshakeError>> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.certificates.current().server));
        Box::pin(async move {
            tcp.set_nodelay(true).map_err(HandshakeError::Broken)?;
            let shaken = timeout(HELLO_WITHIN, acceptor.accept(tcp)).await;
            let stream = shaken.map_err(|_| HandshakeError::Slow)??;
            let shown = stream.get_ref().1.peer_certificates();
            let own = shown.and_then(<[_]>::first);
            let node = own.ok_or(HandshakeError::Stranger)?;
            let proven = node_of(node).ok_or(HandshakeError::NoNode)?;
            Ok(Incoming {
                stream: Box::new(stream),
                proven: Some(proven),
            })
        })
    }

    fn complain(&self, error: &HandshakeError) {
        let why = super::complaints::chain(error);
        if self.complaints.is_news(&why) {
            tracing::warn!(why, "refused a connection for links");
        }
    }
}

#[async_trait]
impl Network for TlsNetwork {
    async fn dial(&self, peer: NodeId, address: &str) -> io::Result<Box<dyn Stream>> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let server_name = ServerName::try_from(name(peer)).map_err(io::Error::other)?;
        let connector = TlsConnector::from(Arc::clone(&self.certificates.current().client));
        let shaken = connector.connect(server_name, tcp).await;
        let stream = shaken.map_err(|error| io::Error::other(HandshakeError::from(error)))?;
        Ok(Box::new(stream))
    }

    async fn accept(&self) -> io::Result<Incoming> {
        let Accepting {
            listener,
            handshakes,
        } = &mut *self.accepting.lock().await;
        loop {
            let room = handshakes.len() < HANDSHAKES_MAX;
            tokio::select! {
                biased;
                Some(shaken) = handshakes.next() => match shaken {
                    Ok(incoming) => return Ok(incoming),
                    Err(error) => self.complain(&error),
                },
                accepted = listener.accept(), if room => match accepted {
                    Ok((tcp, _)) => handshakes.push(self.shake(tcp)),
                    // The other end has gone while it waited.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => return Err(error),
                },
            }
        }
    }
}

impl fmt::Debug for TlsNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsNetwork").finish_non_exhaustive()
    }
}

// === impl HandshakeError ===

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
        match tls {
            Some(rustls::Error::InvalidCertificate(wrong)) => Self::of_certificate(wrong),
            Some(rustls::Error::NoCertificatesPresented) => Self::Stranger,
            Some(rustls::Error::AlertReceived(alert)) => Self::Refuses(*alert),
            Some(_) => Self::NoTls,
            None => Self::Broken(error),
        }
    }
}

impl HandshakeError {
    fn of_certificate(wrong: &rustls::CertificateError) -> Self {
        use rustls::CertificateError as Wrong;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "it has many more, and gets more"
        )]
        match wrong {
            Wrong::Expired | Wrong::ExpiredContext { .. } => Self::Expired,
            Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => Self::NotYet,
            Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => Self::OtherNode,
            Wrong::UnknownIssuer | Wrong::BadSignature => Self::Foreign,
            _ => Self::NoNode,
        }
    }
}

#[cfg(test)]
mod tests;
