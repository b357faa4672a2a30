//! Every bound of a simulation, with its reason. What a seed draws lies within these.
//!
//! The bounds of the server itself are constants of its crates and stay as they are. A simulation
//! reaches them by what it does: bursts that overflow an outbox, pauses that put rooms to sleep,
//! batches that fill a transaction.

use std::ops::RangeInclusive;
use std::time::Duration;

/// People in a simulation. Few, so that they meet in rooms and get in each other's way.
pub const PEOPLE: RangeInclusive<u64> = 2..=5;

/// Sign-ins of each, made before the first fault: what a password has to withstand, accounts have tests for.
pub const DEVICES: RangeInclusive<u64> = 1..=3;

/// How long before somebody signs in: by then, whatever a start of the node sets going is done.
pub const ALONE: Duration = Duration::from_millis(200);

/// Rooms made at the start.
pub const ROOMS: RangeInclusive<u64> = 1..=3;

/// Rooms after which nobody makes more: those who might meet in one would be spread over too many.
pub const ROOMS_MAX: usize = 16;

/// Of a million commits, how many happen and are unknown, and as many are lost and are unknown, where nothing
/// else may go wrong.
pub const DOUBT: RangeInclusive<u64> = 150_000..=400_000;

/// How often a node is started before the weather is made fair for it.
pub const STARTS_MAX: usize = 4;

/// Starts of the node before the last.
pub const CRASHES: RangeInclusive<u64> = 1..=4;

/// How long a node lives, and how long its last life is stormy.
pub const LIFE: RangeInclusive<u64> = 4_000..=20_000;

/// Entries of the history after which a node dies, where it dies by number: so it dies in the middle of
/// something, which a clock that stands still while anybody works never shows.
pub const DEATH_AFTER_ENTRIES: RangeInclusive<u64> = 20..=600;

/// Longest pause between two things that a person does, in milliseconds.
pub const THINK_MAX: RangeInclusive<u64> = 20..=1_500;

/// How long somebody does nothing for a nap: longer than a room's actor stays in memory.
pub const NAP: Duration = Duration::from_secs(150);

/// What one person has under way at a time.
pub const UNDER_WAY: RangeInclusive<u64> = 1..=6;

/// Messages in a burst: more than one transaction of a session's takes together.
pub const BURST: RangeInclusive<u64> = 3..=70;

/// Messages in a flood: more than an outbox holds.
pub const FLOOD: RangeInclusive<u64> = 270..=420;

/// Bytes of a short body.
pub const BODY_SHORT: RangeInclusive<u64> = 1..=120;

/// Bytes of a long body, up to the longest that there is.
pub const BODY_LONG: RangeInclusive<u64> = 2_000..=65_536;

/// Files that come with one message at most.
pub const FILES_MAX: usize = 3;

/// Bytes of a file: one object each.
pub const FILE_BYTES: RangeInclusive<u64> = 1..=300;

/// How often a node sweeps files: often enough that many lives have seen a sweep.
pub const SWEEP_EVERY: Duration = Duration::from_secs(20);

/// Days after which no upload lives on. So many, since objects have their time of the machine's clock, which
/// is not the simulation's, and those of no file have to be old before they are swept.
pub const UPLOADS_GONE_DAYS: i64 = 100 * 365;

/// Events in a page, as asked for.
pub const PAGE: RangeInclusive<u64> = 1..=60;

/// Attempts for one thing before a person gives up.
pub const ATTEMPTS: RangeInclusive<u64> = 1..=6;

/// The longest pause before another attempt, in milliseconds.
pub const RETRY_AFTER_MAX: u64 = 800;

/// How long a client waits for an answer: as long as the edge lets a call run.
pub const CALL_DEADLINE: Duration = Duration::from_secs(10);

/// How long a client waits for a reply on a stream: longer than the server waits for the room.
pub const REPLY_DEADLINE: Duration = Duration::from_secs(12);

/// The longest time after which a client that hangs up does so, in milliseconds.
pub const HANG_UP_MAX: u64 = 30;

/// Frames on their way from a client to the server: what a connection's window may hold.
pub const INPUT_FRAMES: usize = 16;

