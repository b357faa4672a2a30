//! How work runs: tasks with a declared policy, actors with bounded inboxes, one way to stop.
//!
//! Owns: [`Tasks`], the only place that spawns; [`Inbox`] and [`Reply`], which put a bound and a
//! deadline around an actor; [`Supervisor`], under which keyed actors run.
//!
//! Invariant: nothing that waits for an actor waits without a bound in number, in bytes and in time.
//! ractor's own mailbox is unbounded, so it carries wake-ups alone, at most one of which is under way
//! per actor; what is asked lies in the actor's [`Inbox`].
//!
//! Leaves out: what any actor does. No global registry is used: tests run several nodes in a process.

mod inbox;
mod reply;
mod supervisor;
mod tasks;

pub use inbox::{Inbox, InboxLimits, PushError, Taken, Wake};
pub use reply::{AskError, Reply, Waiting};
pub use supervisor::{Exit, Supervisor};
pub use tasks::{OnPanic, TaskKind, Tasks};
