//! [`Gateway`] and its [`Handle`]: putting the edge together, and taking it down in order.
//!
//! Invariant: the order of going down is fixed. Not ready; no new connections; streams are told;
//! connections are told (GOAWAY); what is under way may end; what has not ended by the deadline is cut.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cluster_runtime::{TaskKind, Tasks};
use cluster_types::Rng;
use http::HeaderValue;
use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::authenticate::Authenticate;
use crate::builtin::{Health, add_reflection};
use crate::calls::Calls;
use crate::connection::Slots;
use crate::edge::Edge;
use crate::guard::Guard;
use crate::limits::{HOUSEKEEPING_EVERY, Limits};
use crate::listener;
use crate::metrics::Metrics;
use crate::rates::AccountRates;
use crate::tls::{Certificates, TlsVersion, server_config};

/// How long after the deadline of a stop the tasks that were cut have to be gone.
const CUT_WITHIN: Duration = Duration::from_secs(1);

/// What a gateway is made of.
pub struct Gateway {
    /// The services, made with the sizes of [`MessageLimits`](crate::MessageLimits).
    pub routes: Routes,
    /// Who a token belongs to.
    pub authenticate: Arc<dyn Authenticate>,
    /// The certificate to show.
    pub certificates: Arc<Certificates>,
    /// All limits.
    pub limits: Limits,
    /// How fast each account goes; shared with whoever takes commands from streams.
    pub account_rates: AccountRates,
    /// What is not a limit.
    pub options: GatewayOptions,
    /// Where its tasks run.
    pub tasks: Tasks,
    /// Chance, for jitter and for the key of the address limiter.
    pub rng: Rng,
}

/// What an operator chooses about the edge, beside limits.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GatewayOptions {
    /// The oldest version of TLS that is spoken.
    pub tls_min: TlsVersion,
    /// Whether tools may ask what the API looks like.
    pub reflection: bool,
    /// The origins of pages whose scripts may call over gRPC-Web, such as `https://chat.example.org`.
    /// Pages from the server's own origin need no entry.
    pub web_origins: Vec<String>,
}

/// Why a gateway cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The descriptors of the API do not read.
    #[error("the descriptors of the API are damaged")]
    Descriptors(#[source] prost::DecodeError),
    /// Reflection cannot describe the API.
    #[error("reflection cannot describe the API")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// The TLS library refuses our settings.
    #[error("the settings for TLS do not work")]
    Tls(#[source] rustls::Error),
    /// An origin that no browser sends.
    #[error("`{origin}` is no origin: write it as https://chat.example.org")]
    Origin {
        /// The origin.
        origin: String,
    },
    /// The listener has no address.
    #[error("the listener has no address")]
    Address(#[source] io::Error),
}

/// A gateway that serves. Clones are the same one.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    health: Health,
    address: SocketAddr,
    accepting: CancellationToken,
}

/// How a gateway went down.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Drained {
    /// Connections that had not ended by the deadline and were cut.
    pub connections_cut: u64,
}

/// What every part of a gateway needs.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) edge: Edge,
    pub(crate) slots: Slots,
    pub(crate) tasks: Tasks,
    pub(crate) rng: Rng,
    pub(crate) metrics: Arc<Metrics>,
    /// Cancelled when the gateway goes down, and all connections with it.
    pub(crate) draining: CancellationToken,
    /// Its child, cancelled when all connections are to go that are there now. Each has a child of it.
    pub(crate) present: Mutex<CancellationToken>,
    /// Set before `draining` is cancelled: when they have to be gone.
    pub(crate) drained_by: Arc<OnceLock<Instant>>,
    certificates: Arc<Certificates>,
}

// === impl Gateway ===

impl Gateway {
    /// Serves what comes to `listener`, and says that the node is ready.
    ///
    /// # Errors
    /// Settings that do not work; nothing is served then.
    pub async fn serve(self, listener: TcpListener) -> Result<Handle, GatewayError> {
        let handle = self.serve_not_ready(listener).await?;
        handle.set_ready(true).await;
        Ok(handle)
    }

