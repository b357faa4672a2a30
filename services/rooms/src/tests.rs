//! The service through its handle: over a store in memory under paused time, and what matters most
//! over a real file too.

mod attachments;
mod deletion;
mod dying;
mod history;
mod marks;
mod neighbours;
mod people;
mod promises;
mod repeats;
mod sending;
mod weather;
