//! What stands between a call and its service: who may call, how fast, how much at once, how long.
//!
//! The order is cheap before expensive: a place on the connection (waits), a place on the node (or the
//! call is shed), the token, the pace, the account's places for connections and calls, the service. All of it, up
//! to where an answer begins, is within the deadline of a call that asks in one message.
//!
//! Invariant: a service sees a request only with a [`Caller`](cluster_types::Caller), or if its path is
//! anonymous; and never the token. The place on the node is held until the handler has ended, whatever
//! the client does to its stream (GHSA-m425-mq94-257g); the others until a unary answer was fetched.
//!
//! Leaves out: what a caller may do. That is decided by each service.

mod deadline;
mod envelope;
mod fetched;
mod parting;
mod refusal;
mod token;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use cluster_types::AccountId;
use http::{Request, Response, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service;

use crate::authenticate::Authenticate;
use crate::calls::{Access, CallKind, Calls};
use crate::connection::{Connection, Moving};
use crate::counts::{Counted, Counts};
use crate::limits::{Limits, RATED_ADDRESSES_MAX};
use crate::metrics::{Gauged, Metrics};
use crate::peers::PeerHash;
use crate::rates::{AccountRates, Rates};
use envelope::Envelope;
use fetched::Fetched;
use parting::Parting;
use refusal::Refusal;

/// The services, behind everything that a call has to pass.
#[derive(Clone)]
pub(crate) struct Guard {
    routes: Routes,
    shared: Arc<GuardShared>,
}

struct GuardShared {
    authenticate: Arc<dyn Authenticate>,
    calls: Arc<Calls>,
    handlers: Semaphore,
    account_rates: AccountRates,
    account_calls: Counts<AccountId>,
    account_connections: Counts<AccountId>,
    address_rates: Rates<PeerHash>,
    request_bytes_max: usize,
    unary_within: Duration,
    shed_retry_after: Duration,
    metrics: Arc<Metrics>,
}

/// Counts a call as cancelled unless it was answered.
struct Unanswered {
    connection: Arc<Connection>,
    metrics: Arc<Metrics>,
    answered: bool,
}

// === impl Guard ===

impl Guard {
    pub(crate) fn new(
        routes: Routes,
        authenticate: Arc<dyn Authenticate>,
        calls: Arc<Calls>,
        account_rates: AccountRates,
        limits: &Limits,
        metrics: Arc<Metrics>,
    ) -> Self {
        let request_bytes_max = limits.messages.request_bytes_max.as_usize();
        let account_connections = limits.connections.authenticated_per_account_max;
        let limits = &limits.calls;
        let handlers = usize::try_from(limits.handlers_max).unwrap_or(usize::MAX);
        Self {
            routes: routes.prepare(),
            shared: Arc::new(GuardShared {
                authenticate,
                calls,
                handlers: Semaphore::new(handlers.min(Semaphore::MAX_PERMITS)),
                account_rates,
                account_calls: Counts::new(limits.account_calls_max),
                account_connections: Counts::new(account_connections),
                address_rates: Rates::new(limits.address_rate, RATED_ADDRESSES_MAX),
                request_bytes_max,
                unary_within: limits.unary_within.duration(),
                shed_retry_after: limits.shed_retry_after.duration(),
                metrics,
            }),
        }
    }

    /// Forgets who was quiet for long enough.
    pub(crate) fn forget_idle(&self) {
        self.shared.account_rates.forget_idle();
        self.shared.address_rates.forget_idle(Instant::now());
    }

    /// The answer to a call, from its service or from here.
    async fn answer(self, request: Request<Body>) -> Response<Body> {
        let Some(connection) = request.extensions().get::<Arc<Connection>>().cloned() else {
            return Refusal::NoConnection.into_response();
        };
        let shared = Arc::clone(&self.shared);
        let kind = shared.calls.kind(request.uri().path());
        let within = deadline::of(request.headers(), shared.unary_within);
        let unanswered = Unanswered {
            connection: Arc::clone(&connection),
            metrics: Arc::clone(&shared.metrics),
            answered: false,
        };
        let work = self.work(&connection, kind, request);
        let answer = if kind.asks_once() {
            let in_time = tokio::time::timeout(within, work).await;
            in_time.unwrap_or(Err(Refusal::Late))
        } else {
            work.await
        };
        unanswered.answered();
        answer.unwrap_or_else(|refusal| {
            shared.count(&refusal);
            refusal.into_response()
        })
    }

    async fn work(
        mut self,
        connection: &Connection,
        kind: CallKind,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, Refusal> {
        let shared = Arc::clone(&self.shared);
        let _running = Gauged::new(&shared.metrics, |m| &m.handlers_running);
        let authorization = request.headers_mut().remove(header::AUTHORIZATION);
        // Health is answered without a place: whoever asks must hear of a node that is full.
        let (on_connection, _on_node) = match kind.access {
            Access::Health => (None, None),
            Access::Anonymous | Access::Caller => {
                let (on_connection, on_node) = shared.places(connection).await?;
                (Some(on_connection), Some(on_node))
            }
        };
        let mut of_account = None;
        match kind.access {
            Access::Health => {
                connection.count_allowed();
                connection.progressed();
            }
            Access::Anonymous => {
                connection.count_allowed();
                let now = Instant::now();
                shared.address_rates.take(connection.peer_hash, now)?;
                connection.progressed();
            }
            Access::Caller => {
                let caller = token::caller(&*shared.authenticate, authorization.as_ref()).await;
                let caller = caller.inspect_err(|_| connection.count_refused())?;
                let admitted = shared.admit(caller.account, connection);
                admitted.inspect_err(|_| connection.count_refused())?;
                request.extensions_mut().insert(caller);
                if kind.asks_once() {
                    of_account = Some(shared.place_of(caller.account)?);
                }
                if !kind.unary {
                    request
                        .extensions_mut()
                        .insert(connection.leaving().clone());
                }
            }
        }
        Metrics::count(&shared.metrics.calls_served);
        if kind.asks_once() {
            request = shared.enveloped(request);
        }
        let moving = request.extensions_mut().remove::<Arc<Moving>>();
        let answer = self.routes.call(request).await;
        let answer = answer.unwrap_or_else(|never| match never {});
        if kind.unary {
            let held = |body| Body::new(Fetched::new(body, on_connection, of_account));
            return Ok(answer.map(held));
        }
        if kind.access != Access::Caller {
            let leaving = connection.leaving().clone();
            return Ok(answer.map(|body| Body::new(Parting::new(body, leaving))));
        }
        if let Some(moving) = moving {
            return Ok(answer.map(|body| Body::new(Fetched::moving(body, moving))));
        }
        Ok(answer)
    }
}

impl Service<Request<Body>> for Guard {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    /// Always: places are taken within the call, so that it can be refused in words.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let guard = self.clone();
        Box::pin(async move { Ok(guard.answer(request).await) })
    }
}

// === impl GuardShared ===

impl GuardShared {
    /// A place on the connection, and one on the node.
    async fn places(
        &self,
        connection: &Connection,
    ) -> Result<(OwnedSemaphorePermit, SemaphorePermit<'_>), Refusal> {
        let retry_after = self.shed_retry_after;
        let on_connection = connection.handler().await;
        let on_node = self.handlers.try_acquire().ok();
        on_connection
            .zip(on_node)
            .ok_or(Refusal::Busy { retry_after })
    }

    /// Counts a call of `account`, and the connection as the account's.
    fn admit(&self, account: AccountId, connection: &Connection) -> Result<(), Refusal> {
        self.account_rates.count(account)?;
        if connection.authenticated(account, &self.account_connections) {
            return Ok(());
        }
        let retry_after = self.shed_retry_after;
        Err(Refusal::TooManyConnections { retry_after })
    }

    /// A place among the calls of `account`.
    fn place_of(&self, account: AccountId) -> Result<Counted<AccountId>, Refusal> {
        let retry_after = self.shed_retry_after;
        let place = self.account_calls.add(account);
        place.ok_or(Refusal::TooMany { retry_after })
    }

    /// `request`, with a body of one message.
    fn enveloped(&self, request: Request<Body>) -> Request<Body> {
        let fields = self.calls.fields(request.uri().path());
        request.map(|body| Body::new(Envelope::new(body, self.request_bytes_max, fields)))
    }

    fn count(&self, refusal: &Refusal) {
        let metrics = &self.metrics;
        match refusal {
            Refusal::TokenRequired | Refusal::TokenMalformed | Refusal::NotAuthenticated(_) => {
                Metrics::count(&metrics.calls_unauthenticated);
            }
            Refusal::TooFast(_) => Metrics::count(&metrics.calls_too_fast),
            Refusal::TooManyConnections { .. } => {
                Metrics::count(&metrics.connections_refused_account);
            }
            Refusal::TooMany { .. } => Metrics::count(&metrics.calls_too_many),
            Refusal::Busy { .. } => Metrics::count(&metrics.calls_shed),
            Refusal::Late => Metrics::count(&metrics.calls_late),
            Refusal::NoConnection => {}
        }
    }
}

// === impl Unanswered ===

impl Unanswered {
    fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if !self.answered {
            self.connection.count_cancelled(&self.metrics);
        }
    }
}