    /// Serves what comes to `listener`, and says that the node is not ready until
    /// [`set_ready`](Handle::set_ready) says otherwise.
    ///
    /// # Errors
    /// As [`serve`](Self::serve).
    pub async fn serve_not_ready(self, listener: TcpListener) -> Result<Handle, GatewayError> {
        let address = listener.local_addr().map_err(GatewayError::Address)?;
        let limits = self.limits;
        let (mut routes, health) = Health::add_to(self.routes, &limits.messages).await?;
        if self.options.reflection {
            routes = add_reflection(routes, &limits.messages)?;
        }
        let calls = Calls::new(self.options.reflection).map_err(GatewayError::Descriptors)?;
        let calls = Arc::new(calls);
        let metrics = Arc::new(Metrics::default());
        let guard = Guard::new(
            routes,
            self.authenticate,
            Arc::clone(&calls),
            self.account_rates,
            &limits,
            Arc::clone(&metrics),
        );
        let origins = self.options.web_origins.iter();
        let web_origins = origins.map(|origin| web_origin(origin));
        let web_origins = web_origins.collect::<Result<_, _>>()?;
        let draining = CancellationToken::new();
        let shared = Arc::new(Shared {
            tls: server_config(&self.certificates, self.options.tls_min)
                .map_err(GatewayError::Tls)?,
            edge: Edge::new(guard, calls, web_origins),
            slots: Slots::new(&limits.connections, &self.rng, Arc::clone(&metrics)),
            tasks: self.tasks,
            rng: self.rng,
            metrics,
            present: Mutex::new(draining.child_token()),
            draining,
            drained_by: Arc::default(),
            certificates: self.certificates,
            limits,
        });
        let accepting = shared.tasks.stopping().child_token();
        let accept = listener::run(Arc::clone(&shared), listener, accepting.clone());
        drop(
            shared
                .tasks
                .spawn(TaskKind::Accept, "gateway accept", accept),
        );
        let housekeeping = keep_house(Arc::clone(&shared), accepting.clone());
        drop(
            shared
                .tasks
                .spawn(TaskKind::Housekeeping, "gateway housekeeping", housekeeping),
        );
        Ok(Handle {
            shared,
            health,
            address,
            accepting,
        })
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("limits", &self.limits)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// An origin as browsers send it.
///
/// # Errors
/// If no browser sends that.
pub fn web_origin(text: &str) -> Result<HeaderValue, GatewayError> {
    let is_origin = ["https://", "http://"]
        .iter()
        .filter_map(|scheme| text.strip_prefix(scheme))
        .any(|host| !host.is_empty() && !host.contains(['/', '*', ' ']));
    let value = HeaderValue::from_str(text).ok().filter(|_| is_origin);
    value.ok_or_else(|| GatewayError::Origin {
        origin: text.to_owned(),
    })
}

/// Looks for a changed certificate and forgets idle rates, from time to time.
async fn keep_house(shared: Arc<Shared>, stop: CancellationToken) {
    let mut every = tokio::time::interval(HOUSEKEEPING_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = every.tick() => {}
        }
        shared.edge.guard().forget_idle();
        let certificates = Arc::clone(&shared.certificates);
        let reloaded = tokio::task::spawn_blocking(move || certificates.reload_if_changed()).await;
        if let Ok(Err(error)) = reloaded {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, "cannot use the new certificate; keeping the old one");
        }
    }
}

// === impl Handle ===

impl Handle {
    /// Where it listens; with the real port if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What it counts.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.shared.metrics
    }

    /// The certificate in use; reload it when the operator says so. It looks for changed files by itself
    /// every ten seconds.
    pub fn certificates(&self) -> &Arc<Certificates> {
        &self.shared.certificates
    }

    /// Tells load balancers whether to send clients here. Calls are taken in either case. Who goes down stays not
    /// ready.
    pub async fn set_ready(&self, ready: bool) {
        self.health.set_ready(ready).await;
        // Looked at afterwards, so that it cannot begin in between.
        if self.accepting.is_cancelled() {
            self.health.set_ready(false).await;
        }
    }

    /// What load balancers are told.
    pub fn is_ready(&self) -> bool {
        self.health.is_ready()
    }

    /// Whether it [goes down](Handle::shutdown).
    pub fn goes_down(&self) -> bool {
        self.accepting.is_cancelled()
    }

    /// Asks all connections to go that are there now, so that their clients connect anew and a load balancer sends
    /// them elsewhere. Those that do not go are cut after [`leave_within`](crate::ConnectionLimits::leave_within).
    pub fn send_away(&self) {
        let next = self.shared.draining.child_token();
        std::mem::replace(&mut *self.shared.present.lock(), next).cancel();
    }

    /// Goes down: says so, takes no more connections, waits for `tell_streams` (which ends the streams,
    /// or tells their clients to come back elsewhere), asks all connections to go, and cuts those that
    /// have not gone `deadline` from now. Safe to call twice; the first deadline counts.
    pub async fn shutdown(
        &self,
        deadline: Duration,
        tell_streams: impl Future<Output = ()>,
    ) -> Drained {
        let shared = &self.shared;
        let by = *shared.drained_by.get_or_init(|| Instant::now() + deadline);
        let cut_before = shared.metrics.snapshot().connections_cut;
        self.accepting.cancel();
        self.health.set_ready(false).await;
        // Late or not, the connections go next.
        let _ = tokio::time::timeout_at(by, tell_streams).await;
        shared.draining.cancel();
        let _ = tokio::time::timeout_at(by + CUT_WITHIN, shared.slots.all_free()).await;
        Drained {
            connections_cut: shared.metrics.snapshot().connections_cut - cut_before,
        }
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle")
            .field("metrics", &self.shared.metrics.snapshot())
            .finish_non_exhaustive()
    }
}
