//! `rookery`: one program for the server, for people who chat and for those who administer.

use std::process::ExitCode;

use services_server::cli::{Cli, Command, EXIT_USAGE};

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no mistakes.
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            // It fails only if nobody reads what would be said.
            let _unread = error.print();
            return ExitCode::from(code);
        }
    };
    match cli.command {
        None => services_server::serve(cli.serve),
        Some(Command::Serve(options)) => services_server::serve(options),
        Some(Command::Chat(arguments)) => proto_clients_terminal::chat(arguments),
        Some(Command::Admin(arguments)) => proto_clients_terminal::admin(arguments),
        Some(Command::Keys(arguments)) => services_server::key_files(arguments),
        Some(Command::Backup(arguments)) => services_server::backup(arguments),
        Some(Command::Restore(arguments)) => services_server::restore(arguments),
        Some(Command::Cluster(arguments)) => services_server::cluster(arguments),
        Some(Command::DevCluster(arguments)) => services_server::dev_cluster(arguments),
        Some(Command::Demo(arguments)) => services_server::demo(arguments),
    }
}
