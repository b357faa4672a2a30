//! `rookery admin`: one call each, as a table or as JSON.
//!
//! Invariant: a table is for people and may change; the JSON has the field names of the .proto files.

mod keys;
mod nodes;
mod table;

use rookery_client::v1::account::Role;
use rookery_client::v1::{Account, CreateInvitationRequest, Invitation, ServerRoom, room};
use rookery_client::{Client, Code};
use serde_json::{Value, json};

use crate::args::{
    AccountsCommand, AdminArgs, AdminCommand, InvitationsCommand, RoleArg, RoomsCommand,
};
use crate::connect::{Place, signed_in};
use crate::exit::Failure;
use crate::out;
use table::Table;

/// What a command found, for people and for programs.
struct Found {
    text: String,
    json: Value,
}

pub(crate) async fn run(args: AdminArgs) -> Result<(), Failure> {
    // What is wrong with the command is said before anybody has to sign in.
    if let AdminCommand::Rooms(RoomsCommand::Delete { name, yes: false }) = &args.command {
        let text = format!("this deletes {name} and all that was said in it: say --yes");
        return Err(Failure::Usage(text));
    }
    let place = Place::new(&args.server)?;
    let client = signed_in(&place, &args.user).await?;
    let found = match args.command {
        AdminCommand::Accounts(command) => accounts(&client, command).await,
        AdminCommand::Invitations(command) => {
            invitations(&client, &args.server.server, command).await
        }
        AdminCommand::Rooms(command) => rooms(&client, command).await,
        AdminCommand::Keys(command) => keys::keys(&client, command).await,
        AdminCommand::Cluster => nodes::nodes(&client).await,
        AdminCommand::Drain { node, cancel } => nodes::drain(&client, &node, cancel).await,
        AdminCommand::Status => status(&client).await,
    };
    let found = match found {
        Ok(found) => found,
        Err(failure) => return Err(with_name(&client, failure).await),
    };
    if args.json {
        out::json(&found.json);
    } else {
        out::line(found.text.trim_end());
    }
    Ok(())
}

/// Whoever is not allowed may have meant another account of this machine: says which one it was.
async fn with_name(client: &Client, failure: Failure) -> Failure {
    let Failure::Client(error) = failure else {
        return failure;
    };
    if error.code() != Some(Code::PermissionDenied) {
        return Failure::Client(error);
    }
    match client.account("accounts/me").await {
        Ok(me) => Failure::NotAllowed {
            user: me.user_name,
            error,
        },
        // What was asked for was refused; that the name is not known changes nothing.
        Err(_) => Failure::Client(error),
    }
}

async fn accounts(client: &Client, command: AccountsCommand) -> Result<Found, Failure> {
    let (account, done) = match command {
        AccountsCommand::List => {
            let all = client.all_accounts().await?;
            return Ok(Found {
                text: accounts_table(&all),
                json: all.iter().map(account_json).collect(),
            });
        }
        AccountsCommand::Suspend { account } => {
            let name = account_name(client, &account).await?;
            (client.suspend_account(&name).await?, "suspended")
        }
        AccountsCommand::Resume { account } => {
            let name = account_name(client, &account).await?;
            (client.resume_account(&name).await?, "may sign in again")
        }
        AccountsCommand::Role { account, role } => {
            let name = account_name(client, &account).await?;
            let done = match role {
                RoleArg::Member => "is a member",
                RoleArg::Administrator => "is an administrator",
            };
            (client.set_account_role(&name, role.into()).await?, done)
        }
    };
    Ok(Found {
        text: crate::text::clean_line(&format!("{} {done}", account.user_name)),
        json: account_json(&account),
    })
}

/// `accounts/{account}` of a user name; of itself.
async fn account_name(client: &Client, user: &str) -> Result<String, Failure> {
    if user.starts_with("accounts/") {
        return Ok(user.to_owned());
    }
    let user = user.strip_prefix('@').unwrap_or(user);
    Ok(client.look_up_account(user).await?.name)
}

async fn invitations(
    client: &Client,
    server: &str,
    command: InvitationsCommand,
) -> Result<Found, Failure> {
    match command {
        InvitationsCommand::Create { role, days, note } => {
            let request = CreateInvitationRequest {
                role: Role::from(role).into(),
                valid_days: days,
                note,
            };
            let made = client.create_invitation(request).await?;
            let invitation = made.invitation.unwrap_or_default();
            let mut json = invitation_json(&invitation);
            json["secret"] = json!(made.secret);
            let text = format!(
                "{}\n\nIt is shown this once, good for one registration until {}:\n\n  {}",
                made.secret,
                invitation.expiry_date,
                registration(&program(), server, &made.secret)
            );
            Ok(Found { text, json })
        }
        InvitationsCommand::List => {
            let all = client.all_invitations().await?;
            Ok(Found {
                text: invitations_table(&all),
                json: all.iter().map(invitation_json).collect(),
            })
        }
        InvitationsCommand::Delete { name } => {
            client.delete_invitation(&name).await?;
            Ok(Found {
                text: format!("{name} is void"),
                json: json!({ "name": name, "deleted": true }),
            })
        }
    }
}

/// What the invited person types.
fn registration(program: &str, server: &str, secret: &str) -> String {
    format!("{program} chat --server {server} --invitation {secret} --user NAME")
}

/// What this program is called by, from any folder: by its name if it was found by it, else by where it
/// is.
fn program() -> String {
    let called = std::env::args().next().unwrap_or_default();
    if !called.is_empty() && !called.contains(std::path::MAIN_SEPARATOR) {
        return called;
    }
    let path = std::env::current_exe().map(|path| path.display().to_string());
    quoted(&path.unwrap_or(called))
}

