//! People: accounts on a server, made through invitations, and the rooms that they are in.
//!
//! A sign-in costs the server a password hash of some 35 ms on one core, so an account is made once and
//! its token is used for as many sessions as the server allows.

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use rookery_client::v1::member::Role;
use rookery_client::v1::{CreateInvitationRequest, RegisterAccountRequest};
use rookery_client::{Client, Server, Token};

use crate::console::Stage;
use crate::limits::{
    ADDING_AT_ONCE, PEOPLE_PER_CONNECTION, REGISTERING_AT_ONCE, SESSIONS_PER_ACCOUNT,
};
use crate::patience::patiently;

/// Everybody's password. It meets the strict policy; nothing here is secret.
const PASSWORD: &str = "correct Horse battery 9 staple";

/// Somebody with an account, signed in.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// `accounts/{account}`
    pub(crate) account: String,
    /// For unary calls. Some people share a connection.
    pub(crate) client: Client,
    pub(crate) token: Token,
}

/// Registers the first administrator.
///
/// # Errors
/// If the server refuses.
pub(crate) async fn administrator(server: &Server, invitation: &str) -> anyhow::Result<Person> {
    let client = server.connect().await?;
    register(
        &client,
        invitation.to_owned(),
        "admin".to_owned(),
        "Administrator",
    )
    .await
    .context("the first administrator cannot be registered")
}

/// Registers one account for each display name, in this order.
///
/// # Errors
/// If the server refuses one of them.
pub(crate) async fn people(
    server: &Server,
    administrator: &Person,
    names: &[String],
    stage: &Stage,
) -> anyhow::Result<Vec<Person>> {
    let mut connections = Vec::new();
    for _ in 0..names.len().div_ceil(PEOPLE_PER_CONNECTION) {
        connections.push(server.connect().await?);
    }
    let one = async |(index, name): (usize, &String)| {
        let created = patiently(async || {
            let request = CreateInvitationRequest::default();
            administrator.client.create_invitation(request).await
        });
        let invitation = created.await.context("no invitation")?.secret;
        let client = &connections[index / PEOPLE_PER_CONNECTION];
        let person = register(client, invitation, format!("person-{index}"), name).await?;
        stage.inc(1);
        anyhow::Ok(person)
    };
    stream::iter(names.iter().enumerate())
        .map(one)
        .buffered(REGISTERING_AT_ONCE)
        .try_collect()
        .await
}

/// As many accounts as `sessions` sessions need.
pub(crate) fn accounts_for(sessions: usize) -> usize {
    sessions.div_ceil(SESSIONS_PER_ACCOUNT)
}

/// Names for people whose names do not matter.
pub(crate) fn numbered(count: usize) -> Vec<String> {
    (1..=count)
        .map(|number| format!("Person {number}"))
        .collect()
}

/// Makes a room of the owner's with these members in it.
///
/// # Errors
/// If the server refuses.
pub(crate) async fn room(
    owner: &Person,
    name: &str,
    members: &[&Person],
    stage: &Stage,
) -> anyhow::Result<String> {
    let room = patiently(async || owner.client.create_room(name, "").await)
        .await
        .with_context(|| format!("the room {name} cannot be made"))?
        .name;
    let add = async |member: &&Person| {
        let added = patiently(async || {
            owner
                .client
                .add_member(&room, &member.account, Role::Member)
                .await
        });
        added.await.context("a member cannot be added")?;
        stage.inc(1);
        anyhow::Ok(())
    };
    stream::iter(members)
        .map(add)
        .buffer_unordered(ADDING_AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(room)
}

async fn register(
    client: &Client,
    invitation: String,
    user_name: String,
    display_name: &str,
) -> anyhow::Result<Person> {
    let registration = RegisterAccountRequest {
        user_name: user_name.clone(),
        display_name: display_name.to_owned(),
        password: PASSWORD.to_owned(),
        invitation,
        device_label: "loadtest".to_owned(),
        keep_signed_in: false,
    };
    let signed_in = patiently(async || client.register(registration.clone()).await)
        .await
        .with_context(|| format!("{user_name} cannot be registered"))?;
    Ok(Person {
        account: signed_in.account.name,
        client: signed_in.client,
        token: signed_in.token,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_enough_for_their_sessions() {
        assert_eq!(accounts_for(1), 1);
        assert_eq!(accounts_for(SESSIONS_PER_ACCOUNT), 1);
        assert_eq!(accounts_for(SESSIONS_PER_ACCOUNT + 1), 2);
    }
}
