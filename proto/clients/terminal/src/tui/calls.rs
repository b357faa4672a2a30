//! Slash commands, carried out.
//!
//! People are named by their user names there and by their accounts here; in between stands one look-up.

use std::future::Future;

use rookery_client::v1::member::Role;
use rookery_client::v1::{Member, Room, Upload};
use rookery_client::{Client, Error};

use super::model::{Act, Call, Outcome};
use crate::text::{clean_line, size};
use crate::{limits, time};

pub(super) async fn perform(client: &Client, call: Call) -> Result<Outcome, Error> {
    match call {
        Call::NewRoom(name) => client.create_room(&name, "").await.map(Outcome::Open),
        Call::Direct(user) => {
            let account = account(client, &user).await?;
            client.open_direct_room(&account).await.map(Outcome::Open)
        }
        Call::Join(link) => client.join_room(&link).await.map(Outcome::Open),
        Call::Look(room) => client.room(&room).await.map(Outcome::Room),
        Call::Invite(room) => invite(client, &room).await,
        Call::Uninvite(room) => {
            client.delete_room_link(&room).await?;
            said("the link is void")
        }
        Call::Rename(room, name) => {
            let renamed = client.update_room(&room, Some(&name), None).await?;
            Ok(Outcome::Room(renamed))
        }
        Call::Topic(room, topic) => {
            let changed = client.update_room(&room, None, Some(&topic)).await?;
            Ok(Outcome::Room(changed))
        }
        Call::Archive(room, true) => client.archive_room(&room).await.map(Outcome::Room),
        Call::Archive(room, false) => client.unarchive_room(&room).await.map(Outcome::Room),
        Call::Leave(room) => {
            client.leave_room(&room).await?;
            Ok(Outcome::Gone(room))
        }
        Call::Members(room) => members(client, &room).await,
        Call::Delete(room, seq) => {
            client.delete_message(&room, seq).await?;
            Ok(Outcome::Seen)
        }
        Call::Readers(room, seq) => readers(client, &room, seq).await,
        Call::Nick(name) => client.set_display_name(&name).await.map(Outcome::Me),
        Call::Uploads => client.all_uploads().await.map(uploads),
        Call::SignOut => {
            client.sign_out().await?;
            Ok(Outcome::SignedOut)
        }
        Call::About(room, user, act) => about(client, &room, &user, act).await,
    }
}

/// Uploads, of which some can be of other programs, or still on their way.
fn uploads(all: Vec<Upload>) -> Outcome {
    let bytes = all.iter().map(|upload| upload.size).sum();
    let mut lines: Vec<_> = all.iter().map(upload_line).collect();
    let title = if all.is_empty() {
        lines.push("none: every file that you have sent up is in a message".to_owned());
        "Uploads".to_owned()
    } else {
        lines.push(String::new());
        lines.push("What no message carries goes by itself after the next day (UTC).".to_owned());
        format!("Uploads that are in no message: {}", size(bytes))
    };
    Outcome::Text { title, lines }
}

fn upload_line(upload: &Upload) -> String {
    let came = match upload.received_size * 100 / upload.size.max(1) {
        _ if upload.finished => "whole".to_owned(),
        percent => format!("{percent} %"),
    };
    let name = clean_line(&upload.display_name);
    format!("{name}  {}  {came}", size(upload.size))
}

