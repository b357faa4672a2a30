//! The service through its public face: the calls of the API, the handle, and nothing inside.

mod administration;
mod bad_input;
mod embedded;
mod faults;
mod harness;
mod other_nodes;
mod profiles;
mod registration;
mod secrecy;
mod sign_in;
mod tokens;
mod upgrade;