/// Most bytes of a frame from a client: as many as the edge lets a call have.
pub const FRAME_BYTES_MAX: usize = 80 * 1024;

/// Attempts to get a definite answer once the storm is over. A healthy store needs one; a room that has
/// failed often is left alone for half a minute.
pub const CALM_ATTEMPTS_MAX: u32 = 60;

/// The pause between two of them.
pub const CALM_RETRY: Duration = Duration::from_secs(1);

/// How long after the last change everything has arrived that will: the longest stall, a room that is
/// left alone after failures, and the sweeps of the server.
pub const SETTLE: Duration = Duration::from_secs(90);

/// How long a stream may take to catch up with all rooms when nothing goes wrong.
pub const CATCH_UP: Duration = Duration::from_secs(20);

/// How far the wall clock jumps at most, in milliseconds: a day, either way.
pub const CLOCK_JUMP_MAX: u64 = 24 * 60 * 60 * 1_000;

/// Lines of a history that are shown with a violation.
pub const EXCERPT_LINES_MAX: usize = 40;

/// Entries before and after the one at fault that an excerpt looks at.
pub const EXCERPT_REACH: usize = 400;

/// Entries that are shown of a run that did not come to its end.
pub const LAST_ENTRIES: usize = 12;

/// Violations of one seed that are shown in full.
pub const SHOWN_MAX: usize = 4;

/// Seeds that failed and are shown in full; the rest are named.
pub const FAILED_SEEDS_SHOWN_MAX: usize = 3;

/// Seeds of which some have drawn every kind of fault that is allowed. A smaller campaign may have had luck.
pub const SEEDS_FOR_EVERY_FAULT: u64 = 20;

/// Nodes at most: more find nothing that a few do not.
pub const NODES_MAX: i64 = 9;

/// How long things go wrong with several nodes, in milliseconds.
pub const STORM_OF_NODES: RangeInclusive<u64> = 8_000..=40_000;

/// How much faster than a server a cluster is: so far that a lease still is some delays of the store.
pub const FASTER: RangeInclusive<u64> = 1..=4;

/// The longest step of a seed's scheduler, in milliseconds; each is of a random length up to that. It is what
/// a message takes from node to node.
pub const STEP: RangeInclusive<u64> = 2..=12;

/// The longest step once nothing goes wrong any more.
pub const CALM_STEP: u64 = 12;

/// The longest quiet between two troubles of nodes, in milliseconds; each seed has its own.
pub const TROUBLE_EVERY: RangeInclusive<u64> = 200..=6_000;

/// How long a node is down before it starts again, in milliseconds: it may be back before anybody has missed
/// it.
pub const DOWN: RangeInclusive<u64> = 30..=5_000;

/// The longest time that a node stands still, in milliseconds: several leases.
pub const PAUSE: u64 = 8_000;

/// The longest time that a way between two nodes is held, or late.
pub const WAY_HELD: u64 = 8_000;

/// How late what one node sends to another is at most.
pub const LATE_MAX: u64 = 800;

/// The longest time that a node does not reach the store.
pub const CUT_OFF: u64 = 6_000;

/// The right pace of a clock.
pub const PACE_RIGHT: u32 = 1_000;

/// Within this a sign-out acts on every node, as is promised.
pub const SIGN_OUT_WITHIN: Duration = Duration::from_secs(1);

/// How fast clocks of nodes go that drift: as much as leases allow for.
pub const PACE_DRIFT: RangeInclusive<u64> = 900..=1_100;

/// How long a node that drains waits for its shards to be taken.
pub const HAND_OVER_WITHIN: Duration = Duration::from_secs(10);

/// How long a node that drains waits for its clients to go, and how often it looks.
pub const CONNECTIONS_END_WITHIN: Duration = Duration::from_secs(10);

/// How often it looks whether they have.
pub const CONNECTIONS_END_LOOK: Duration = Duration::from_millis(20);

/// Within this all nodes are back once nothing goes wrong any more: a start may wait for a lease, and for a
/// stall.
pub const RETURN_WITHIN: Duration = Duration::from_secs(120);

/// Within this everybody has looked at everything: else something never comes to rest.
pub const LAST_LOOK_WITHIN: Duration = Duration::from_secs(1_800);
