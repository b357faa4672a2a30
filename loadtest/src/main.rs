//! The program `loadtest`: see [`loadtest::cli`].

use std::process::ExitCode;

// The allocator of the server, so that what it is compared with has the same.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    loadtest::cli::main()
}