/// One word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:\\".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

async fn rooms(client: &Client, command: RoomsCommand) -> Result<Found, Failure> {
    match command {
        RoomsCommand::List => {
            let all = client.all_server_rooms().await?;
            Ok(Found {
                text: rooms_table(&all),
                json: all.iter().map(room_json).collect(),
            })
        }
        RoomsCommand::Move { name, node } => {
            client.move_server_room(&name, &node).await?;
            Ok(Found {
                text: format!("{name} is at {node}"),
                json: json!({ "name": name, "node": node }),
            })
        }
        RoomsCommand::Delete { name, .. } => {
            client.delete_server_room(&name).await?;
            Ok(Found {
                text: format!("{name} is deleted"),
                json: json!({ "name": name, "deleted": true }),
            })
        }
    }
}

async fn status(client: &Client) -> Result<Found, Failure> {
    let status = client.server_status().await?;
    let (sessions, rooms) = (status.sessions.to_string(), status.active_rooms.to_string());
    let mut table = Table::bare();
    table.row(&["version", &status.version]);
    table.row(&["sessions", &sessions]);
    table.row(&["active rooms", &rooms]);
    table.row(&["file transfers", &status.file_transfers.to_string()]);
    table.row(&["certificate SHA-256", &status.certificate_sha256]);
    if status.upgrading_from_schema != 0 {
        let from = format!("from schema version {}", status.upgrading_from_schema);
        table.row(&["the store is being upgraded", &from]);
    }
    if status.unreadable_rows != 0 {
        let rows = status.unreadable_rows.to_string();
        table.row(&["rows that do not read", &rows]);
    }
    Ok(Found {
        text: table.to_string(),
        json: json!({
            "version": status.version,
            "sessions": status.sessions,
            "active_rooms": status.active_rooms,
            "file_transfers": status.file_transfers,
            "certificate_sha256": status.certificate_sha256,
            "upgrading_from_schema": status.upgrading_from_schema,
            "unreadable_rows": status.unreadable_rows,
        }),
    })
}

// === tables and JSON ===

fn accounts_table(all: &[Account]) -> String {
    let mut table = Table::new(&["USER", "SHOWN AS", "ROLE", "STATE", "NAME"]);
    for account in all {
        let state = if account.suspended {
            "suspended"
        } else {
            "active"
        };
        let role = role_name(account.role());
        table.row(&[
            &account.user_name,
            &account.display_name,
            role,
            state,
            &account.name,
        ]);
    }
    table.to_string()
}

fn account_json(account: &Account) -> Value {
    json!({
        "name": account.name,
        "user_name": account.user_name,
        "display_name": account.display_name,
        "role": role_name(account.role()),
        "suspended": account.suspended,
    })
}

fn invitations_table(all: &[Invitation]) -> String {
    let mut table = Table::new(&["NAME", "ROLE", "UNTIL", "NOTE"]);
    for invitation in all {
        table.row(&[
            &invitation.name,
            role_name(invitation.role()),
            &invitation.expiry_date,
            &invitation.note,
        ]);
    }
    table.to_string()
}

fn invitation_json(invitation: &Invitation) -> Value {
    json!({
        "name": invitation.name,
        "role": role_name(invitation.role()),
        "expiry_date": invitation.expiry_date,
        "note": invitation.note,
    })
}

fn rooms_table(all: &[ServerRoom]) -> String {
    let mut table = Table::new(&["NAME", "KIND", "STATE", "EVENTS"]);
    for room in all {
        let state = if room.archived { "archived" } else { "open" };
        let events = room.head_seq.to_string();
        table.row(&[&room.name, kind_name(room.kind()), state, &events]);
    }
    table.to_string()
}

fn room_json(room: &ServerRoom) -> Value {
    json!({
        "name": room.name,
        "kind": kind_name(room.kind()),
        "archived": room.archived,
        "head_seq": room.head_seq,
    })
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Administrator => "administrator",
        Role::Member | Role::Unspecified => "member",
    }
}

const fn kind_name(kind: room::Kind) -> &'static str {
    match kind {
        room::Kind::Direct => "direct",
        room::Kind::Group | room::Kind::Unspecified => "group",
    }
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Member => Self::Member,
            RoleArg::Administrator => Self::Administrator,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_invited_person_types_names_program_and_server() {
        let line = registration(&program(), "https://127.0.0.1:7444", "rk_i_x");
        let (program, rest) = line.split_once(" chat ").expect("a command");
        assert!(std::path::Path::new(program).is_absolute(), "{program}");
        assert_eq!(
            rest,
            "--server https://127.0.0.1:7444 --invitation rk_i_x --user NAME"
        );
        assert_eq!(quoted("/a b/it's"), r"'/a b/it'\''s'");
    }

    #[test]
    fn accounts_are_listed_for_people_and_for_programs() {
        let account = Account {
            name: "accounts/a".to_owned(),
            user_name: "ada".to_owned(),
            display_name: "Ada\u{1b}[31m".to_owned(),
            role: Role::Administrator.into(),
            suspended: true,
        };
        let table = accounts_table(std::slice::from_ref(&account));
        assert_eq!(
            table,
            "USER  SHOWN AS  ROLE           STATE      NAME\n\
             ada   Ada␛[31m  administrator  suspended  accounts/a\n"
        );
        let json = account_json(&account);
        assert_eq!(json["role"], "administrator");
        assert_eq!(json["suspended"], true);
    }
}
