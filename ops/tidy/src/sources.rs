//! Rules on single source files, one module each.
//!
//! Invariant: an exception is a row in a table with its reason, never a silent special case.

pub mod calls;
pub mod edges;
pub mod headers;
pub mod length;
pub mod words;
