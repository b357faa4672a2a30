//! The life of a connection: it has to authenticate, grows old, is asked to leave, and is cut if it
//! does not.
//!
//! Invariant: it ends. Every wait here has a deadline, whatever the client does.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper_util::server::graceful::GracefulConnection;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Connection;
use crate::metrics::Metrics;

/// How long a connection may take for what.
#[derive(Clone, Debug)]
pub(super) struct Lifetime {
    pub(super) authenticate_within: Duration,
    pub(super) age_max: Duration,
    pub(super) leave_within: Duration,
    /// Cancelled when the whole node drains.
    pub(super) draining: CancellationToken,
    /// Set before that: when all connections have to be gone.
    pub(super) drained_by: Arc<OnceLock<Instant>>,
}

/// What the connection has to do by the time its timer fires.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Due {
    Authenticate,
    Age,
    Leave,
}

/// Runs `http` to its end, or to the connection's.
pub(super) async fn drive<C>(
    connection: Arc<Connection>,
    mut http: Pin<Box<C>>,
    lifetime: Lifetime,
    metrics: Arc<Metrics>,
) where
    C: GracefulConnection,
{
    let leaving = connection.leaving().clone();
    let mut asked_to_leave = std::pin::pin!(leaving.cancelled());
    let draining = lifetime.draining.clone();
    let mut draining = std::pin::pin!(draining.cancelled());
    let mut hurried = false;
    let mut due = Due::Authenticate;
    let first = connection.authenticate_by(lifetime.authenticate_within);
    let mut timer = std::pin::pin!(sleep_until(first));
    loop {
        tokio::select! {
            biased;
            // To be asked comes first: a client that keeps the connection busy cannot put it off.
            () = &mut asked_to_leave, if due != Due::Leave => {
                if connection.is_cut() {
                    return;
                }
                due = Due::Leave;
                let by = lifetime.drained_by.get().copied();
                timer.as_mut().reset(by.unwrap_or_else(|| Instant::now() + lifetime.leave_within));
                http.as_mut().graceful_shutdown();
            }
            // One that was leaving for its age has no more time than the others.
            () = &mut draining, if due == Due::Leave && !hurried => {
                hurried = true;
                let by = lifetime.drained_by.get().copied().unwrap_or_else(Instant::now);
                let earlier = by.min(timer.deadline());
                timer.as_mut().reset(earlier);
            }
            // How it ends is the client's business: it is told by its own side of the connection.
            _ = &mut http => return,
            () = &mut timer => match next(&connection, due, &lifetime, &metrics, timer.as_mut()) {
                Some(next) => due = next,
                None => return,
            }
        }
    }
}

/// What is due after the timer fired; `None` if the connection ends.
fn next(
    connection: &Connection,
    due: Due,
    lifetime: &Lifetime,
    metrics: &Metrics,
    timer: Pin<&mut Sleep>,
) -> Option<Due> {
    match due {
        Due::Authenticate if connection.is_authenticated() => {
            timer.reset(connection.opened + lifetime.age_max);
            Some(Due::Age)
        }
        Due::Authenticate => {
            let by = connection.authenticate_by(lifetime.authenticate_within);
            if by <= Instant::now() {
                Metrics::count(&metrics.connections_never_authenticated);
                return None;
            }
            timer.reset(by);
            Some(Due::Authenticate)
        }
        Due::Age => {
            Metrics::count(&metrics.connections_aged);
            connection.leaving().cancel();
            // The next turn of the loop sees it and sets the timer.
            timer.reset(Instant::now() + lifetime.leave_within);
            Some(Due::Age)
        }
        Due::Leave => {
            Metrics::count(&metrics.connections_cut);
            None
        }
    }
}
