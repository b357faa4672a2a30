//! File descriptors: a connection takes one, and systems give a process few of them unless it asks.
//!
//! Invariant: the process has as many as it may have without an operator's help, and a limit on
//! connections that cannot be reached is told.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the store, the runtime, logs and certificates take, with room.
const OTHERS: u64 = 256;

/// Asks for all descriptors that this process may have, and warns if they are too few for
/// `connections_max`.
pub(crate) fn raise(connections_max: u32) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // Refused at most by a system with a lower limit of its own; then it stays as it is.
    let available = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    if let Some(available) = lacking(connections_max, available) {
        tracing::warn!(
            available,
            connections_max,
            "too few file descriptors for limits.connections.count_max: raise them (ulimit -Hn, \
             LimitNOFILE= of systemd), or lower the limit"
        );
    }
}

/// The descriptors there are, if they are fewer than are needed; `None` stands for no limit.
fn lacking(connections_max: u32, available: Option<u64>) -> Option<u64> {
    available.filter(|available| *available < u64::from(connections_max) + OTHERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_may_be_had_is_asked_for() {
        raise(1);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }

    #[test]
    fn too_few_are_noticed() {
        assert_eq!(lacking(100_000, Some(1_024)), Some(1_024));
        assert_eq!(lacking(1_000, Some(1_024)), Some(1_024));
        assert_eq!(lacking(100_000, Some(1 << 20)), None);
        assert_eq!(lacking(u32::MAX, None), None);
    }
}
