//! How a binary takes the clients in: two subcommands, two calls. Run it with
//! `cargo run -p proto-clients-terminal --example embed -- chat --help`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use proto_clients_terminal::{AdminArgs, ChatArgs};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Chat(Box<ChatArgs>),
    Admin(Box<AdminArgs>),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Chat(args) => proto_clients_terminal::chat(*args),
        Command::Admin(args) => proto_clients_terminal::admin(*args),
    }
}
