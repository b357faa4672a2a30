//! The vault through its public face: opening, sealing, rotating and destroying, on stores that fail.

mod destroying;
mod harness;
mod keys;
mod opening;
mod rotation;
