//! Real conversations, to be said again: the file of them, and the comparison of what was said with what is found.
//!
//! Leaves out: who says them, to whom, and through what.

mod comparison;
mod file;

pub use comparison::{Comparison, Line, compare};
pub use file::{Conversations, Day, Malformed, Said};
