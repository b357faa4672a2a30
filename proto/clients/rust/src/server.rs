//! [`Server`]: where to connect, whom to believe there, and how the connection is tuned. Connecting to
//! it gives a [`Client`].
//!
//! Invariant: a connection is encrypted, always. There is no other kind.

mod address;
mod connect;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tonic::transport::{Channel, Endpoint, Uri};

pub(crate) use connect::ConnectFailure;

use crate::client::Client;
use crate::error::in_chain;
use crate::trust::{Kind, tls_config};
use crate::{Error, Retry, Trust, limits};
use address::Address;
use connect::Connector;

/// Collects what a [`Server`] needs. Made by [`Client::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    address: String,
    trust: Option<Trust>,
    tuning: Tuning,
    retry: Retry,
    transfer_retry: Retry,
}

/// One server, and how to reach it. A cheap clone: for thousands of connections, prepare it once.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    address: Address,
    trust: Trust,
    tls: Arc<ClientConfig>,
    tuning: Tuning,
    retry: Retry,
    transfer_retry: Retry,
}

/// How much memory a connection may take, and when it counts as dead.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tuning {
    /// Bytes on the way to us per stream. The server stops sending when so many are unread.
    pub stream_window_bytes: u32,
    /// Bytes on the way to us in all streams together.
    pub connection_window_bytes: u32,
    /// Ping a silent connection this often; `None` for never.
    pub keepalive: Option<Duration>,
    /// TCP and TLS handshake together.
    pub connect_timeout: Duration,
}

impl Tuning {
    /// For a program with a few connections.
    pub const NORMAL: Self = Self {
        stream_window_bytes: limits::STREAM_WINDOW_BYTES,
        connection_window_bytes: limits::CONNECTION_WINDOW_BYTES,
        keepalive: Some(limits::KEEPALIVE_INTERVAL),
        connect_timeout: limits::CONNECT_TIMEOUT,
    };

    /// For a program with thousands of connections: small windows, and no pings (the server sends them).
    pub const LIGHT: Self = Self {
        stream_window_bytes: limits::LIGHT_WINDOW_BYTES,
        connection_window_bytes: limits::LIGHT_WINDOW_BYTES,
        keepalive: None,
        connect_timeout: limits::CONNECT_TIMEOUT,
    };
}

impl Default for Tuning {
    fn default() -> Self {
        Self::NORMAL
    }
}

// === impl Builder ===