/// What moderators do to others.
async fn about(client: &Client, room: &str, user: &str, act: Act) -> Result<Outcome, Error> {
    let account = account(client, user).await?;
    let id = account.strip_prefix("accounts/").unwrap_or(&account);
    let member = format!("{room}/members/{id}");
    let done = match act {
        Act::Add(role) => {
            client.add_member(room, &account, role).await?;
            "is in this room now".to_owned()
        }
        Act::Remove => {
            client.remove_member(&member).await?;
            "is not in this room any more".to_owned()
        }
        Act::SetRole(role) => {
            client.set_member_role(&member, role).await?;
            format!("is {} now", role_name(role))
        }
        Act::Mute(seconds) => {
            let until = seconds.map(|seconds| {
                let mut until = time::now();
                until.seconds = until.seconds.saturating_add(seconds);
                until
            });
            client.mute_member(&member, until).await?;
            "cannot write here now".to_owned()
        }
        Act::Unmute => {
            client.unmute_member(&member).await?;
            "can write here again".to_owned()
        }
        Act::Ban => {
            client.ban_account(room, &account).await?;
            "is kept out".to_owned()
        }
        Act::Unban => {
            client.unban_account(room, &account).await?;
            "may come in again".to_owned()
        }
    };
    said(&format!("{user} {done}"))
}

fn said(text: &str) -> Result<Outcome, Error> {
    Ok(Outcome::Notice(text.to_owned()))
}

/// `accounts/{account}` of a user name.
async fn account(client: &Client, user: &str) -> Result<String, Error> {
    if user.starts_with("accounts/") {
        return Ok(user.to_owned());
    }
    Ok(client.look_up_account(user).await?.name)
}

async fn invite(client: &Client, room: &str) -> Result<Outcome, Error> {
    let link = client.create_room_link(room).await?;
    let lines = vec![
        link,
        String::new(),
        "Whoever has it and an account here can join:".to_owned(),
        "  /join LINK".to_owned(),
        "It is shown this once. /uninvite voids it.".to_owned(),
    ];
    let title = "Link to this room".to_owned();
    Ok(Outcome::Text { title, lines })
}

async fn members(client: &Client, room: &str) -> Result<Outcome, Error> {
    let Room { member_count, .. } = client.room(room).await?;
    let all = client.all_members(room).await?;
    let mut lines = names(
        all.iter().take(limits::NAMES_LOADED_MAX),
        |member: &Member| (client.clone(), member.account.clone(), describe(member)),
    )
    .await;
    lines.sort();
    if all.len() > lines.len() {
        lines.push(format!("and {} more", all.len() - lines.len()));
    }
    let title = format!("{member_count} members");
    Ok(Outcome::Text { title, lines })
}

fn describe(member: &Member) -> String {
    let role = match member.role() {
        role @ (Role::Moderator | Role::Owner) => format!("  {}", role_name(role)),
        Role::Member | Role::Unspecified => String::new(),
    };
    let muted = if member.muted { "  muted" } else { "" };
    format!("{role}{muted}")
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Moderator => "moderator",
        Role::Member | Role::Unspecified => "member",
    }
}

async fn readers(client: &Client, room: &str, seq: u64) -> Result<Outcome, Error> {
    let all = client.all_readers(room, seq).await?;
    let shown = all.iter().take(limits::NAMES_LOADED_MAX);
    let mut lines = names(shown, |account: &String| {
        (client.clone(), account.clone(), String::new())
    })
    .await;
    lines.sort();
    if all.len() > lines.len() {
        lines.push(format!("and {} more", all.len() - lines.len()));
    }
    if lines.is_empty() {
        lines.push("nobody yet".to_owned());
    }
    let title = "Has been read by".to_owned();
    Ok(Outcome::Text { title, lines })
}

/// A line for each: the name that others see, the user name, and what there is to say.
async fn names<T>(
    of: impl Iterator<Item = T>,
    each: impl Fn(T) -> (Client, String, String),
) -> Vec<String> {
    let line = |(client, name, about): (Client, String, String)| async move {
        match client.account(&name).await {
            Ok(account) => format!("{}  @{}{about}", account.display_name, account.user_name),
            Err(_) => format!("{name}{about}"),
        }
    };
    in_turn(of.map(each).map(line)).await
}

async fn in_turn<F: Future<Output = String>>(futures: impl Iterator<Item = F>) -> Vec<String> {
    let mut lines = Vec::new();
    for future in futures {
        lines.push(future.await);
    }
    lines
}
