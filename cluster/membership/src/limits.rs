//! Every bound of this crate, with its reason.
//!
//! What is about time is in [`Timing`](crate::Timing), whose defaults these are: a simulation runs with others.

use std::time::Duration;

/// From the beginning of one round to the next. Short, since a death is noticed after [`LEASE_ROUNDS`] of
/// them; long enough that thirty nodes cost the store some hundred small transactions a second.
pub const HEARTBEAT_EVERY: Duration = Duration::from_millis(250);

/// Rounds of an observer in which somebody's heartbeat has not moved before it is evicted. They are the
/// observer's own successful ones: a store that stalls for everybody makes nobody look dead.
pub const LEASE_ROUNDS: u32 = 5;

/// How long a heartbeat has not moved before its node is evicted, by the observer's monotonic clock. Less than
/// what [`LEASE_ROUNDS`] take, so that a round which took a little longer than the last one costs no sixth.
pub const LEASE: Duration = Duration::from_millis(1_200);

/// How long a node serves after the beginning of its last heartbeat that succeeded, by its own monotonic clock.
/// If clocks differ by a tenth each way, this is 1,000 ms at most, and [`LEASE`] 1,090 ms at least.
pub const SERVE_FOR: Duration = Duration::from_millis(900);

/// Clocks that run this much too slow or too fast, in hundredths, are allowed for.
const DRIFT: u128 = 10;

const _: () = assert!(
    is_covered(SERVE_FOR, LEASE),
    "an owner stops before it is evicted"
);

/// Whether a node that serves for `serve_for` has stopped when somebody evicts it after `lease`.
pub(crate) const fn is_covered(serve_for: Duration, lease: Duration) -> bool {
    serve_for.as_micros() * (100 + DRIFT) < lease.as_micros() * (100 - DRIFT)
}

/// Between two rounds that are not waited for, because somebody asked for a look: a failover makes thousands
/// ask, and each round is a commit.
pub const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long after a store had no space for a node that is alone it is tried again: as soon as an operator who has
/// made some looks whether it has helped.
pub const TAKE_AGAIN_EVERY: Duration = Duration::from_secs(1);

/// Who has been silent for so many rounds is handed nothing: it may be dead, and what it owned would wait until
/// it is evicted.
pub const QUIET_ROUNDS: u32 = 2;

/// Shards that are claimed in a transaction: four of them take a whole cluster over, and each stays far below
/// the store's limits.
pub const CLAIMS_AT_ONCE: usize = 256;

/// Shards that a node hands over in a round because another one has joined: few enough that most rooms go on
/// meanwhile. The third of a cluster that a newcomer takes from two nodes has moved after two seconds.
pub const MOVES_AT_ONCE: usize = 32;

/// Shards that a draining node hands over at a time. Their rooms pause until all of them have been released and
/// the transaction is through: a small batch is a short pause.
pub const DRAIN_AT_ONCE: usize = 64;

/// How long a hand-over waits until the rooms of its shards have finished what is under way: some commits. It keeps
/// all rooms of the batch from going on, so that the slowest may not decide; what that one writes later is fenced, and
/// asked again of the next owner.
pub const RELEASE_WITHIN: Duration = Duration::from_millis(50);

/// How long an operator waits until a shard has moved: some rounds, also with a store that is slow.
pub const MOVE_WITHIN: Duration = Duration::from_secs(10);

/// How long a round waits for the store, and each transaction that it leads to: then the outcome is unknown, and the
/// next round begins. A message that was lost costs no lease then. Below [`SERVE_FOR`], past which an answer is of no
/// use; and so far below [`LEASE`] that after a stall everybody's next heartbeat commits before anybody is evicted.
pub const PATIENCE: Duration = Duration::from_millis(600);