impl Builder {
    pub(crate) fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            trust: None,
            tuning: Tuning::NORMAL,
            retry: Retry::default(),
            transfer_retry: Retry::of_transfers(),
        }
    }

    /// What makes the server the right one. Without it, the authorities of the system decide.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// How the connections are tuned. [`Tuning::NORMAL`] without it.
    #[must_use]
    pub const fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = tuning;
        self
    }

    /// How calls are retried that are safe to make twice.
    #[must_use]
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// How files go on that are sent and fetched. Attempts and time are counted since more of the file was there than
    /// before; the time from the first failure on. [`Retry::of_transfers`] without it.
    #[must_use]
    pub const fn transfer_retry(mut self, retry: Retry) -> Self {
        self.transfer_retry = retry;
        self
    }

    /// Checks all of it without connecting.
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::File`] or [`Error::Certificates`].
    pub fn build(self) -> Result<Server, Error> {
        let address: Address = self.address.parse()?;
        let trust = self.trust.map_or_else(Trust::system, Ok)?;
        let tls = tls_config(&trust, address.authority())?;
        Ok(Server(Arc::new(Inner {
            address,
            trust,
            tls,
            tuning: self.tuning,
            retry: self.retry,
            transfer_retry: self.transfer_retry,
        })))
    }

    /// Checks all of it and connects.
    ///
    /// # Errors
    /// As [`Builder::build`] and [`Server::connect`].
    pub async fn connect(self) -> Result<Client, Error> {
        self.build()?.connect().await
    }
}

// === impl Server ===

impl Server {
    /// A new connection. It comes back by itself when it is lost and something is asked of it.
    ///
    /// # Errors
    /// [`Error::Unreachable`]; [`Error::UnknownServer`], [`Error::WrongFingerprint`] or
    /// [`Error::Untrusted`] about its certificate; [`Error::File`] if it was to be remembered and could
    /// not.
    pub async fn connect(&self) -> Result<Client, Error> {
        self.connect_from(None).await
    }

    /// As [`Server::connect`], from this address of the machine. A load generator needs it: one address
    /// has at most 65,535 ports.
    ///
    /// # Errors
    /// As [`Server::connect`].
    pub async fn connect_from(&self, local: Option<IpAddr>) -> Result<Client, Error> {
        let connected = match self.channel(local).await {
            Err(Error::UnknownServer {
                server,
                fingerprint,
            }) => {
                let Kind::Known(servers, Some(ask)) = &self.0.trust.0 else {
                    return Err(Error::UnknownServer {
                        server,
                        fingerprint,
                    });
                };
                if !ask(&server, &fingerprint) {
                    return Err(Error::UnknownServer {
                        server,
                        fingerprint,
                    });
                }
                servers.remember(&server, fingerprint)?;
                self.channel(local).await
            }
            other => other,
        };
        Ok(Client::new(self.clone(), connected?, local))
    }

    /// `host:port`, as it is known by.
    pub fn authority(&self) -> &str {
        self.0.address.authority()
    }

    pub(crate) fn retry(&self) -> Retry {
        self.0.retry
    }

    pub(crate) fn transfer_retry(&self) -> Retry {
        self.0.transfer_retry
    }

    /// A connection that its first call makes. It fails as that call does.
    pub(crate) fn channel_when_asked(&self, local: Option<IpAddr>) -> Result<Channel, Error> {
        let connector = self.connector(local)?;
        let service = tower::service_fn(move |_: Uri| connector.clone().connect());
        Ok(self.endpoint()?.connect_with_connector_lazy(service))
    }

    fn connector(&self, local: Option<IpAddr>) -> Result<Connector, Error> {
        Connector::new(&self.0.address, &self.0.tls, &self.0.tuning, local)
    }

    async fn channel(&self, local: Option<IpAddr>) -> Result<Channel, Error> {
        let connector = self.connector(local)?;
        let service = tower::service_fn(move |_: Uri| connector.clone().connect());
        self.endpoint()?
            .connect_with_connector(service)
            .await
            .map_err(|error| {
                in_chain::<ConnectFailure>(&error).map_or_else(
                    || self.unreachable(&error),
                    |failure| failure.clone().into(),
                )
            })
    }

    fn unreachable(&self, error: &tonic::transport::Error) -> Error {
        let mut innermost: &dyn std::error::Error = error;
        while let Some(cause) = innermost.source() {
            innermost = cause;
        }
        Error::Unreachable {
            server: self.authority().to_owned(),
            problem: innermost.to_string(),
        }
    }

    fn endpoint(&self) -> Result<Endpoint, Error> {
        let authority = self.authority();
        let uri = |scheme: &str| format!("{scheme}://{authority}").parse::<Uri>();
        let (Ok(plain), Ok(origin)) = (uri("http"), uri("https")) else {
            return Err(self.0.address.invalid("the host has characters of no host"));
        };
        // The library would refuse an https address without TLS of its own; ours is in the connector.
        let tuning = self.0.tuning;
        let endpoint = Endpoint::from(plain)
            .origin(origin)
            .user_agent(concat!("rookery-client/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| self.unreachable(&error))?
            .initial_stream_window_size(tuning.stream_window_bytes)
            .initial_connection_window_size(tuning.connection_window_bytes);
        Ok(match tuning.keepalive {
            Some(interval) => endpoint
                .http2_keep_alive_interval(interval)
                .keep_alive_timeout(limits::KEEPALIVE_TIMEOUT)
                .keep_alive_while_idle(true),
            None => endpoint,
        })
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.authority())
    }
}
