//! Real conversations, to be said again: the file of them, the comparison of what was said with what is found, and the
//! count of what those who listen are given.
//!
//! Leaves out: who says them, to whom, and on which server.

mod comparison;
mod file;
mod hearing;

pub use comparison::{Comparison, Line, compare};
pub use file::{Conversations, Day, Malformed, Said};
pub use hearing::Hearing;
