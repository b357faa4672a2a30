//! What the edge counts. Numbers alone: no label names a person, an address or a room.
//!
//! Invariant: a gauge goes down by the drop of a guard, so it is right after a panic too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// The counters and gauges of one gateway, updated all the time.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $($(#[$doc])* pub(crate) $name: AtomicU64,)+
        }

        /// [`Metrics`] at one moment.
        #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
        pub struct MetricsSnapshot {
            $($(#[$doc])* pub $name: u64,)+
        }

        impl Metrics {
            /// All of them, now. Each is read on its own.
            pub fn snapshot(&self) -> MetricsSnapshot {
                MetricsSnapshot { $($name: self.$name.load(Ordering::Relaxed),)+ }
            }
        }
    };
}

metrics! {
    /// Gauge: connections, handshakes included.
    connections_open,
    /// Gauge: connections without an authenticated call so far.
    connections_unauthenticated,
    /// Gauge: calls that are worked on.
    handlers_running,
    /// Connections accepted.
    connections_accepted,
    /// Connections closed at once because their address has too many that are unauthenticated.
    connections_refused_address,
    /// Connections closed at once because the node has too many.
    connections_refused_total,
    /// Calls refused because their account has too many connections.
    connections_refused_account,
    /// Times that `accept` failed for want of file descriptors or memory.
    accept_errors,
    /// Handshakes that the client broke off or got wrong.
    handshakes_failed,
    /// Handshakes that took too long.
    handshakes_late,
    /// Connections closed because they never authenticated.
    connections_never_authenticated,
    /// Connections closed because they cancelled too many calls.
    connections_cancelling,
    /// Connections closed because they did not fetch the answers to their calls.
    connections_not_fetching,
    /// Connections told to go because of their age.
    connections_aged,
    /// Connections that were cut because they did not go in time.
    connections_cut,
    /// Calls that reached a service.
    calls_served,
    /// Calls without a token, or with one that is not valid.
    calls_unauthenticated,
    /// Calls refused because the node had too many under way.
    calls_shed,
    /// Calls refused because their account had too many under way.
    calls_too_many,
    /// Calls refused because an account or an address was too fast.
    calls_too_fast,
    /// Calls that took too long.
    calls_late,
    /// Calls that their client cancelled.
    calls_cancelled,
}

/// One, as long as it lives.
#[derive(Debug)]
pub(crate) struct Gauged {
    metrics: Arc<Metrics>,
    gauge: fn(&Metrics) -> &AtomicU64,
}

impl Metrics {
    /// Adds one to `counter`.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Gauged {
    pub(crate) fn new(metrics: &Arc<Metrics>, gauge: fn(&Metrics) -> &AtomicU64) -> Self {
        gauge(metrics).fetch_add(1, Ordering::Relaxed);
        Self {
            metrics: Arc::clone(metrics),
            gauge,
        }
    }
}

impl Drop for Gauged {
    fn drop(&mut self) {
        (self.gauge)(&self.metrics).fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_counts_what_lives_and_a_counter_what_happened() {
        let metrics = Arc::new(Metrics::default());
        let one = Gauged::new(&metrics, |m| &m.handlers_running);
        let two = Gauged::new(&metrics, |m| &m.handlers_running);
        Metrics::count(&metrics.calls_shed);
        drop(one);
        assert_eq!(metrics.snapshot().handlers_running, 1);
        assert_eq!(metrics.snapshot().calls_shed, 1);
        drop(two);
        assert_eq!(metrics.snapshot().handlers_running, 0);
    }
}
