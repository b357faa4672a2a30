//! [`Client`]: a connection, and the token that its calls show.
//!
//! Owns: how one call is made, with its deadline and its retries. The calls themselves are in `calls`,
//! one file for each service.
//!
//! Invariants: a call that a server might carry out twice is made once. Bytes of files go by a connection of
//! their own: what waits for a disk, here or there, fills the windows of its connection and holds up the rest.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::OnceCell;
use tokio::time::timeout;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::server::Builder;
use crate::tries::Tries;
use crate::{Error, Server, Token, limits};

/// A connection to a server, with or without a token. Clones share the connection.
///
/// All calls on a connection run side by side. A connection that is lost is made anew by the next call. The first
/// file that is sent or fetched makes a second one, to the same server, for it and those that follow.
#[derive(Clone)]
pub struct Client {
    server: Server,
    channel: Channel,
    /// The address of this machine that connections are made from, if it matters.
    local: Option<IpAddr>,
    /// For files.
    transfers: Arc<OnceCell<Channel>>,
    token: Option<Shown>,
}

/// A token and the header made of it.
#[derive(Clone)]
struct Shown {
    token: Token,
    header: MetadataValue<Ascii>,
}

impl Client {
    /// Begins with the address of a server: `https://host:port`.
    pub fn builder(address: impl Into<String>) -> Builder {
        Builder::new(address)
    }

    pub(crate) fn new(server: Server, channel: Channel, local: Option<IpAddr>) -> Self {
        Self {
            server,
            channel,
            local,
            transfers: Arc::default(),
            token: None,
        }
    }

    /// The same connection, for the sign-in that this token belongs to. Many accounts can share one
    /// connection; give each a client of its own with this.
    ///
    /// # Errors
    /// [`Error::Token`] if no token looks like this.
    pub fn with_token(&self, token: Token) -> Result<Self, Error> {
        let header = token.header().ok_or(Error::Token)?;
        Ok(Self {
            token: Some(Shown { token, header }),
            ..self.clone()
        })
    }

    /// The token that calls show.
    pub fn token(&self) -> Option<&Token> {
        self.token.as_ref().map(|shown| &shown.token)
    }

    /// The server, to make more connections to it.
    pub const fn server(&self) -> &Server {
        &self.server
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// The connection for bytes of files.
    pub(crate) async fn transfers(&self) -> Result<Channel, Error> {
        let make = || async { self.server.channel_when_asked(self.local) };
        self.transfers.get_or_try_init(make).await.cloned()
    }

    /// A request that shows the token.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(shown) = &self.token {
            let header = shown.header.clone();
            request.metadata_mut().insert("authorization", header);
        }
        request
    }

    /// Makes a call that must not be made twice.
    pub(crate) async fn once<Q, A, F>(
        &self,
        message: Q,
        call: impl FnOnce(Channel, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let mut request = self.request(message);
        request.set_timeout(limits::CALL_TIMEOUT);
        match timeout(limits::CALL_TIMEOUT, call(self.channel(), request)).await {
            Ok(answered) => Ok(answered?.into_inner()),
            Err(_) => Err(Error::TimedOut),
        }
    }

    /// Makes a call that does the same when it is made twice, as often as the policy says.
    pub(crate) async fn again<Q: Clone, A, F>(
        &self,
        message: Q,
        call: impl Fn(Channel, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let mut tries = Tries::of_call(self.server.retry());
        loop {
            match self.once(message.clone(), &call).await {
                Ok(answer) => return Ok(answer),
                Err(error) => tries.again(error).await?,
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("server", &self.server)
            .field("token", &self.token())
            .finish()
    }
}
