//! Every bound of this crate, with its reason.

use std::time::Duration;

/// How long another node has for a command: a little less than whoever asked it has, so that it is told why.
pub(crate) const COMMAND_WITHIN: Duration = Duration::from_secs(8);

/// How long another node has to take a subscription, which it does without waiting for anything.
pub(crate) const SUBSCRIBE_WITHIN: Duration = Duration::from_secs(1);

/// How long another node has to take in what was handed over, which it does without waiting for anything. It finds out
/// by itself sooner than later.
pub(crate) const HANDED_WITHIN: Duration = Duration::from_secs(1);

/// How long another node has to look what was done to sign-ins. It finds out by itself in about as long.
pub(crate) const LOOK_WITHIN: Duration = Duration::from_secs(1);

/// How long another node has to say what it has to do, which it knows without waiting for anything. An operator
/// waits for the one that says nothing.
pub(crate) const LOAD_WITHIN: Duration = Duration::from_secs(1);

/// How many of its rooms a node names as the hottest: those that an operator would think of moving.
pub(crate) const HOT_ROOMS: usize = 5;

/// How long the links of a life that is over have to end.
pub(crate) const FAREWELL_WITHIN: Duration = Duration::from_millis(100);

/// How long the store has to take the word that this node leaves: others wait less than two seconds without it.
pub(crate) const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// How long links have to send what waits when the node stops.
pub(crate) const LINKS_END_WITHIN: Duration = Duration::from_secs(1);

/// How often it is looked which other nodes this one reaches.
pub(crate) const REACH_LOOKED_AT_EVERY: Duration = Duration::from_millis(100);

/// How long a node has to reach too few others before it gives its rooms away, and enough of them before it takes
/// some again. Longer than a dead one stays a member, so that nobody leaves because others have died; and than a
/// link takes that was broken and comes back. Whoever starts takes some as soon as it reaches enough of them.
pub(crate) const CUT_OFF_AFTER: Duration = Duration::from_secs(2);

/// How long a start waits for the place of files to say whose it is. A folder answers at once, and a bucket that
/// does not keeps nobody from messages.
pub(crate) const PLACE_ANSWERS_WITHIN: Duration = Duration::from_secs(10);
