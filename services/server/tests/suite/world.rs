//! People and a room to test with: somebody of each standing.

use std::collections::BTreeMap;

use prost::Message;
use proto::v1;

use crate::support::{Connection, Server};

/// A password that the policy takes.
pub(crate) const PASSWORD: &str = "Correct-Horse-9-Battery";

/// How somebody stands to a room.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Standing {
    Anonymous,
    Stranger,
    Member,
    Muted,
    Removed,
    Banned,
    Moderator,
    Owner,
    /// Of the server; not in the room.
    Administrator,
}

impl Standing {
    /// In the order of the matrix's columns.
    pub(crate) const ALL: [Self; 9] = [
        Self::Anonymous,
        Self::Stranger,
        Self::Member,
        Self::Muted,
        Self::Removed,
        Self::Banned,
        Self::Moderator,
        Self::Owner,
        Self::Administrator,
    ];
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// `accounts/{account}`
    pub(crate) account: String,
    pub(crate) user_name: String,
    pub(crate) token: String,
}

/// A server with people on it.
#[derive(Debug)]
pub(crate) struct World {
    _server: Server,
    pub(crate) connection: Connection,
    people: BTreeMap<Standing, Person>,
    /// A member of every room, whom things are done to.
    pub(crate) target: Person,
    /// In no room.
    pub(crate) newcomer: Person,
}

/// A room in which everybody has its standing.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    /// `rooms/{room}`
    pub(crate) name: String,
    /// Of a message that the target has said.
    pub(crate) said: u64,
    pub(crate) link: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        let server = Server::start(|_| {}).await;
        let connection = server.connect().await;
        let invitation = server.invitation().await;
        let administrator = register(&connection, "administrator", &invitation).await;
        let mut people = BTreeMap::new();
        for standing in Standing::ALL {
            if standing != Standing::Anonymous && standing != Standing::Administrator {
                let name = format!("{standing:?}").to_lowercase();
                people.insert(standing, invite(&connection, &administrator, &name).await);
            }
        }
        let target = invite(&connection, &administrator, "target").await;
        let newcomer = invite(&connection, &administrator, "newcomer").await;
        people.insert(Standing::Administrator, administrator);
        Self {
            _server: server,
            connection,
            people,
            target,
            newcomer,
        }
    }

    pub(crate) fn person(&self, standing: Standing) -> Option<&Person> {
        self.people.get(&standing)
    }

    fn known(&self, standing: Standing) -> &Person {
        &self.people[&standing]
    }

    /// Has somebody do something that works.
    pub(crate) async fn ok<T: Message + Default>(
        &self,
        person: &Person,
        path: &str,
        message: &impl Message,
    ) -> T {
        self.connection
            .call(Some(&person.token), path, message)
            .await
            .ok()
    }

    /// A room in which everybody has its standing, and the target has said something.
    pub(crate) async fn room(&self) -> Room {
        let owner = self.known(Standing::Owner);
        let request = v1::CreateRoomRequest {
            display_name: "lobby".to_owned(),
            topic: String::new(),
            request_id: uuid(),
        };
        let room: v1::Room = self.ok(owner, "Rooms/CreateRoom", &request).await;
        let name = room.name;
        let mut add = vec![(&self.target, v1::member::Role::Member)];
        for standing in [
            Standing::Member,
            Standing::Muted,
            Standing::Removed,
            Standing::Banned,
        ] {
            add.push((self.known(standing), v1::member::Role::Member));
        }
        add.push((self.known(Standing::Moderator), v1::member::Role::Moderator));
        for (person, role) in add {
            let (parent, account) = (name.clone(), person.account.clone());
            let request = v1::AddMemberRequest {
                parent,
                account,
                role: role.into(),
            };
            let _: v1::Member = self.ok(owner, "Rooms/AddMember", &request).await;
        }
        let muted = v1::MuteMemberRequest {
            name: member(&name, self.known(Standing::Muted)),
            until: None,
        };
        let _: v1::Member = self.ok(owner, "Rooms/MuteMember", &muted).await;
        let removed = v1::RemoveMemberRequest {
            name: member(&name, self.known(Standing::Removed)),
        };
        self.ok::<()>(owner, "Rooms/RemoveMember", &removed).await;
        let account = self.known(Standing::Banned).account.clone();
        let banned = v1::BanAccountRequest {
            parent: name.clone(),
            account,
        };
        self.ok::<()>(owner, "Rooms/BanAccount", &banned).await;

        let sent: v1::SendMessageResponse = self
            .ok(
                &self.target,
                "Messages/SendMessage",
                &message(&name, "hello"),
            )
            .await;
        let parent = name.clone();
        let link: v1::CreateRoomLinkResponse = self
            .ok(
                owner,
                "Rooms/CreateRoomLink",
                &v1::CreateRoomLinkRequest { parent },
            )
            .await;
        Room {
            name,
            said: sent.seq,
            link: link.link,
        }
    }
}

/// `rooms/{room}/members/{account}`
pub(crate) fn member(room: &str, person: &Person) -> String {
    format!(
        "{room}/members/{}",
        person.account.trim_start_matches("accounts/")
    )
}

/// A message to be said.
pub(crate) fn message(room: &str, body: &str) -> v1::SendMessageRequest {
    v1::SendMessageRequest {
        room: room.to_owned(),
        client_message_id: uuid(),
        body: body.to_owned(),
        ..v1::SendMessageRequest::default()
    }
}

/// A file to be sent.
pub(crate) fn upload(room: &str, display_name: &str, size: u64) -> v1::StartUploadRequest {
    v1::StartUploadRequest {
        room: room.to_owned(),
        display_name: display_name.to_owned(),
        size,
        sha256: Vec::new(),
        request_id: uuid(),
    }
}

/// The first message of those that send it.
pub(crate) fn upload_start(name: &str, offset: u64) -> v1::UploadFileRequest {
    let name = name.to_owned();
    let start = v1::UploadStart { name, offset };
    v1::UploadFileRequest {
        part: Some(v1::upload_file_request::Part::Start(start)),
    }
}

pub(crate) fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Signs somebody in once more.
pub(crate) async fn sign_in(connection: &Connection, user_name: &str) -> Person {
    let request = v1::SignInRequest {
        user_name: user_name.to_owned(),
        password: PASSWORD.to_owned(),
        ..v1::SignInRequest::default()
    };
    person(
        connection
            .call(None, "Accounts/SignIn", &request)
            .await
            .ok(),
    )
}

pub(crate) async fn register(connection: &Connection, name: &str, invitation: &str) -> Person {
    let request = v1::RegisterAccountRequest {
        user_name: name.to_owned(),
        password: PASSWORD.to_owned(),
        invitation: invitation.to_owned(),
        ..v1::RegisterAccountRequest::default()
    };
    person(
        connection
            .call(None, "Accounts/RegisterAccount", &request)
            .await
            .ok(),
    )
}

pub(crate) async fn invite(connection: &Connection, administrator: &Person, name: &str) -> Person {
    let token = Some(administrator.token.as_str());
    let request = v1::CreateInvitationRequest::default();
    let made = connection
        .call(token, "Administration/CreateInvitation", &request)
        .await;
    register(
        connection,
        name,
        &made.ok::<v1::CreateInvitationResponse>().secret,
    )
    .await
}

fn person(answer: v1::SignInResponse) -> Person {
    let account = answer.account.expect("an account");
    Person {
        account: account.name,
        user_name: account.user_name,
        token: answer.token,
    }
}
