//! TCP, then TLS: one new connection, within one deadline.
//!
//! Invariant: whatever fails comes back as a [`ConnectFailure`], which survives the way through the
//! transport library and becomes the [`Error`] that a program sees.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::{CertificateError, ClientConfig};
use rustls_pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Tuning;
use super::address::Address;
use crate::trust::PinFailure;
use crate::{Error, Fingerprint};

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no connection to {server}")]
pub(crate) struct ConnectFailure {
    server: Arc<str>,
    why: Why,
}

#[derive(Clone, Debug)]
enum Why {
    Unknown(Fingerprint),
    Wrong {
        expected: Fingerprint,
        found: Fingerprint,
    },
    Untrusted(String),
    Unreachable(String),
}

impl From<ConnectFailure> for Error {
    fn from(failure: ConnectFailure) -> Self {
        let server = failure.server.to_string();
        match failure.why {
            Why::Unknown(fingerprint) => Self::UnknownServer {
                server,
                fingerprint,
            },
            Why::Wrong { expected, found } => Self::WrongFingerprint {
                server,
                expected,
                found,
            },
            Why::Untrusted(problem) => Self::Untrusted { server, problem },
            Why::Unreachable(problem) => Self::Unreachable { server, problem },
        }
    }
}

/// Makes connections to one server.
#[derive(Clone)]
pub(super) struct Connector {
    server: Arc<str>,
    host: Arc<str>,
    port: u16,
    name: ServerName<'static>,
    tls: TlsConnector,
    timeout: Duration,
    local: Option<IpAddr>,
}

impl Connector {
    pub(super) fn new(
        address: &Address,
        tls: &Arc<ClientConfig>,
        tuning: &Tuning,
        local: Option<IpAddr>,
    ) -> Result<Self, Error> {
        Ok(Self {
            server: address.authority().into(),
            host: address.host().into(),
            port: address.port(),
            name: address.name(),
            tls: TlsConnector::from(Arc::clone(tls)),
            timeout: tuning.connect_timeout,
            local,
        })
    }

    pub(super) async fn connect(self) -> Result<TokioIo<TlsStream<TcpStream>>, ConnectFailure> {
        let connected = match timeout(self.timeout, self.open()).await {
            Ok(connected) => connected,
            Err(_) => Err(Why::Unreachable(format!(
                "no answer within {} s",
                self.timeout.as_secs()
            ))),
        };
        connected.map(TokioIo::new).map_err(|why| ConnectFailure {
            server: self.server,
            why,
        })
    }

    async fn open(&self) -> Result<TlsStream<TcpStream>, Why> {
        let tcp = self.tcp().await.map_err(|error| {
            Why::Unreachable(if error.kind() == io::ErrorKind::ConnectionRefused {
                "nothing listens there".to_owned()
            } else {
                error.to_string()
            })
        })?;
        self.tls
            .connect(self.name.clone(), tcp)
            .await
            .map_err(|error| why(&error))
    }

    /// Tries every address of the host, in the order that the system gives.
    async fn tcp(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in lookup_host((&*self.host, self.port)).await? {
            match self.dial(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        if let Some(local) = self.local {
            socket.bind((local, 0).into())?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// What a failed handshake means.
fn why(error: &io::Error) -> Why {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(other))) => {
            match other.0.downcast_ref::<PinFailure>() {
                Some(PinFailure::Unknown(found)) => Why::Unknown(*found),
                Some(PinFailure::Wrong { expected, found }) => Why::Wrong {
                    expected: *expected,
                    found: *found,
                },
                None => Why::Untrusted(other.to_string()),
            }
        }
        Some(rustls::Error::InvalidCertificate(problem)) => Why::Untrusted(problem.to_string()),
        Some(rustls::Error::InvalidMessage(_)) => {
            Why::Unreachable("what listens there does not speak TLS".to_owned())
        }
        _ => Why::Unreachable(format!("TLS failed: {error}")),
    }
}
