//! The edge of a server whose store does not answer yet.
//!
//! Invariant: it says on health that the node is not ready, and answers every other call with what a store
//! that is away answers everywhere: `UNAVAILABLE`, and when to come again. The port is never closed, so that
//! whoever connects between this edge and the real one waits in the listener's queue.
//!
//! Leaves out: how the store is waited for (`stores`).

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cluster_runtime::Tasks;
use cluster_store::StoreError;
use cluster_types::{Caller, Coded, ErrorCode, Rng};
use services_gateway::{
    AccountRates, Authenticate, AuthenticateError, Certificates, Gateway, GatewayOptions, Handle,
};
use tokio::net::TcpListener;
use tonic::service::Routes;

use crate::app::StartError;
use crate::config::Config;

/// When whoever calls meanwhile should come again.
const COME_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What connections get to end once the store answers: nothing is under way but refusals.
const END_WITHIN: Duration = Duration::from_secs(1);

/// Why a call is refused meanwhile.
#[derive(Debug, thiserror::Error)]
#[error("the server waits for its store")]
struct NotYet;

impl Coded for NotYet {
    fn code(&self) -> ErrorCode {
        ErrorCode::NotHere
    }

    fn reason(&self) -> &'static str {
        StoreError::Unavailable.reason()
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(COME_AGAIN_AFTER)
    }
}

/// Nobody's token can be looked up.
struct Nobody;

#[async_trait]
impl Authenticate for Nobody {
    async fn authenticate(&self, _token: &str) -> Result<Caller, AuthenticateError> {
        Err(Box::new(NotYet))
    }
}

/// An edge without services.
pub(crate) struct Waiting(Handle);

impl Waiting {
    /// Serves what comes to `listener`, which stays the caller's.
    ///
    /// # Errors
    /// If the listener cannot be shared or the edge not be put together.
    pub(crate) async fn start(
        config: &Config,
        listener: &TcpListener,
        certificates: &Arc<Certificates>,
        tasks: &Tasks,
        rng: &Rng,
    ) -> Result<Self, StartError> {
        let shared = listener.as_fd().try_clone_to_owned();
        let shared = shared.and_then(|shared| TcpListener::from_std(shared.into()));
        let listener = shared.map_err(|source| StartError::Listen {
            address: config.listen,
            source,
        })?;
        let gateway = Gateway {
            routes: refusals(),
            authenticate: Arc::new(Nobody),
            certificates: Arc::clone(certificates),
            account_rates: AccountRates::new(&config.limits.calls),
            options: GatewayOptions {
                tls_min: config.tls_min,
                reflection: false,
                web_origins: config.web_origins.clone(),
            },
            limits: config.limits.clone(),
            tasks: tasks.clone(),
            rng: rng.fork(),
        };
        let edge = gateway.serve_not_ready(listener).await?;
        // Once: the backend says what is wrong with the store, and this what the server does about it.
        tracing::warn!(address = %edge.local_addr(), "the server is not ready and waits for its store");
        Ok(Self(edge))
    }

    /// Lets its connections go, so that they come again.
    pub(crate) async fn end(self) {
        self.0.shutdown(END_WITHIN, async {}).await;
    }
}

/// Routes without a service.
fn refusals() -> Routes {
    let refuse = || async { cluster_rpc::status(&NotYet).into_http::<axum::body::Body>() };
    axum::Router::new().fallback(refuse).into()
}

#[cfg(test)]
mod tests {
    use cluster_types::SystemClock;
    use services_gateway::{CertificateSource, listen};

    use super::*;

    #[tokio::test]
    async fn the_port_stays_open_when_waiting_is_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            ..Config::default()
        };
        let source = CertificateSource::Generated {
            dir: folder.path().to_owned(),
            names: Vec::new(),
        };
        let certificates = Certificates::load(source, Arc::new(SystemClock));
        let certificates = Arc::new(certificates.expect("one is made"));
        let listener = listen(config.listen, &config.limits.connections).expect("listens");
        let address = listener.local_addr().expect("an address");
        let (tasks, rng) = (Tasks::new(), Rng::seeded(1));
        let waiting = Waiting::start(&config, &listener, &certificates, &tasks, &rng);
        waiting.await.expect("starts").end().await;
        let (connected, accepted) =
            tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
        connected.expect("connects");
        accepted.expect("is ours again");
    }
}
