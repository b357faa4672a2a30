//! What happens to nodes of which there are several, and on the ways between them.
//!
//! Leaves out: what happens to the store, and to the wall clocks, which is the same for one node.

/// What happens to one node of several.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OnNode {
    /// It starts, with a monotonic clock that goes at so many thousandths of the right pace.
    Starts(u32),
    /// It could not, for this reason, and ends.
    Fails(String),
    /// It takes clients.
    Serves,
    /// It dies, in the middle of whatever it does.
    Dies,
    /// It is told to hand over and to end.
    Drains,
    /// It has done so.
    Ends,
    /// All of it stands still.
    Stands,
    /// It goes on, with what it believed before.
    GoesOn,
    /// It reaches the store no more, or again.
    CutOff(bool),
}

/// What happens to the way from one node to another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnWay {
    /// What is sent does not arrive.
    Held,
    /// It does, with all that was held.
    Released,
    /// It arrives so many milliseconds later.
    Late(u64),
    /// Connections break, and may be made anew.
    Broken,
}
