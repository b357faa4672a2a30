//! The command lines of `rookery chat` and `rookery admin`, to be put into the one of the binary.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use rookery_client::Fingerprint;

use crate::{exit, limits};

/// Where a server is when nothing else is said: on this machine.
pub const DEFAULT_SERVER: &str = "https://localhost:7443";

/// Which server, and how to know that it is the right one.
#[derive(Args, Clone, Debug)]
pub struct ServerArgs {
    /// Address of the server
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "ROOKERY_CLIENT_SERVER",
        default_value = DEFAULT_SERVER
    )]
    pub server: String,
    /// Believe the server whose certificate has this SHA-256 fingerprint, and remember it
    #[arg(
        long,
        global = true,
        value_name = "SHA256",
        env = "ROOKERY_CLIENT_FINGERPRINT",
        conflicts_with = "ca_file"
    )]
    pub fingerprint: Option<Fingerprint>,
    /// Believe servers that an authority in this PEM file vouches for; `system` for those of the system
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ROOKERY_CLIENT_CA_FILE"
    )]
    pub ca_file: Option<PathBuf>,
    /// Folder for tokens and known servers [default: rookery in the user's configuration]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "ROOKERY_CLIENT_CONFIG_DIR"
    )]
    pub config_dir: Option<PathBuf>,
}

/// Whose account.
#[derive(Args, Clone, Debug)]
pub struct UserArgs {
    /// User name; without it, whoever signed in last on this server
    #[arg(long, global = true, value_name = "NAME", env = "ROOKERY_CLIENT_USER")]
    pub user: Option<String>,
    /// Sign in with the password in the first line of this file instead of asking for it
    #[arg(long, global = true, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Use the token in the first line of this file instead of signing in
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        conflicts_with = "password_file"
    )]
    pub token_file: Option<PathBuf>,
    /// Do not keep the token for the next time
    #[arg(long, global = true)]
    pub forget: bool,
}

/// `rookery chat`
#[derive(Args, Clone, Debug)]
#[command(about = "Chat in the terminal", after_help = exit::HELP)]
pub struct ChatArgs {
    /// Which server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Whose account.
    #[command(flatten)]
    pub user: UserArgs,
    /// Make a new account with this invitation (rk_i_...)
    #[arg(long, value_name = "INVITATION")]
    pub invitation: Option<String>,
    /// Lines in, lines out, no screen: for scripts
    #[arg(long)]
    pub plain: bool,
    /// As --plain, with one JSON object per line out
    #[arg(long)]
    pub json: bool,
    /// The room to open: its name, its id (rooms/...), or @USER for a direct conversation
    #[arg(long, value_name = "ROOM")]
    pub room: Option<String>,
    /// With --plain: join by this link (rk_l_...) first
    #[arg(long, value_name = "LINK")]
    pub join: Option<String>,
    /// With --plain: make the room if there is none of this name
    #[arg(long)]
    pub create: bool,
    /// With --plain: go on printing after the end of the input
    #[arg(long)]
    pub follow: bool,
    /// With --plain: print so many messages from before
    #[arg(long, value_name = "COUNT", default_value_t = limits::PLAIN_HISTORY_DEFAULT)]
    pub history: usize,
}

/// `rookery admin`
#[derive(Args, Clone, Debug)]
#[command(about = "Administer a server", after_help = exit::HELP)]
pub struct AdminArgs {
    /// Which server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Whose account: an administrator's.
    #[command(flatten)]
    pub user: UserArgs,
    /// One JSON value instead of a table
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: AdminCommand,
}

/// What `rookery admin` does.
#[derive(Clone, Debug, Subcommand)]
pub enum AdminCommand {
    /// Accounts: who there is, who may sign in, who administers
    #[command(subcommand)]
    Accounts(AccountsCommand),
    /// Invitations: one secret for one registration
    #[command(subcommand)]
    Invitations(InvitationsCommand),
    /// Rooms: ids, kinds and sizes
    #[command(subcommand)]
    Rooms(RoomsCommand),
    /// The key that all stored data is sealed under
    #[command(subcommand)]
    Keys(KeysCommand),
    /// The nodes that share the store, and what each has of all rooms
    Cluster,
    /// Take a node out of service while it runs: its rooms and its clients go to the others
    Drain {
        /// nodes/ID, as `cluster` shows it
        node: String,
        /// Have it take its part again
        #[arg(long)]
        cancel: bool,
    },
    /// Release, sessions, rooms in memory, certificate
    Status,
}

/// What to do about accounts. USER is a user name or accounts/ID.
#[derive(Clone, Debug, Subcommand)]
pub enum AccountsCommand {
    /// All accounts
    List,
    /// Keep an account from signing in, and end its sessions; nothing is deleted
    Suspend {
        /// User name or accounts/ID
        #[arg(value_name = "USER")]
        account: String,
    },
    /// Let a suspended account sign in again
    Resume {
        /// User name or accounts/ID
        #[arg(value_name = "USER")]
        account: String,
    },
    /// Set what an account may do on the server
    Role {
        /// User name or accounts/ID
        #[arg(value_name = "USER")]
        account: String,
        /// The role from here on
        role: RoleArg,
    },
}

/// What to do about invitations.
#[derive(Clone, Debug, Subcommand)]
pub enum InvitationsCommand {
    /// Make one, and print its secret this once
    Create {
        /// What the new account may do
        #[arg(long, default_value = "member")]
        role: RoleArg,
        /// Days until it is void, 1 to 90
        #[arg(long, value_name = "DAYS", default_value_t = 7)]
        days: i32,
        /// For the administrators' own memory
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
    },
    /// All that are open
    List,
    /// Void one
    Delete {
        /// invitations/ID
        name: String,
    },
}

/// What to do about rooms.
#[derive(Clone, Debug, Subcommand)]
pub enum RoomsCommand {
    /// All rooms
    List,
    /// Move a room to a node, with the part of all rooms that it belongs to
    Move {
        /// rooms/ID
        name: String,
        /// nodes/ID
        node: String,
    },
    /// Delete a room and all that was said in it
    Delete {
        /// rooms/ID
        name: String,
        /// Without it nothing is deleted
        #[arg(long)]
        yes: bool,
    },
}

/// What to do about the key.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum KeysCommand {
    /// Replace it, while the server serves; one that was interrupted goes on
    Rotate {
        /// Wait for the end, with a bar
        #[arg(long)]
        watch: bool,
    },
    /// How the rotation stands
    Status,
}

/// What an account may do on the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum RoleArg {
    /// Chat
    Member,
    /// And administer the server
    Administrator,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        admin: AdminArgs,
    }

    #[test]
    fn who_and_where_may_stand_before_the_command_and_after_it() {
        for line in [
            "admin --server https://a:1 --user ada --json accounts suspend bo",
            "admin accounts suspend bo --server https://a:1 --user ada --json",
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).expect("understood");
            assert_eq!(cli.admin.server.server, "https://a:1", "{line}");
            assert_eq!(cli.admin.user.user.as_deref(), Some("ada"), "{line}");
            let AdminCommand::Accounts(AccountsCommand::Suspend { account }) = cli.admin.command
            else {
                panic!("{line}");
            };
            assert_eq!(account, "bo");
        }
    }
}
